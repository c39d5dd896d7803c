"""Z-SGD: the gradient itself is sent, uncompressed."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from laser_phy.compressors.base import Codec, Compressor, Message, Shapes, Tensors, norms
from laser_phy.core.lazy import tf


class Identity(Compressor):
    """x_k = g_k: every tensor is one block (Z-SGD)."""

    name: Literal["identity"] = "identity"
    compresses: ClassVar[bool] = False

    def build(self, shapes: Shapes, key: int) -> IdentityCodec:
        return IdentityCodec(shapes, key)


class IdentityCodec(Codec):
    """Blocks are the tensors, in their order."""

    lossless = True

    def __init__(self, shapes: Shapes, key: int) -> None:
        super().__init__(shapes, key)
        self.phases = (tuple(self.sizes),)

    def encode(
        self, phase: int, gradients: Tensors, memory: Any, state: Tensors
    ) -> tuple[Message, Any]:
        return self.pack(gradients, norms(gradients)), memory

    def decode(self, phase: int, reals: Any, state: Tensors) -> tuple[Tensors, Tensors]:
        blocks = tf.split(reals, self.sizes)
        return [tf.reshape(b, s) for b, s in zip(blocks, self.shapes, strict=True)], state
