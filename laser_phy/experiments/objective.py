"""Loss and metrics of a task, by Keras' own names and with their settings."""

from __future__ import annotations

import inspect
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict

from laser_phy.core.errors import Refusal, nearest
from laser_phy.core.kinds import snake_case
from laser_phy.core.settings import Settings, setting
from laser_phy.data import Data

ON_LOGITS = {"from_logits": True, "threshold": 0.0, "thresholds": 0.0}
"""What losses and metrics are told that have a word for it: our models give logits."""


class ObjectiveError(Refusal):
    """A loss or a metric that Keras does not have, or does not take so."""


class Named(Settings):
    """A loss or metric of Keras, and what it is told."""

    model_config = ConfigDict(extra="allow", strict=False)

    name: str = setting(min_length=1, example="mean_squared_error")
    """As Keras has it, in small letters: `mean_squared_error`, `huber`, `auc`."""

    @property
    def arguments(self) -> dict[str, Any]:
        """What it is told."""
        return dict(self.__pydantic_extra__ or {})


def _expand(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


AnyNamed: Any = Annotated[Named, BeforeValidator(_expand, json_schema_input_type=Named | str)]
"""A bare string is short for `{name: ...}`."""

LOSSES = {
    "class": "sparse_categorical_crossentropy",
    "token": "sparse_categorical_crossentropy",
    "labels": "binary_crossentropy",
    "real": "mean_squared_error",
}
METRICS = {
    "class": "accuracy",
    "token": "accuracy",
    "labels": "binary_accuracy",
    "real": "mean_absolute_error",
}
"""What is minimised and measured by default, by what there is to learn."""


def loss_of(named: Named | None, data: Data) -> Any:
    """The Keras loss; that of the data's targets where none is named.

    Raises:
        ObjectiveError: Keras has no such loss, or not with these settings.
    """
    import keras

    named = named or Named(name=LOSSES[data.target])
    return _made(named, keras.losses, keras.losses.Loss, "loss")


def metrics_of(named: tuple[Named, ...] | None, data: Data) -> list[Any]:
    """The Keras metrics; that of the data's targets where none are named.

    Raises:
        ObjectiveError: Keras has no such metric, or not with these settings.
    """
    import keras

    wanted = (Named(name=METRICS[data.target]),) if named is None else named
    return [
        "accuracy"  # Keras chooses among its kinds by loss and shapes
        if one.name == "accuracy" and data.target in ("class", "token")
        else _made(one, keras.metrics, keras.metrics.Metric, "metrics")
        for one in wanted
    ]


def judge(named: tuple[Named, ...] | None, data: Data) -> str:
    """Column of the history that a run is judged by: the first metric, or else the loss."""
    if named is None:
        return "val_perplexity" if data.target == "token" else f"val_{METRICS[data.target]}"
    return f"val_{named[0].name}" if named else "val_loss"


def _made(named: Named, module: Any, base: type, field: str) -> Any:
    kinds = {
        snake_case(name): kind
        for name, kind in vars(module).items()
        if isinstance(kind, type) and issubclass(kind, base) and kind is not base
    }
    kind = kinds.get(named.name)
    if kind is None:
        raise ObjectiveError(
            f"task.{field} cannot be {named.name!r}{nearest(named.name, kinds) or '.'} Keras has "
            f"{', '.join(sorted(kinds))}."
        )
    takes = inspect.signature(kind).parameters
    word = next((word for word in ON_LOGITS if word in takes), None)
    told = {} if word is None else {word: ON_LOGITS[word]}
    arguments = told | {"name": named.name} | named.arguments
    try:
        return kind(**arguments)
    except (TypeError, ValueError) as error:
        words = ", ".join(word for word in takes if word not in ("name", "dtype"))
        raise ObjectiveError(
            f"task.{field}: {named.name} does not take {named.arguments}: {error} It takes {words}."
        ) from error
