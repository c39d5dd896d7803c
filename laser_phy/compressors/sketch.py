"""Sketch: a count-mean sketch of one row."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from laser_phy.compressors.base import Codec, Compressor, Message, Shapes, Tensors, norm
from laser_phy.compressors.draws import first_round, kept, seed_of
from laser_phy.lazy import tf
from laser_phy.settings import setting


class Sketch(Compressor):
    """y_b = sum_{i: h(i) = b} s_i g_i over s = max(1, f n) buckets; g_i is read off as s_i y_h(i).

    Buckets h(i) and signs s_i are drawn anew in every round, the same at all workers: the estimate
    is unbiased, and the other entries of a bucket add a variance of about n/s times ||g||^2. A
    bucket is copied to all its entries, noise included, so that the channel's share of the error is
    that of Z-SGD. Error feedback is off unless asked for: with an estimate that can be longer than
    the gradient, the memory grows without bound.
    """

    name: Literal["sketch"] = "sketch"
    factor: float = setting(0.2, gt=0, le=1, unit="buckets an entry")
    """f, the number of buckets over the number of entries of a tensor."""
    error_feedback: bool = False
    """Keep what the sketch did not give, and add it to the next gradient. It diverges."""

    def build(self, shapes: Shapes, key: int) -> SketchCodec:
        return SketchCodec(shapes, key, self)


class SketchCodec(Codec):
    """Blocks are the tensors' buckets, in their order."""

    def __init__(self, shapes: Shapes, key: int, settings: Sketch) -> None:
        super().__init__(shapes, key)
        self.error_feedback = settings.error_feedback
        self.phases = (tuple(kept(size, settings.factor) for size in self.sizes),)
        self.memory_size = sum(self.sizes) if self.error_feedback else 0

    def initial_state(self) -> list[np.ndarray]:
        return [first_round()]

    def noise_gains(self, phase: int) -> np.ndarray:
        return np.asarray(self.sizes, np.float32)  # every bucket is copied to all its entries

    def hashes(self, round_: Any) -> list[tuple[Any, Any]]:
        """Bucket [entry] int32 and sign [entry] float32 of every tensor in this round."""
        hashes = []
        for tensor, (size, buckets) in enumerate(zip(self.sizes, self.phases[0], strict=True)):
            draw = tf.random.stateless_uniform(
                [size], seed_of(self.key, round_, tensor), maxval=2 * buckets, dtype=tf.int32
            )
            hashes.append((draw // 2, tf.cast(2 * (draw % 2) - 1, tf.float32)))
        return hashes

    def encode(
        self, phase: int, gradients: Tensors, memory: Any, state: Tensors
    ) -> tuple[Message, Any]:
        sources = [tf.reshape(gradient, [-1]) for gradient in gradients]
        if self.error_feedback:
            parts = tf.split(memory, self.sizes)
            sources = [a + b for a, b in zip(sources, parts, strict=True)]
        hashes = self.hashes(state[0])
        blocks = [
            tf.math.unsorted_segment_sum(signs * x, buckets, count)
            for x, (buckets, signs), count in zip(sources, hashes, self.phases[0], strict=True)
        ]
        if self.error_feedback:
            estimates = self._estimates(blocks, hashes)
            memory = tf.concat([x - e for x, e in zip(sources, estimates, strict=True)], axis=0)
        return self.pack(blocks, tf.stack([norm(x) for x in sources])), memory

    def decode(self, phase: int, reals: Any, state: Tensors) -> tuple[Tensors, Tensors]:
        estimates = self._estimates(tf.split(reals, self.phases[0]), self.hashes(state[0]))
        gradients = [tf.reshape(e, s) for e, s in zip(estimates, self.shapes, strict=True)]
        return gradients, [state[0] + 1]

    def _estimates(self, blocks: Tensors, hashes: list[tuple[Any, Any]]) -> Tensors:
        return [
            signs * tf.gather(block, buckets)
            for block, (buckets, signs) in zip(blocks, hashes, strict=True)
        ]
