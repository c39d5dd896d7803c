"""Random-K: a random part of the gradient, another one in every round."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal

import numpy as np

from laser_phy.compressors.base import Shapes, Tensors
from laser_phy.compressors.shared_randomness import Drawing, DrawingCodec
from laser_phy.core.lazy import tf


class RandomK(Drawing):
    """x_k = M_k[I], M_k = e_k + g_k, with the same random I of k = max(1, f n) entries at all.

    The server puts what it received back in its place, without the factor n/k, and the worker keeps
    the rest: e_k = M_k outside I (Stich, Cordonnier, Jaggi, "Sparsified SGD with memory", 2018).
    Every entry is in I with probability k/n in each round, independently over rounds.
    """

    name: Literal["random_k"] = "random_k"

    def build(self, shapes: Shapes, key: int) -> RandomKCodec:
        return RandomKCodec(shapes, key, self)


class RandomKCodec(DrawingCodec):
    """I = (S + offset) mod n, S a fixed random k-subset and the offset drawn anew every round.

    k additions a round. Drawing k of n without replacement would sort n numbers for each worker,
    which at ten million parameters takes longer than the gradient.
    """

    @cached_property
    def subsets(self) -> list[np.ndarray]:
        """S [k] int32 of every tensor."""
        return [
            np.random.default_rng([self.key, tensor]).permutation(size)[:count].astype(np.int32)
            for tensor, (size, count) in enumerate(zip(self.sizes, self.phases[0], strict=True))
        ]

    def draws(self, round_: Any) -> Tensors:
        """I [k] int32 of every tensor."""
        return [
            (subset + self._offset(round_, tensor)) % self.sizes[tensor]
            for tensor, subset in enumerate(self.subsets)
        ]

    def _offset(self, round_: Any, tensor: int) -> Any:
        return tf.random.stateless_uniform(
            [], self.seed(round_, tensor), maxval=self.sizes[tensor], dtype=tf.int32
        )

    def block(self, source: Any, draw: Any, count: int) -> Any:
        return tf.gather(source, draw)

    def estimate(self, block: Any, draw: Any, size: int) -> Any:
        return tf.scatter_nd(draw[:, tf.newaxis], block, [size])
