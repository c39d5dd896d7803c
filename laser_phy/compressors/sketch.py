"""Sketch: a count-mean sketch of one row."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from laser_phy.compressors.base import Shapes
from laser_phy.compressors.shared_randomness import Drawing, DrawingCodec
from laser_phy.core.lazy import tf


class Sketch(Drawing):
    """y_b = sum_{i: h(i) = b} s_i g_i over s = max(1, f n) buckets; g_i is read off as s_i y_h(i).

    Buckets h(i) and signs s_i are drawn anew in every round, the same at all workers: the estimate
    is unbiased, and the other entries of a bucket add a variance of about n/s times ||g||^2. A
    bucket is copied to all its entries, noise included, so that the channel's share of the error is
    that of Z-SGD. Error feedback is off unless asked for: with an estimate that can be longer than
    the gradient, the memory grows without bound.
    """

    name: Literal["sketch"] = "sketch"
    error_feedback: bool = False
    """Keep what the sketch did not give, and add it to the next gradient. It diverges."""

    def build(self, shapes: Shapes, key: int) -> SketchCodec:
        return SketchCodec(shapes, key, self)


class SketchCodec(DrawingCodec):
    """A draw is the bucket [entry] int32 and the sign [entry] float32 of every entry."""

    def noise_gains(self, phase: int) -> np.ndarray:
        return np.asarray(self.sizes, np.float32)  # every bucket is copied to all its entries

    def draws(self, round_: Any) -> list[tuple[Any, Any]]:
        hashes = []
        for tensor, (size, buckets) in enumerate(zip(self.sizes, self.phases[0], strict=True)):
            both = tf.random.stateless_uniform(
                [size], self.seed(round_, tensor), maxval=2 * buckets, dtype=tf.int32
            )
            hashes.append((both // 2, tf.cast(2 * (both % 2) - 1, tf.float32)))
        return hashes

    def block(self, source: Any, draw: Any, count: int) -> Any:
        buckets, signs = draw
        return tf.math.unsorted_segment_sum(signs * source, buckets, count)

    def estimate(self, block: Any, draw: Any, size: int) -> Any:
        buckets, signs = draw
        return signs * tf.gather(block, buckets)
