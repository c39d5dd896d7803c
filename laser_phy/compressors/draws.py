"""Draws that workers and server make alike: pure functions of (key, round, tensor)."""

from __future__ import annotations

from typing import Any

import numpy as np

from laser_phy.lazy import tf


def first_round() -> np.ndarray:
    """The round counter of a codec's shared state, before round 0."""
    return np.zeros((), np.int64)


def seed_of(key: int, round_: Any, tensor: int) -> Any:
    """[2] int64 seed of a stateless draw.

    Args:
        key: of the codec.
        round_: int64 scalar.
        tensor: index of the tensor, so that equal shapes draw differently.
    """
    # Rounds count in the low bits: 2^20 tensors, 2^43 rounds.
    return tf.stack([tf.constant(key, tf.int64), tf.cast(round_, tf.int64) * 2**20 + tensor])


def kept(size: int, factor: float, least: int = 1) -> int:
    """How many of `size` reals the share `factor` keeps: rounded down, at least `least`."""
    # 0.29 * 100 is 28.999... in binary: the floor is taken just above.
    return min(size, max(least, int(factor * size * (1 + 1e-12))))
