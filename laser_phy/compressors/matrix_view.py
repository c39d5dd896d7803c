"""Tensors as matrices: which split of the axes, whether a factor saves anything, bases."""

from __future__ import annotations

from typing import Any

import numpy as np

from laser_phy.core.lazy import tf


def square_split(shape: tuple[int, ...]) -> tuple[int, int]:
    """The split of `shape`'s axes, in storage order, into rows and columns closest to square."""
    splits = [(int(np.prod(shape[:i])), int(np.prod(shape[i:]))) for i in range(1, len(shape))]
    return min(splits, key=lambda mn: max(mn) / max(min(mn), 1), default=(int(np.prod(shape)), 1))


def is_compressed(shape: tuple[int, ...], rank: int) -> bool:
    """True if a rank-`rank` factor of this tensor saves more than a factor 2."""
    rows, columns = square_split(shape)
    return rows * columns / (0.5 * rank * (rows + columns)) > 2


def orthonormal(factor: Any) -> Any:
    """Orthonormal basis [row, column] of a factor's columns: Q of QR with a positive diagonal.

    One matrix at a time: the columns of each are normalised on their own, whatever their number and
    however many equal matrices there are. The sign of every column is fixed, so that noisy copies
    of one factor give nearby bases.
    """
    q, r = tf.linalg.qr(factor)
    signs = tf.where(tf.linalg.diag_part(r) < 0, -1.0, 1.0)
    return q * signs[tf.newaxis, :]


def random_basis(random: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """[row, column] float32 random orthonormal columns."""
    return np.linalg.qr(random.standard_normal(shape))[0].astype(np.float32)
