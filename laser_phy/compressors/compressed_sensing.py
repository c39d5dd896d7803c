"""A random projection that is never stored, and approximate message passing to undo it."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from laser_phy.core.lazy import tf


class Projection:
    """A = sqrt(n/s) R C D: random signs D, orthonormal cosine transform C, s random rows R.

    Its columns have unit norm and it costs n log n operations and 2 n numbers, where a Gaussian
    matrix of ten million columns would be s times that. Row-orthogonal transforms recover sparse
    vectors as Gaussian matrices do, if anything from fewer rows.

    Args:
        size: n.
        rows: s.
        seed: of the rows and signs; equal shapes take different ones.
    """

    def __init__(self, size: int, rows: int, seed: list[int]) -> None:
        self.size, self.rows, self.seed = size, rows, seed
        self._gain = float(np.sqrt(size / rows))

    @cached_property
    def _index(self) -> np.ndarray:
        """[row] int32, which rows of the transform are kept."""
        permutation = np.random.default_rng([*self.seed, 0]).permutation(self.size)
        return np.sort(permutation[: self.rows]).astype(np.int32)

    @cached_property
    def _signs(self) -> np.ndarray:
        """[entry] int8."""
        return np.random.default_rng([*self.seed, 1]).choice(np.array([-1, 1], np.int8), self.size)

    def forward(self, x: Any) -> Any:
        """A x [row] of x [entry]."""
        signs = tf.cast(self._signs, tf.float32)
        spectrum = tf.signal.dct(signs * x, type=2, norm="ortho")
        return self._gain * tf.gather(spectrum, self._index)

    def transposed(self, y: Any) -> Any:
        """A^T y [entry] of y [row]."""
        signs = tf.cast(self._signs, tf.float32)
        spectrum = tf.scatter_nd(self._index[:, np.newaxis], y, [self.size])
        return self._gain * signs * tf.signal.idct(spectrum, type=2, norm="ortho")


def message_passing(projection: Projection, y: Any, iterations: int, threshold: float) -> Any:
    """The sparse x [entry] of y = A x + noise (Donoho, Maleki, Montanari 2009), from r = y, x = 0:

        x <- soft(x + A^T r; lambda ||r|| / sqrt(s)),   r <- y - A x + (||x||_0 / s) r

    ||r|| / sqrt(s) estimates the error of an entry, so that no noise level has to be known. Of all
    iterates the one with the smallest ||r|| is taken: beyond the phase transition the iteration
    does not settle.

    Args:
        projection: A.
        y: [row] float32; zeros give zeros.
        iterations: number of steps.
        threshold: lambda.
    """
    rows = float(projection.rows)

    def body(step: Any, x: Any, r: Any, best: Any, least: Any) -> Any:
        level = threshold * tf.norm(r) / rows**0.5
        moved = x + projection.transposed(r)
        x = tf.sign(moved) * tf.nn.relu(tf.abs(moved) - level)
        count = tf.reduce_sum(tf.cast(x != 0, tf.float32))
        r = y - projection.forward(x) + count / rows * r
        better = tf.norm(r) < least
        return step + 1, x, r, tf.where(better, x, best), tf.minimum(least, tf.norm(r))

    nothing = tf.zeros([projection.size])
    start = (0, nothing, y, nothing, tf.norm(y))
    # Steps that gain nothing cost two transforms each: done when the residual is rounding.
    return tf.while_loop(
        lambda step, x, r, best, least: tf.norm(r) > 1e-6 * tf.norm(y),
        body,
        start,
        maximum_iterations=iterations,
    )[3]
