"""What a worker computes in a round before it sends: pieces of its batch, and local steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from laser_phy.core.loops import in_turn

Gradients = Callable[[Any, Any], tuple[Any, list[Any]]]
"""`gradients(data, examples) -> (loss, gradients)`: means over the examples of `data`."""


def part(data: Any, first: Any, last: Any) -> Any:
    """Examples `first` to `last` - 1 of a nest of batches."""
    return keras.tree.map_structure(lambda t: None if t is None else t[first:last], data)


def in_pieces(gradients: Gradients, pieces: int, shapes: Sequence[Sequence[int]]) -> Gradients:
    """The same means, with the activations of one piece of the batch in memory at a time.

    g = sum_i (n_i / n) g_i, with n_i examples in piece i. Equal to one piece up to rounding, unless
    a layer sees its whole batch (BatchNorm).

    Args:
        gradients: of a batch.
        pieces: number of pieces; at least as many examples are needed.
        shapes: of the gradients.
    """
    if pieces == 1:
        return gradients

    def mean(data: Any, examples: Any) -> tuple[Any, list[Any]]:
        def body(i: Any, carry: tuple[Any, list[Any]]) -> tuple[Any, list[Any]]:
            loss, total = carry
            first, last = _bounds(i, examples, pieces)
            share = tf.cast((last - first) / examples, tf.float32)
            more_loss, more = gradients(part(data, first, last), last - first)
            total = [a + share * b for a, b in zip(total, more, strict=True)]
            return loss + share * more_loss, total

        zeros = [tf.zeros(shape) for shape in shapes]
        loss, total = in_turn(pieces, body, (tf.zeros([]), zeros))
        return loss, total

    return mean


def local_steps(
    gradients: Gradients, steps: int, learning_rate: float, variables: Sequence[Any]
) -> Gradients:
    """What a worker sends after SGD steps of its own, each on its part of the batch.

        w_{h+1} = w_h - eta g_h(w_h),   (w_0 - w_H) / eta = sum_h g_h

    The sum is what is computed: the difference would lose digits. The weights are put back to w_0.
    A server that runs SGD at rate eta then has the mean of the workers' models (federated
    averaging).

    Args:
        gradients: of a batch, at the weights the variables hold.
        steps: H; at least as many examples are needed.
        learning_rate: eta.
        variables: Keras variables of the weights.
    """
    if steps == 1:
        return gradients

    def walk(data: Any, examples: Any) -> tuple[Any, list[Any]]:
        start = [tf.identity(variable.value) for variable in variables]

        def body(h: Any, carry: tuple[Any, list[Any]]) -> tuple[Any, list[Any]]:
            loss, total = carry
            first, last = _bounds(h, examples, steps)
            more_loss, more = gradients(part(data, first, last), last - first)
            for variable, gradient in zip(variables, more, strict=True):
                variable.assign_sub(tf.cast(learning_rate * gradient, variable.dtype))
            total = [a + b for a, b in zip(total, more, strict=True)]
            return loss + more_loss / steps, total

        zeros = [tf.zeros(variable.shape) for variable in variables]
        loss, total = in_turn(steps, body, (tf.zeros([]), zeros))
        for variable, value in zip(variables, start, strict=True):
            variable.assign(value)
        return loss, total

    return walk


def _bounds(i: Any, examples: Any, parts: int) -> tuple[Any, Any]:
    """First and last + 1 of the examples in part `i`; sizes differ by one at most."""
    return i * examples // parts, (i + 1) * examples // parts
