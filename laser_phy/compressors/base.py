"""The interface of a compressor: settings that build a codec for one list of tensor shapes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from laser_phy.lazy import tf
from laser_phy.settings import Settings

Shapes = Sequence[tuple[int, ...]]
Tensors = list[Any]


class Message(NamedTuple):
    """What one worker sends in a round.

    Attributes:
        reals: [real] float32, the blocks one after the other, zero-padded at the end to the
            longest round's length.
        sent_norms: [block] Frobenius norm of every block of `reals`.
        source_norms: [block] norm of what the block was made from: gradient plus memory.
    """

    reals: Any
    sent_norms: Any
    source_norms: Any


class Compressor(Settings):
    """Settings of a compressor."""

    name: str

    def build(self, shapes: Shapes, key: int) -> Codec:
        """The codec for tensors of these shapes; `key` seeds whatever it draws."""
        raise NotImplementedError


class Codec(ABC):
    """Pure functions of a compressor for fixed tensor shapes. State goes in and comes out.

    Attributes:
        phases: block sizes (reals) of each kind of round; round t is of kind t % len(phases).
            The number of blocks is the same in all of them.
        memory_size: reals of error-feedback memory a worker keeps.
        state_shapes: shapes of what server and workers share (LASER's bases).
    """

    phases: tuple[tuple[int, ...], ...]
    memory_size: int = 0
    state_shapes: tuple[tuple[int, ...], ...] = ()

    def __init__(self, shapes: Shapes, key: int) -> None:
        self.key = key
        self.shapes = [tuple(shape) for shape in shapes]
        self.sizes = [int(np.prod(shape)) for shape in self.shapes]

    @property
    def message_size(self) -> int:
        """Reals of the longest round's message."""
        return max(sum(blocks) for blocks in self.phases)

    def initial_state(self) -> list[np.ndarray]:
        """The shared state before round 0."""
        return []

    @abstractmethod
    def encode(
        self, phase: int, gradients: Tensors, memory: Any, state: Tensors
    ) -> tuple[Message, Any]:
        """One worker's message and its new memory.

        Args:
            phase: kind of round, a Python integer.
            gradients: list of float32 tensors of the codec's shapes.
            memory: [memory_size] float32.
            state: the shared state.
        """

    @abstractmethod
    def decode(self, phase: int, reals: Any, state: Tensors) -> tuple[Tensors, Tensors]:
        """The gradient estimate, and the new shared state.

        Args:
            phase: kind of round, a Python integer.
            reals: [sum(phases[phase])] the estimate of the mean message.
            state: the shared state.
        """

    def pack(self, blocks: Tensors, source_norms: Any) -> Message:
        """Blocks, flattened and joined into a message of `message_size` reals."""
        reals = tf.concat([tf.reshape(block, [-1]) for block in blocks], axis=0)
        reals = tf.pad(reals, [[0, self.message_size - reals.shape[0]]])
        return Message(reals, norms(blocks), source_norms)


def norms(tensors: Tensors) -> Any:
    """[block] Frobenius norm of each tensor."""
    return tf.stack([tf.sqrt(tf.reduce_sum(tf.square(tensor))) for tensor in tensors])
