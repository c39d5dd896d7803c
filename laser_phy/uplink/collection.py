"""The messages of all workers, made one after the other, so that one gradient is live at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from laser_phy.compressors import Message
from laser_phy.core.lazy import tf
from laser_phy.uplink.worker_devices import WorkerDevices


def collect(
    step: Callable[[Any, Any], tuple[Message, Any]],
    carry: Any,
    split: WorkerDevices,
    sizes: Message,
) -> Any:
    """`Message` with a leading worker axis, and the last carry of this replica's workers.

    A loop and not an unrolled graph, which would trace K times and gain nothing; and not
    `vectorized_map`, which is silently wrong with BatchNorm and Dropout. A replica goes through its
    own workers, and gets the messages of all.

    Args:
        step: `step(worker, carry)` gives the worker's message and the new carry.
        carry: nest of tensors.
        split: of the workers.
        sizes: length of every field of a message.
    """
    first, own = split.first, split.own
    arrays = [tf.TensorArray(tf.float32, own, element_shape=[n]) for n in sizes]

    def body(i: Any, arrays: Any, carry: Any) -> Any:
        message, carry = step(first + i, carry)
        arrays = [a.write(i, x) for a, x in zip(arrays, message, strict=True)]
        return i + 1, arrays, carry

    _, arrays, carry = tf.while_loop(
        lambda i, *_: i < own,
        body,
        (0, arrays, carry),
        parallel_iterations=1,
        maximum_iterations=own,
    )
    return Message(*[split.gather(array.stack()) for array in arrays]), carry
