"""Workers whose gradient is not a number, or too large for one: what is sent, and what is said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import keras
import tensorflow as tf

BadGradients = Literal["stop", "exclude"]
"""`stop`: training ends after the round. `exclude`: it goes on with the others' gradients."""

LEAST_SCALE = 0.5
"""Of the loss: below 1 no overflow is the scale's doing, and lowering it further helps nobody."""


class BadGradientsError(ArithmeticError):
    """Training stopped at gradients that are not finite; the message names the workers."""


def is_finite(gradients: Sequence[Any]) -> Any:
    """Bool scalar: the energy of a worker's gradient is finite in float32.

    False with NaN and infinity among the values, and with values above about 1e19, whose squares
    are infinite.
    """
    return tf.math.is_finite(tf.add_n([tf.nn.l2_loss(gradient) for gradient in gradients]))


def zero_unless(good: Any, tensors: Sequence[Any]) -> list[Any]:
    """The tensors, or zeros where `good` (bool scalar) is false."""
    return [tf.where(good, tensor, tf.zeros_like(tensor)) for tensor in tensors]


def loss_counts(optimizer: Any, loss: Any, good: Any) -> Any:
    """Bool scalar: a worker's loss is one of those that are averaged.

    That of a worker left out is not, unless the loss is scaled: what overflows in float16 are
    gradients, and the loss itself is a number.
    """
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return tf.math.is_finite(loss)
    return good


def lower_loss_scale(optimizer: Any, overflow: Any) -> None:
    """Halve the scale of a loss whose float16 gradients overflowed (bool scalar).

    Keras does so where it is asked to apply gradients that are not finite, and skips the step. Here
    the other workers' gradients are applied: their memories hold them for sent.
    """
    if not isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return
    scale, counter = optimizer.dynamic_scale, optimizer.step_counter
    lower = tf.maximum(scale.value / 2, LEAST_SCALE)
    scale.assign(tf.where(overflow, tf.minimum(lower, scale.value), scale.value))
    counter.assign(tf.where(overflow, tf.zeros_like(counter.value), counter.value))


def explained_by_scale(optimizer: Any) -> bool:
    """Whether gradients that are not finite may come from a float16 loss scaled too high."""
    scaled = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    return scaled and float(optimizer.dynamic_scale.numpy()) > LEAST_SCALE


def why_stopped(counts: Mapping[int, int], workers: int, round_: int) -> str:
    """The sentence of `BadGradientsError`.

    Args:
        counts: rounds in which a worker was left out, by worker.
        workers: K.
        round_: the first such round.
    """
    names = ", ".join(str(worker) for worker in list(counts)[:8])
    more = ", ..." if len(counts) > 8 else ""
    who = f"{len(counts)} of {workers} workers ({names}{more})"
    return (
        f"{who} had NaN or infinite gradients in round {round_}. They were left out of it, so that "
        "weights and memories are finite, and training stopped. Look at those workers' examples "
        "and at the learning rate; or write bad_gradients: exclude, to go on without a worker in "
        "the rounds in which its gradient is not finite."
    )
