"""Settings of the model that is trained, `task.model`."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Literal

from laser_phy.core.kinds import Family, Kind
from laser_phy.core.settings import setting
from laser_phy.data.base import Data, DataError, Modality


class Model(Kind):
    """What every kind of model has. A kind writes `create`, and says what it `takes`.

    Attributes:
        takes: kinds of data that it learns from.
    """

    takes: ClassVar[tuple[Modality, ...]] = ("image", "array")

    def build(self, data: Data, seed: int) -> Any:
        """The `keras.Model`, with an output for each class, label, token or real of `data`.

        Args:
            data: gives the shape of an example and the number of outputs.
            seed: fixes the initial weights.

        Raises:
            DataError: if this model cannot learn from this data.
        """
        if data.kind not in self.takes:
            raise DataError(
                f"model {getattr(self, 'name', '')!r} learns from {' or '.join(self.takes)} data; "
                f"data set {data.name!r} is {data.kind}."
            )
        return self.create(data, seed)

    def create(self, data: Data, seed: int) -> Any:
        """The `keras.Model`, of `data.outputs` outputs; arguments as for `build`."""
        raise NotImplementedError


class Linear(Model):
    """One linear layer on the flattened image: 7,850 parameters on MNIST."""

    name: Literal["linear"] = "linear"

    def create(self, data: Data, seed: int) -> Any:
        from laser_phy import models

        return models.linear(data.input_shape, data.outputs, seed=seed)


class Mlp(Model):
    """Dense layers with ReLU between them, on the flattened image."""

    name: Literal["mlp"] = "mlp"
    hidden: tuple[int, ...] = setting((128,), unit="units a hidden layer")
    """Units of each hidden layer."""

    def create(self, data: Data, seed: int) -> Any:
        from laser_phy import models

        return models.mlp(data.input_shape, data.outputs, hidden=self.hidden, seed=seed)


class Resnet18(Model):
    """ResNet18 for small images: 11,173,962 parameters at width 64 with 10 classes."""

    name: Literal["resnet18"] = "resnet18"
    takes: ClassVar[tuple[Modality, ...]] = ("image",)
    width: int = setting(64, ge=1, le=4096, unit="channels of the first stage")
    """Channels of the first of four stages; each further one has twice as many."""

    def create(self, data: Data, seed: int) -> Any:
        from laser_phy import models

        height, width, channels = data.input_shape
        return models.resnet18((height, width, channels), data.outputs, width=self.width, seed=seed)


class Gpt(Model):
    """A language model of GPT-2's shape; 123,980,544 parameters with preset `gpt2`."""

    name: Literal["gpt"] = "gpt"
    takes: ClassVar[tuple[Modality, ...]] = ("text",)
    preset: Literal["nano", "mini", "gpt2"] = "nano"
    """Sizes to start from; each of those below replaces one of them."""
    layers: int | None = setting(None, ge=1, le=1024, unit="blocks")
    """Blocks of attention and feed-forward network; null: the preset's."""
    heads: int | None = setting(None, ge=1, le=1024, unit="heads")
    """Heads of attention, a divisor of `embedding`; null: the preset's."""
    embedding: int | None = setting(None, ge=1, le=65536, unit="width")
    """Width of the residual stream; null: the preset's."""
    vocabulary: int | None = setting(None, ge=1, le=1_000_000, unit="tokens")
    """Number of logits, at least as many as the tokenizer has tokens; null: as many."""
    dropout: float | None = setting(None, ge=0, lt=1, unit="probability")
    """Probability that a value is dropped in training; null: the preset's."""

    def create(self, data: Data, seed: int) -> Any:
        from laser_phy import models

        vocabulary = self.vocabulary or data.num_classes
        if vocabulary < data.num_classes:
            raise DataError(
                f"vocabulary must be >= {data.num_classes}, the tokens of data set {data.name!r}; "
                f"got {vocabulary}."
            )
        return models.gpt(
            self.preset,
            layers=self.layers,
            heads=self.heads,
            embedding=self.embedding,
            context=data.input_shape[0],
            vocabulary=vocabulary,
            dropout=self.dropout,
            seed=seed,
        )


class KerasFile(Model):
    """Any saved Keras model, as it was saved: weights included, logits out."""

    name: Literal["keras"] = "keras"
    path: str = setting(min_length=1, example="model.keras")
    """The file that `model.save(path)` wrote."""
    takes: ClassVar[tuple[Modality, ...]] = ("image", "text", "array")

    def create(self, data: Data, seed: int) -> Any:
        import keras

        import laser_phy.models.transformer  # noqa: F401  (Keras is to know our layers)

        path = Path(self.path).expanduser()
        if not path.exists():
            raise DataError(
                f"path {str(path)!r} does not exist; it must be a file that model.save(path) "
                f"wrote. A relative path starts at the working folder, {Path.cwd()}."
            )
        try:
            model = keras.models.load_model(path, compile=False)
        except Exception as error:  # whatever is wrong with a file, Keras' own words say it
            raise DataError(f"{path} cannot be loaded as a Keras model: {error}") from error
        _check_fit(model, data, path)
        return model


def _check_fit(model: Any, data: Data, path: Path) -> None:
    # A subclassed model does not know its shapes: what it takes is seen by asking.
    given = getattr(model, "input_shape", None)
    shape = given[1:] if isinstance(given, tuple) else ()
    pairs = itertools.zip_longest(shape, data.input_shape, fillvalue=0)
    if given is not None and any(wanted not in (None, has) for wanted, has in pairs):
        raise DataError(
            f"{path} takes examples of shape {shape or given}; "
            f"data set {data.name!r} has {data.input_shape}."
        )
    output = _output_shape(model, data, path)
    logits = output[-1] if isinstance(output, tuple) else None
    if logits is None or logits < data.outputs:
        raise DataError(
            f"{path} gives {logits or output} logits; data set {data.name!r} needs "
            f"{data.outputs}, one a {data.target.removesuffix('s')}."
        )


def _output_shape(model: Any, data: Data, path: Path) -> Any:
    """What the model makes of a batch of `data`; nothing is computed."""
    import keras

    batch = keras.KerasTensor((None, *data.input_shape), data.x_train.dtype.name)
    try:
        output = model.compute_output_spec(batch, training=False)
    except Exception as error:  # whatever a model's own code raises
        raise DataError(
            f"{path} does not take examples of shape {data.input_shape} and type {batch.dtype}, "
            f"as data set {data.name!r} has: {error}"
        ) from error
    return getattr(output, "shape", output)


class FunctionModel(Model):
    """A model that a function gives: `(data, seed) -> keras.Model`, of `data.outputs` outputs."""

    takes: ClassVar[tuple[Modality, ...]] = ("image", "text", "array")
    function: ClassVar[Callable[..., Any]]

    def create(self, data: Data, seed: int) -> Any:
        import keras

        keras.utils.set_random_seed(seed)
        model = type(self).function(data, seed, **self.model_dump(exclude={"name"}))
        if not isinstance(model, keras.Model):
            raise DataError(
                f"model {self.name!r} must give a keras.Model; got {type(model).__name__}."
            )
        return model


KINDS = Family("model", Model, Linear, Mlp, Resnet18, Gpt, KerasFile, of_function=FunctionModel)
AnyModel: Any = KINDS.field
