"""LASER: low-rank factors with error feedback (Makkuva et al., ICML 2024)."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from laser_phy.compressors.base import Codec, Compressor, Message, Shapes, Tensors, norms
from laser_phy.lazy import tf
from laser_phy.settings import setting


class Laser(Compressor):
    """One rank-r factor a round against a shared orthonormal basis.

    With M_k = e_k + g_k seen as an m x n matrix, round t even: worker k sends L_k = M_k B, B the
    n x r right basis; the server decodes L = mean L_k + noise, estimates the gradient as L B^T, and
    the left basis becomes A = qr(L). t odd: R_k = M_k^T A is sent, the estimate is A R^T, and
    B = qr(R). The worker keeps e_k = M_k - L_k B^T (or M_k - A R_k^T). Only the factor that is sent
    is noisy: the basis is what everybody received the round before. Vectors, and matrices that
    would save less than a factor 2, are sent as they are and keep no memory.

    The m x n view of a tensor is the split of its axes, in storage order, closest to square.
    """

    name: Literal["laser"] = "laser"
    rank: int = setting(4, ge=1, le=4096, unit="columns of a factor")
    """Rank r of the factors."""
    factors: Literal["alternate"] = "alternate"
    """`alternate` sends one factor a round, left and right in turn."""

    def build(self, shapes: Shapes, key: int) -> LaserCodec:
        return LaserCodec(shapes, key, self.rank)


def square_split(shape: tuple[int, ...]) -> tuple[int, int]:
    """The split of `shape`'s axes into rows and columns that is closest to square."""
    splits = [(int(np.prod(shape[:i])), int(np.prod(shape[i:]))) for i in range(1, len(shape))]
    return min(splits, key=lambda mn: max(mn) / max(min(mn), 1), default=(int(np.prod(shape)), 1))


def is_compressed(shape: tuple[int, ...], rank: int) -> bool:
    """True if a rank-`rank` factor of this tensor saves more than a factor 2."""
    rows, columns = square_split(shape)
    return rows * columns / (0.5 * rank * (rows + columns)) > 2


def orthonormal(factor: Any) -> Any:
    """Orthonormal basis [row, column] of a factor's columns: Q of QR with a positive diagonal.

    The sign of every column is fixed, so that noisy copies of one factor give nearby bases.
    """
    q, r = tf.linalg.qr(factor)
    signs = tf.where(tf.linalg.diag_part(r) < 0, -1.0, 1.0)
    return q * signs[tf.newaxis, :]


class LaserCodec(Codec):
    """Phase 0 sends left factors [m, r], phase 1 right factors [n, r]."""

    def __init__(self, shapes: Shapes, key: int, rank: int) -> None:
        super().__init__(shapes, key)
        self.compressed = [is_compressed(shape, rank) for shape in self.shapes]
        self.matrices = [
            square_split(shape)
            for shape, compressed in zip(self.shapes, self.compressed, strict=True)
            if compressed
        ]
        self.ranks = [min(rank, rows, columns) for rows, columns in self.matrices]
        # factor_shapes[0]: left [m, r], factor_shapes[1]: right [n, r], one a matrix
        self.factor_shapes = tuple(
            [(mn[side], r) for mn, r in zip(self.matrices, self.ranks, strict=True)]
            for side in (0, 1)
        )
        self.factor_sizes = tuple([n * r for n, r in shapes] for shapes in self.factor_shapes)
        self.phases = (self._block_sizes(0), self._block_sizes(1))
        self.memory_size = sum(rows * columns for rows, columns in self.matrices)
        self.state_shapes = tuple((sum(sizes),) for sizes in self.factor_sizes)

    def _block_sizes(self, side: int) -> tuple[int, ...]:
        factors = iter(self.factor_sizes[side])
        return tuple(
            next(factors) if compressed else size
            for size, compressed in zip(self.sizes, self.compressed, strict=True)
        )

    def initial_state(self) -> list[np.ndarray]:
        """Random orthonormal bases, left and right, each flattened and joined."""
        return [self._random_bases(side) for side in (0, 1)]

    def _random_bases(self, side: int) -> np.ndarray:
        random = np.random.default_rng([self.key, side])
        bases = [
            np.linalg.qr(random.standard_normal(shape))[0].ravel()
            for shape in self.factor_shapes[side]
        ]
        return np.concatenate([*bases, np.zeros(0)]).astype(np.float32)

    def _unflatten(self, flat: Any, side: int) -> Tensors:
        parts = tf.split(flat, self.factor_sizes[side]) if self.matrices else []
        return [tf.reshape(p, s) for p, s in zip(parts, self.factor_shapes[side], strict=True)]

    def encode(
        self, phase: int, gradients: Tensors, memory: Any, state: Tensors
    ) -> tuple[Message, Any]:
        bases = iter(self._unflatten(state[1 - phase], 1 - phase))
        kept = iter(tf.split(memory, [m * n for m, n in self.matrices]) if self.matrices else [])
        matrix_shapes = iter(self.matrices)
        blocks, residuals, sources = [], [], []
        for gradient, compressed in zip(gradients, self.compressed, strict=True):
            if not compressed:
                blocks.append(gradient)
                sources.append(gradient)
                continue
            basis, shape = next(bases), next(matrix_shapes)
            matrix = tf.reshape(gradient, shape) + tf.reshape(next(kept), shape)
            if phase == 0:
                factor = tf.matmul(matrix, basis)
                approximation = tf.matmul(factor, basis, transpose_b=True)
            else:
                factor = tf.matmul(matrix, basis, transpose_a=True)
                approximation = tf.matmul(basis, factor, transpose_b=True)
            blocks.append(factor)
            sources.append(matrix)
            residuals.append(tf.reshape(matrix - approximation, [-1]))
        memory = tf.concat(residuals, axis=0) if residuals else memory
        return self.pack(blocks, norms(sources)), memory

    def decode(self, phase: int, reals: Any, state: Tensors) -> tuple[Tensors, Tensors]:
        blocks = tf.split(reals, self.phases[phase])
        bases = iter(self._unflatten(state[1 - phase], 1 - phase))
        fresh = iter(self._unflatten(tf.constant(self._random_bases(phase)), phase))
        factor_shapes = iter(self.factor_shapes[phase])
        gradients, received = [], []
        for block, shape, compressed in zip(blocks, self.shapes, self.compressed, strict=True):
            if compressed:
                factor, basis = tf.reshape(block, next(factor_shapes)), next(bases)
                left, right = (factor, basis) if phase == 0 else (basis, factor)
                block = tf.matmul(left, right, transpose_b=True)
                # Nothing received (a frozen layer): its QR would be a corner of the identity, from
                # which a gradient that comes later may never be seen. Start afresh instead.
                heard = tf.reduce_any(factor != 0)
                received.append(tf.where(heard, orthonormal(factor), next(fresh)))
            gradients.append(tf.reshape(block, shape))
        new_state = list(state)
        if received:
            new_state[phase] = tf.concat([tf.reshape(b, [-1]) for b in received], axis=0)
        return gradients, new_state
