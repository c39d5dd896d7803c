"""The interface of a compressor: settings that build a codec for one list of tensor shapes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

from laser_phy.core.kinds import Kind
from laser_phy.core.lazy import tf

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

    def masked(self, sends: Any) -> Message:
        """This message, or silence where `sends` (bool scalar) is false."""
        return Message(*[tf.where(sends, part, tf.zeros_like(part)) for part in self])


class Compressor(Kind):
    """Settings of a compressor. A kind writes `build`, which gives its `Codec`.

    `VectorCompressor` is the short way for one that treats each tensor on its own.

    Attributes:
        analog: messages are amplitudes that add up in the air; else bits, decoded without error.
        compresses: a message is shorter than the gradient, or loses something of it.
    """

    analog: ClassVar[bool] = True
    compresses: ClassVar[bool] = True

    def build(self, shapes: Shapes, key: int) -> Codec:
        """The codec for tensors of these shapes; `key` seeds whatever it draws."""
        raise NotImplementedError


class Codec(ABC):
    """Pure functions of a compressor for fixed tensor shapes. State goes in and comes out.

    A kind of its own writes `phases`, `encode` and `decode`; `memory_size` and `skip_round` where
    workers keep something, `initial_state` where workers and server share something. All else has
    a default, in three groups below: a second pass a round, messages of bits, and states that a
    noisy broadcast replaces.

    A message belongs to a phase. With one pass a round, round t is of phase t % len(phases).

    Attributes:
        phases: block sizes (reals) of every phase. With one pass, all have as many blocks.
        memory_size: reals of memory a worker keeps: error feedback, and what `resume` needs.
        linear: the decoded mean is linear in the gradients at given memories and state.
        lossless: what is decoded without noise plus what is kept is what came in plus what was
            kept before: error feedback, or nothing is left out.
        rounding: relative error with which that holds.
    """

    phases: tuple[tuple[int, ...], ...]
    memory_size: int = 0
    linear: bool = True
    lossless: bool = False
    rounding: float = 2e-5

    def __init__(self, shapes: Shapes, key: int) -> None:
        self.key = key
        self.shapes = [tuple(shape) for shape in shapes]
        self.sizes = [int(np.prod(shape)) for shape in self.shapes]

    # ---- the core ----

    def initial_state(self) -> list[np.ndarray]:
        """The state that server and workers share, before round 0; each array keeps its dtype."""
        return []

    @abstractmethod
    def encode(
        self, phase: int, gradients: Tensors, memory: Any, state: Tensors
    ) -> tuple[Message, Any]:
        """One worker's message and its new memory.

        Args:
            phase: a Python integer.
            gradients: list of float32 tensors of the codec's shapes.
            memory: [memory_size] float32.
            state: the shared state, with what the energy decides.
        """

    @abstractmethod
    def decode(self, phase: int, reals: Any, state: Tensors) -> tuple[Tensors, Tensors]:
        """The gradient estimate, and the new shared state.

        With several passes, None stands for a tensor of which this pass gives nothing.

        Args:
            phase: a Python integer.
            reals: [sum(phases[phase])] the estimate of the mean message.
            state: the shared state.
        """

    def skip_round(self, gradients: Tensors, memory: Any) -> Any:
        """Memory of a worker that sends nothing in this round: nothing of the gradient is lost.

        Args:
            gradients: as for `encode`.
            memory: [memory_size] float32.
        """
        if not self.memory_size:
            return memory
        return memory + tf.concat([tf.reshape(g, [-1]) for g in gradients], axis=0)

    def noise_gains(self, phase: int) -> np.ndarray:
        """[block] G_j = ||D_j||_F^2 of the decoder: noise of variance v a real adds G_j v of error.

        The block's size, unless a decoder copies what it received.
        """
        return np.asarray(self.phases[phase], np.float32)

    def pack(self, blocks: Tensors, source_norms: Any) -> Message:
        """Blocks, flattened and joined into a message of `message_size` reals."""
        reals = tf.concat([tf.reshape(block, [-1]) for block in blocks], axis=0)
        reals = tf.pad(reals, [[0, self.message_size - reals.shape[0]]])
        return Message(reals, norms(blocks), source_norms)

    @property
    def message_size(self) -> int:
        """Reals of the longest round's message."""
        return max(sum(blocks) for blocks in self.phases)

    @property
    def round_size(self) -> float:
        """Reals that a worker sends in a round, the mean over kinds of round."""
        return sum(map(sum, self.phases)) * self.passes / len(self.phases)

    @property
    def signalled_blocks(self) -> int:
        """Blocks of a round whose norms go over the control channel: all that a worker sends."""
        return len(self.phases[0]) if self.passes == 1 else sum(map(len, self.phases))

    # ---- several passes a round ----
    #
    # With `passes` > 1 every round goes through all phases in turn: each worker encodes, everybody
    # gets what the server decoded, and the next phase is encoded from the memory alone (`resume`),
    # so that no gradient is kept or computed twice. The estimate is the sum of what they give.

    passes: int = 1
    """Transmissions of a round, 1 or len(phases)."""
    first_share: float = 1.0
    """Share of a block's energy that the first of two passes takes by default."""

    def resume(self, phase: int, memory: Any, state: Tensors) -> tuple[Message, Any]:
        """One worker's message of a later pass of the same round, and its new memory.

        Args:
            phase: Python integer >= 1.
            memory: [memory_size] float32, as the pass before left it.
            state: the shared state, as the server decoded it from the pass before.
        """
        raise NotImplementedError(f"{type(self).__name__} sends once a round.")

    def second_pass_sizes(self, phase: int) -> np.ndarray:
        """[block] reals that a later pass of the round sends for the same matrix; 0 for none."""
        return np.zeros(len(self.phases[phase]), np.float32)

    # ---- messages of bits ----

    bits_per_real: int = 32
    """Of a message that would be sent as bits: 32, or 1 where it is all signs."""

    def channel_uses(self, phase: int) -> int:
        """Reals on the air in a phase: those of the blocks, unless they are sent as bits."""
        return sum(self.phases[phase])

    def with_energy(self, state: Tensors, energy: Any, workers: int, noise: float) -> Tensors:
        """`state` with what the energy of a round decides, as `encode` takes it.

        Args:
            state: the shared state.
            energy: P of each worker, float32 scalar.
            workers: K.
            noise: variance of a received real.
        """
        return state

    def message_bits(self, state: Tensors) -> Any:
        """Bits of a round's message as a digital one; `state` is that of `with_energy`."""
        return self.bits_per_real * self.round_size

    def notes(self, energy: float, workers: int, noise: float) -> list[str]:
        """What is worth knowing before a run at this energy, in sentences; as `with_energy`."""
        return []

    # ---- states that a noisy broadcast replaces ----

    def state_reals(self, phase: int) -> int:
        """Reals of the shared state that are made of what was received in a phase."""
        return 0

    def seeded_state(self, phase: int, state: Tensors, round_: Any) -> Tensors:
        """`state` with what a phase made of the received message replaced by a draw for `round_`.

        Unchanged where the state does not depend on what was received.
        """
        return state


def norm(tensor: Any) -> Any:
    """Frobenius norm."""
    return tf.sqrt(tf.reduce_sum(tf.square(tensor)))


def norms(tensors: Tensors) -> Any:
    """[block] Frobenius norm of each tensor."""
    return tf.stack([norm(tensor) for tensor in tensors])
