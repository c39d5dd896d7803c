"""LASER: low-rank factors with error feedback (Makkuva et al., ICML 2024)."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from laser_phy.compressors.base import Codec, Compressor, Message, Shapes, Tensors, norm
from laser_phy.compressors.matrix_view import is_compressed, orthonormal, random_basis, square_split
from laser_phy.core.lazy import tf
from laser_phy.core.settings import setting

LEFT, RIGHT = 0, 1


class Laser(Compressor):
    """Rank-r factors against orthonormal bases that everybody shares.

    M_k = e_k + g_k is seen as an m x n matrix, B is the n x r right basis, A the m x r left one.

    `factors: alternate`, one factor a round. Round t even: worker k sends L_k = M_k B; the server
    decodes L = mean L_k + noise, estimates the gradient as L B^T, and A = qr(L) from then on. t
    odd: R_k = M_k^T A is sent, the estimate is A R^T, and B = qr(R). Only the factor that is sent
    is noisy: the basis is what everybody received the round before.

    `factors: both`, two transmissions a round. L_k = M_k B is sent, everybody gets A = qr(L) back,
    R_k = M_k^T A is sent, the estimate is A R^T, and B = qr(R) starts the next round. A gradient of
    rank r arrives whole in one round. M_k waits in the worker's memory between the two, so that the
    second costs one product M_k^T A a matrix and no second gradient.

    The worker keeps e_k = M_k less its own part of the estimate (before noise). Vectors, and
    matrices that would save less than a factor 2, are sent as they are and keep no memory. The
    m x n view of a tensor is the split of its axes, in storage order, closest to square.
    """

    name: Literal["laser"] = "laser"
    rank: int = setting(4, ge=1, le=4096, unit="columns of a factor")
    """Rank r of the factors."""
    factors: Literal["alternate", "both"] = "alternate"
    """One factor a round, left and right in turn; or both, in two transmissions a round."""
    error_feedback: bool = True
    """Keep what was not sent, and add it to the next gradient."""
    blocks: Literal["factor", "column"] = "factor"
    """What power is allocated to: a whole factor, or every column of it on its own."""
    first_share: float = setting(0.2, gt=0, lt=1, unit="of a matrix's energy")
    """With `factors: both`, what the first factor gets (allocation `optimal` chooses its own)."""

    def build(self, shapes: Shapes, key: int) -> LaserCodec:
        return LaserCodec(shapes, key, self)


class LaserCodec(Codec):
    """Phase 0 sends left factors [m, r], phase 1 right factors [n, r].

    The state is the two lists of bases, each flattened and joined. Tensors that are not compressed
    go with phase 0, and with `alternate` in every round.
    """

    def __init__(self, shapes: Shapes, key: int, settings: Laser) -> None:
        super().__init__(shapes, key)
        rank = settings.rank
        self.both = settings.factors == "both"
        self.by_column = settings.blocks == "column"
        self.error_feedback = settings.error_feedback
        self.passes = 2 if self.both else 1
        self.first_share = settings.first_share
        self.linear = not self.both  # the first factor goes through a QR
        self.compressed = [is_compressed(shape, rank) for shape in self.shapes]
        self.matrices = [
            square_split(shape)
            for shape, compressed in zip(self.shapes, self.compressed, strict=True)
            if compressed
        ]
        self.ranks = [min(rank, rows, columns) for rows, columns in self.matrices]
        # factor_shapes[LEFT]: [m, r], factor_shapes[RIGHT]: [n, r], one a matrix
        self.factor_shapes = tuple(
            [(mn[side], r) for mn, r in zip(self.matrices, self.ranks, strict=True)]
            for side in (LEFT, RIGHT)
        )
        self.factor_sizes = tuple([n * r for n, r in shapes] for shapes in self.factor_shapes)
        self.matrix_sizes = [rows * columns for rows, columns in self.matrices]
        if self.both and not self.matrices:
            self.phases, self.passes, self.both = (tuple(self.sizes),), 1, False
        else:
            self.phases = (self._block_sizes(LEFT), self._block_sizes(RIGHT))
        self.lossless = self.error_feedback or not self.matrices
        remembers = self.error_feedback or self.both
        self.memory_size = sum(self.matrix_sizes) if remembers else 0

    # ---- blocks ----

    def _sends_whole(self, side: int) -> bool:
        """True if the message of this phase holds the tensors that are not compressed."""
        return side == LEFT or not self.both

    def _block_sizes(self, side: int) -> tuple[int, ...]:
        factors = iter(self.factor_shapes[side])
        blocks: list[int] = []
        for size, compressed in zip(self.sizes, self.compressed, strict=True):
            if compressed:
                length, rank = next(factors)
                blocks += [length] * rank if self.by_column else [length * rank]
            elif self._sends_whole(side):
                blocks.append(size)
        return tuple(blocks)

    def second_pass_sizes(self, phase: int) -> np.ndarray:
        if not self.both or phase == RIGHT:
            return super().second_pass_sizes(phase)
        right = iter(self.factor_shapes[RIGHT])
        reals: list[int] = []
        for compressed in self.compressed:
            if compressed:
                length, rank = next(right)
                reals += [length] * rank if self.by_column else [length * rank]
            else:
                reals.append(0)
        return np.asarray(reals, np.float32)

    def _to_blocks(self, factor: Any) -> Tensors:
        return tf.unstack(factor, axis=1) if self.by_column else [factor]

    # ---- bases ----

    def initial_state(self) -> list[np.ndarray]:
        """Random orthonormal bases, left and right."""
        return [self._random_bases(side) for side in (LEFT, RIGHT)]

    def _random_bases(self, side: int) -> np.ndarray:
        random = np.random.default_rng([self.key, side])
        bases = [random_basis(random, shape).ravel() for shape in self.factor_shapes[side]]
        return np.concatenate([*bases, np.zeros(0)]).astype(np.float32)

    def state_reals(self, phase: int) -> int:
        return sum(self.factor_sizes[phase])

    def seeded_state(self, phase: int, state: Tensors, round_: Any) -> Tensors:
        if not self.matrices:
            return state
        seed = tf.stack([tf.constant(self.key, tf.int64), tf.cast(round_, tf.int64)])
        normal = tf.random.stateless_normal([sum(self.factor_sizes[phase])], seed)
        new_state = list(state)
        new_state[phase] = self._join([orthonormal(f) for f in self._unflatten(normal, phase)])
        return new_state

    def _unflatten(self, flat: Any, side: int) -> Tensors:
        parts = tf.split(flat, self.factor_sizes[side]) if self.matrices else []
        return [tf.reshape(p, s) for p, s in zip(parts, self.factor_shapes[side], strict=True)]

    # ---- encoding ----

    def encode(
        self, phase: int, gradients: Tensors, memory: Any, state: Tensors
    ) -> tuple[Message, Any]:
        feedback = iter(self._split_memory(memory))
        matrices = [
            tf.reshape(gradient, mn) + tf.reshape(next(feedback), mn)
            if self.error_feedback
            else tf.reshape(gradient, mn)
            for gradient, mn in zip(self._only(True, gradients), self.matrices, strict=True)
        ]
        factors = self._project(phase, matrices, state)
        message = self._message(phase, matrices, factors, self._only(False, gradients))
        if self.both:
            return message, self._join(matrices)  # M_k waits for the second pass
        return message, self._remains(phase, matrices, factors, state, memory)

    def resume(self, phase: int, memory: Any, state: Tensors) -> tuple[Message, Any]:
        matrices = [
            tf.reshape(part, mn)
            for part, mn in zip(self._split_memory(memory), self.matrices, strict=True)
        ]
        factors = self._project(phase, matrices, state)
        message = self._message(phase, matrices, factors, [])
        return message, self._remains(phase, matrices, factors, state, memory)

    def skip_round(self, gradients: Tensors, memory: Any) -> Any:
        if not self.error_feedback or not self.matrices:
            return tf.zeros_like(memory)
        return memory + self._join(self._only(True, gradients))

    def _only(self, compressed: bool, tensors: Tensors) -> Tensors:
        return [t for t, c in zip(tensors, self.compressed, strict=True) if c is compressed]

    def _split_memory(self, memory: Any) -> Tensors:
        return tf.split(memory, self.matrix_sizes) if self.matrices and self.memory_size else []

    def _join(self, tensors: Tensors) -> Any:
        return tf.concat([tf.reshape(tensor, [-1]) for tensor in tensors], axis=0)

    def _project(self, side: int, matrices: Tensors, state: Tensors) -> Tensors:
        """The factors: L = M B on the left, R = M^T A on the right."""
        bases = self._unflatten(state[1 - side], 1 - side)
        return [
            tf.matmul(matrix, basis, transpose_a=side == RIGHT)
            for matrix, basis in zip(matrices, bases, strict=True)
        ]

    def _product(self, side: int, factors: Tensors, state: Tensors) -> Tensors:
        """What the factors stand for: L B^T, or A R^T."""
        bases = self._unflatten(state[1 - side], 1 - side)
        return [
            tf.matmul(*((factor, basis) if side == LEFT else (basis, factor)), transpose_b=True)
            for factor, basis in zip(factors, bases, strict=True)
        ]

    def _remains(
        self, side: int, matrices: Tensors, factors: Tensors, state: Tensors, memory: Any
    ) -> Any:
        """The memory after a round: M_k less what its own factors stand for."""
        if not self.matrices or not self.memory_size:
            return memory
        if not self.error_feedback:
            return tf.zeros_like(memory)
        products = self._product(side, factors, state)
        return self._join([m - p for m, p in zip(matrices, products, strict=True)])

    def _message(self, side: int, matrices: Tensors, factors: Tensors, whole: Tensors) -> Message:
        """The blocks of a phase, in the order of the tensors."""
        pairs, rest = iter(zip(matrices, factors, strict=True)), iter(whole)
        blocks, sources = [], []
        for compressed in self.compressed:
            if compressed:
                matrix, factor = next(pairs)
                parts = self._to_blocks(factor)
                blocks += parts
                # columns share the energy of what they were made from
                sources += [norm(matrix) / len(parts) ** 0.5] * len(parts)
            elif self._sends_whole(side):
                blocks.append(next(rest))
                sources.append(norm(blocks[-1]))
        return self.pack(blocks, tf.stack(sources))

    # ---- decoding ----

    def decode(self, phase: int, reals: Any, state: Tensors) -> tuple[Tensors, Tensors]:
        factors, whole = self._read(phase, reals)
        new_state = list(state)
        if factors:
            new_state[phase] = self._join(self._new_bases(phase, factors))
        gives = not self.both or phase == RIGHT
        products = iter(self._product(phase, factors, state) if gives else [None] * len(factors))
        rest = iter(whole)
        gradients = []
        for shape, compressed in zip(self.shapes, self.compressed, strict=True):
            part = next(products) if compressed else next(rest, None)
            gradients.append(None if part is None else tf.reshape(part, shape))
        return gradients, new_state

    def _read(self, side: int, reals: Any) -> tuple[Tensors, Tensors]:
        """Factors, and tensors sent whole, of a message."""
        blocks = iter(tf.split(reals, self.phases[side]))
        shapes = iter(self.factor_shapes[side])
        factors, whole = [], []
        for compressed in self.compressed:
            if not compressed:
                if self._sends_whole(side):
                    whole.append(next(blocks))
                continue
            length, rank = next(shapes)
            if self.by_column:
                factors.append(tf.stack([next(blocks) for _ in range(rank)], axis=1))
            else:
                factors.append(tf.reshape(next(blocks), (length, rank)))
        return factors, whole

    def _new_bases(self, side: int, factors: Tensors) -> Tensors:
        fresh = self._unflatten(tf.constant(self._random_bases(side)), side)
        # Nothing received (a frozen layer): its QR would be a corner of the identity, from which a
        # gradient that comes later may never be seen. Start afresh instead.
        return [
            tf.where(tf.reduce_any(factor != 0), orthonormal(factor), basis)
            for factor, basis in zip(factors, fresh, strict=True)
        ]
