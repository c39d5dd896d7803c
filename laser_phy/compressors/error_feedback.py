"""Error feedback over whole tensors: what was not sent is kept, and added to the next gradient."""

from __future__ import annotations

from typing import Any

from laser_phy.compressors.base import Codec, Shapes, Tensors
from laser_phy.core.lazy import tf


class FeedbackCodec(Codec):
    """M_k = e_k + g_k is what a worker compresses, e_k = M_k - x_k what it keeps of it.

    The memory holds e_k of every tensor, one after the other; without error feedback nothing is
    kept and M_k = g_k.

    Args:
        shapes: of the tensors.
        key: seed of what is drawn.
        error_feedback: keep what was not sent.
    """

    def __init__(self, shapes: Shapes, key: int, error_feedback: bool) -> None:
        super().__init__(shapes, key)
        self.memory_size = sum(self.sizes) if error_feedback else 0
        self.lossless = error_feedback

    def sources(self, gradients: Tensors, memory: Any) -> Tensors:
        """M_k [entry] of every tensor."""
        flat = [tf.reshape(gradient, [-1]) for gradient in gradients]
        if not self.memory_size:
            return flat
        return [g + e for g, e in zip(flat, tf.split(memory, self.sizes), strict=True)]

    def remains(self, sources: Tensors, sent: Tensors) -> Any:
        """[memory_size] M_k less what the message stands for, both [entry] for every tensor."""
        if not self.memory_size:
            return tf.zeros([0])
        return tf.concat([m - x for m, x in zip(sources, sent, strict=True)], axis=0)

    def shaped(self, tensors: Tensors) -> Tensors:
        """[entry] of every tensor, in its shape."""
        return [tf.reshape(t, shape) for t, shape in zip(tensors, self.shapes, strict=True)]
