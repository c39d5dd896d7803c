"""What a model must be to train over the air, and how one without weights yet gets them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from laser_phy.core.errors import at_least


def check_model(model: Any) -> None:
    """Raise ValueError for what is not a Keras model, or a Keras that is not TensorFlow's."""
    if not isinstance(model, keras.Model):
        raise ValueError(
            f"model must be a keras.Model; got {type(model).__name__}. Put layers into a "
            "keras.Sequential."
        )
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "Sionna's channels are TensorFlow graphs, and so must the model be; got Keras on "
            f"{keras.backend.backend()}. Set KERAS_BACKEND=tensorflow before importing keras."
        )


def check_trainable(model: keras.Model, shapes: Sequence[tuple[int, ...]] | None = None) -> None:
    """Raise ValueError where nothing is trainable, or something else than the link was built for.

    Args:
        model: built.
        shapes: of the tensors the link was built for, if it is.
    """
    weights = model.trainable_variables
    if not weights:
        raise ValueError(f"the model {model.name} has no trainable weights: nothing to train.")
    if shapes is not None and [tuple(weight.shape) for weight in weights] != list(shapes):
        raise ValueError(
            f"the model's trainable weights changed after the link was built: {len(shapes)} "
            f"tensors then, {len(weights)} now. Freeze layers before wrapping the model in "
            "OverTheAir."
        )


def is_built(model: keras.Model) -> bool:
    """The model and all its layers have their weights.

    `model.built` does not say it: a subclassed model calls itself built before its layers are.
    """
    return all(layer.built for layer in model._flatten_layers())


def build_on(model: keras.Model, inputs: Any) -> None:
    """Make the weights of a model: it is called on placeholders.

    Args:
        model: not built, or only in part.
        inputs: nest of tensors, or of anything with `shape` and `dtype`.
    """
    placeholders = keras.tree.map_structure(
        lambda tensor: keras.KerasTensor(
            tensor.shape, keras.backend.standardize_dtype(tensor.dtype)
        ),
        inputs,
    )
    with tf.init_scope():  # a first batch may come while a graph is traced
        model(placeholders)


def build_for(model: keras.Model, shapes: Any) -> None:
    """Make the weights of a model for a nest of shapes of float32 inputs."""
    build_on(model, keras.tree.map_shape_structure(keras.KerasTensor, shapes))


def check_numbers(
    counts: Mapping[str, int], local_learning_rate: float | None, ema: float | None, bad: str
) -> None:
    """Refuse numbers of a wrapper that are out of their bounds.

    Args:
        counts: `workers`, `micro_batches`, `local_steps`.
        local_learning_rate: of the workers' own steps, needed where there are several.
        ema: decay a round of the running mean of the weights.
        bad: what gradients that are not finite do, `stop` or `exclude`.

    Raises:
        ValueError: names the number, its bound and what it was.
    """
    for what, count in counts.items():
        at_least(what, count)
    if counts["local_steps"] > 1 and not (local_learning_rate and local_learning_rate > 0):
        raise ValueError(
            f"local_learning_rate must be > 0 with local_steps = {counts['local_steps']}; got "
            f"{local_learning_rate}. Write for example local_learning_rate=0.01."
        )
    if ema is not None and not 0 < ema < 1:
        raise ValueError(f"ema must be between 0 and 1 (decay a round); got {ema}.")
    if bad not in ("stop", "exclude"):
        raise ValueError(f"bad_gradients must be stop or exclude; got {bad!r}.")
