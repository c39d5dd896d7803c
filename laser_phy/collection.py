"""The messages of all workers, made one after the other, so that one gradient is live at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from laser_phy.compressors import Message
from laser_phy.lazy import tf


def collect(
    step: Callable[[Any, Any], tuple[Message, Any]], carry: Any, workers: int, sizes: Message
) -> Any:
    """`Message` with a leading worker axis, and the last carry.

    A loop and not an unrolled graph, which would trace K times and gain nothing; and not
    `vectorized_map`, which is silently wrong with BatchNorm and Dropout.

    Args:
        step: `step(worker, carry)` gives the worker's message and the new carry.
        carry: nest of tensors.
        workers: K.
        sizes: length of every field of a message.
    """
    arrays = [tf.TensorArray(tf.float32, workers, element_shape=[n]) for n in sizes]

    def body(worker: Any, arrays: Any, carry: Any) -> Any:
        message, carry = step(worker, carry)
        arrays = [a.write(worker, x) for a, x in zip(arrays, message, strict=True)]
        return worker + 1, arrays, carry

    _, arrays, carry = tf.while_loop(
        lambda worker, *_: worker < workers,
        body,
        (0, arrays, carry),
        parallel_iterations=1,
        maximum_iterations=workers,
    )
    return Message(*[array.stack() for array in arrays]), carry
