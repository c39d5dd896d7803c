"""Loops in a graph: one turn after the other, for all workers or pieces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from laser_phy.core.lazy import tf


def in_turn(times: int, body: Callable[[Any, Any], Any], carry: Any) -> Any:
    """`carry` after `carry = body(i, carry)` for i = 0 ... times - 1, one at a time.

    A loop and not an unrolled graph, which would be traced `times` times and hold all turns'
    tensors at once.

    Args:
        times: a Python integer.
        body: takes the turn, int32 scalar, and the carry; gives the new carry, of the same shapes.
        carry: nest of tensors.
    """
    return tf.while_loop(
        lambda i, _: i < times,
        lambda i, carry: (i + 1, body(i, carry)),
        (0, carry),
        parallel_iterations=1,
        maximum_iterations=times,
    )[1]
