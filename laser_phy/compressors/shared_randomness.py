"""Messages of entries that workers and server draw alike, anew in every round."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np

from laser_phy.compressors.base import Compressor, Message, Shapes, Tensors, norms
from laser_phy.compressors.error_feedback import FeedbackCodec
from laser_phy.core.lazy import tf
from laser_phy.core.settings import setting


class Drawing(Compressor):
    """Settings of a compressor that sends a drawn share of every tensor."""

    factor: float = setting(0.2, gt=0, le=1, unit="reals sent an entry")
    """f, the reals sent in a round over the entries of a tensor."""
    error_feedback: bool = True
    """Keep what was not sent, and add it to the next gradient."""


class DrawingCodec(FeedbackCodec):
    """A draw is a pure function of (key, round, tensor); the shared state is the round.

    Blocks are what is sent of the tensors, max(1, f n) reals each, in their order.
    """

    def __init__(self, shapes: Shapes, key: int, settings: Drawing) -> None:
        super().__init__(shapes, key, settings.error_feedback)
        self.phases = (tuple(reals_of(size, settings.factor) for size in self.sizes),)

    def initial_state(self) -> list[np.ndarray]:
        return [np.zeros((), np.int64)]

    def seed(self, round_: Any, tensor: int) -> Any:
        """[2] int64 seed of a stateless draw; equal shapes draw differently."""
        # Rounds count in the low bits: 2^20 tensors, 2^43 rounds.
        return tf.stack(
            [tf.constant(self.key, tf.int64), tf.cast(round_, tf.int64) * 2**20 + tensor]
        )

    @abstractmethod
    def draws(self, round_: Any) -> list[Any]:
        """What is drawn for every tensor in round `round_`, int64 scalar."""

    @abstractmethod
    def block(self, source: Any, draw: Any, count: int) -> Any:
        """[count] what is sent of `source` [entry]."""

    @abstractmethod
    def estimate(self, block: Any, draw: Any, size: int) -> Any:
        """[size] what a block stands for."""

    def _estimates(self, blocks: Tensors, draws: list[Any]) -> Tensors:
        return [self.estimate(*part) for part in zip(blocks, draws, self.sizes, strict=True)]

    def encode(
        self, phase: int, gradients: Tensors, memory: Any, state: Tensors
    ) -> tuple[Message, Any]:
        sources, draws = self.sources(gradients, memory), self.draws(state[0])
        blocks = [self.block(*part) for part in zip(sources, draws, self.phases[0], strict=True)]
        if self.memory_size:
            memory = self.remains(sources, self._estimates(blocks, draws))
        return self.pack(blocks, norms(sources)), memory

    def decode(self, phase: int, reals: Any, state: Tensors) -> tuple[Tensors, Tensors]:
        blocks = tf.split(reals, self.phases[0])
        return self.shaped(self._estimates(blocks, self.draws(state[0]))), [state[0] + 1]


def reals_of(size: int, factor: float, least: int = 1) -> int:
    """How many of `size` reals the share `factor` is: rounded down, at least `least`."""
    # 0.29 * 100 is 28.999... in binary: the floor is taken just above.
    return min(size, max(least, int(factor * size * (1 + 1e-12))))
