"""Signum: signs, and the majority of them (Bernstein et al., 2018)."""

from __future__ import annotations

from typing import Any, Literal

from laser_phy.compressors.base import Compressor, Message, Shapes, Tensors, norms
from laser_phy.compressors.identity import IdentityCodec
from laser_phy.core.lazy import tf


class Signum(Compressor):
    """x_k = sign(g_k), and g = sign(mean_k x_k + noise): a majority vote of the workers.

    A message pays for what it sends: a block of n signs has norm sqrt(n), however small the
    gradient was. There is no error feedback.
    """

    name: Literal["signum"] = "signum"

    def build(self, shapes: Shapes, key: int) -> SignumCodec:
        return SignumCodec(shapes, key)


class SignumCodec(IdentityCodec):
    """Blocks are the signs of the tensors, in their order."""

    linear = False
    lossless = False
    bits_per_real = 1

    def encode(
        self, phase: int, gradients: Tensors, memory: Any, state: Tensors
    ) -> tuple[Message, Any]:
        return self.pack([tf.sign(g) for g in gradients], norms(gradients)), memory

    def decode(self, phase: int, reals: Any, state: Tensors) -> tuple[Tensors, Tensors]:
        return super().decode(phase, tf.sign(reals), state)
