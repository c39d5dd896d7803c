"""The short way to a compressor: one function of a vector, with error feedback around it."""

from __future__ import annotations

from typing import Any

from laser_phy.compressors.base import Compressor, Message, Shapes, Tensors, norms
from laser_phy.compressors.error_feedback import FeedbackCodec
from laser_phy.core.contract import check_shape
from laser_phy.core.lazy import tf


class VectorCompressor(Compressor):
    """x_k = C(e_k + g_k) for each tensor on its own, e_k <- e_k + g_k - D(x_k).

    A kind writes `compress`, and `decompress` and `size` where a message is not as long as the
    tensor. What the server gets is the noisy mean of the workers' messages, so D should be linear:
    D(mean x_k) = mean D(x_k). Entries that each worker chooses for itself keep their places, with
    zeros between them: the air adds up what lies at the same place.
    """

    error_feedback: bool = True
    """Keep what was not sent, and add it to the next gradient."""

    def compress(self, vector: Any) -> Any:
        """What is sent of a tensor.

        Args:
            vector: [entry] float32, gradient and, with error feedback, memory.

        Returns:
            [size(entries)] float32.
        """
        raise NotImplementedError(f"{type(self).__name__} must have `compress`.")

    def decompress(self, message: Any, entries: int) -> Any:
        """[entry] float32 that a message [size(entries)] stands for."""
        return message

    def size(self, entries: int) -> int:
        """Reals that are sent of a tensor of so many entries."""
        return entries

    def build(self, shapes: Shapes, key: int) -> VectorCodec:
        return VectorCodec(shapes, key, self)


class VectorCodec(FeedbackCodec):
    """Blocks are what is sent of the tensors, in their order."""

    linear = False  # nothing is known of it

    def __init__(self, shapes: Shapes, key: int, settings: VectorCompressor) -> None:
        super().__init__(shapes, key, settings.error_feedback)
        self.settings = settings
        self.phases = (tuple(settings.size(size) for size in self.sizes),)

    def encode(
        self, phase: int, gradients: Tensors, memory: Any, state: Tensors
    ) -> tuple[Message, Any]:
        sources = self.sources(gradients, memory)
        what, blocks = "what `compress` gives", []
        for source, size in zip(sources, self.phases[0], strict=True):
            block = self.settings.compress(source)
            blocks.append(check_shape(self.settings, what, block, [size], "float32"))
        memory = self.remains(sources, self._decompressed(blocks))
        return self.pack(blocks, norms(sources)), memory

    def decode(self, phase: int, reals: Any, state: Tensors) -> tuple[Tensors, Tensors]:
        return self.shaped(self._decompressed(tf.split(reals, self.phases[0]))), state

    def _decompressed(self, blocks: Tensors) -> Tensors:
        what, whole = "what `decompress` gives", []
        for block, size in zip(blocks, self.sizes, strict=True):
            vector = self.settings.decompress(block, size)
            whole.append(check_shape(self.settings, what, vector, [size], "float32"))
        return whole
