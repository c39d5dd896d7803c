"""Random-K: a random part of the gradient, another one in every round."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal

import numpy as np

from laser_phy.compressors.base import Codec, Compressor, Message, Shapes, Tensors, norm
from laser_phy.compressors.draws import first_round, kept, seed_of
from laser_phy.lazy import tf
from laser_phy.settings import setting


class RandomK(Compressor):
    """x_k = M_k[I], M_k = e_k + g_k, with the same random I of k = max(1, f n) entries at all.

    The server puts what it received back in its place, without the factor n/k, and the worker keeps
    the rest: e_k = M_k outside I (Stich, Cordonnier, Jaggi, "Sparsified SGD with memory", 2018).
    Every entry is in I with probability k/n in each round, independently over rounds.
    """

    name: Literal["random_k"] = "random_k"
    factor: float = setting(0.2, gt=0, le=1, unit="share of the entries sent")
    """f, the share of every tensor that is sent in a round."""
    error_feedback: bool = True
    """Keep what was not sent, and add it to the next gradient."""

    def build(self, shapes: Shapes, key: int) -> RandomKCodec:
        return RandomKCodec(shapes, key, self)


class RandomKCodec(Codec):
    """I = (S + offset) mod n, S a fixed random k-subset and the offset drawn anew every round.

    k additions a round. Drawing k of n without replacement would sort n numbers for each worker,
    which at ten million parameters takes longer than the gradient.
    """

    def __init__(self, shapes: Shapes, key: int, settings: RandomK) -> None:
        super().__init__(shapes, key)
        self.error_feedback = settings.error_feedback
        self.phases = (tuple(kept(size, settings.factor) for size in self.sizes),)
        self.memory_size = sum(self.sizes) if self.error_feedback else 0

    @cached_property
    def subsets(self) -> list[np.ndarray]:
        """S [k] int32 of every tensor."""
        return [
            np.random.default_rng([self.key, tensor]).permutation(size)[:count].astype(np.int32)
            for tensor, (size, count) in enumerate(zip(self.sizes, self.phases[0], strict=True))
        ]

    def initial_state(self) -> list[np.ndarray]:
        return [first_round()]

    def indices(self, round_: Any) -> Tensors:
        """[k] int32 of every tensor in this round."""
        return [
            (
                subset
                + tf.random.stateless_uniform(
                    [], seed_of(self.key, round_, tensor), maxval=size, dtype=tf.int32
                )
            )
            % size
            for tensor, (subset, size) in enumerate(zip(self.subsets, self.sizes, strict=True))
        ]

    def encode(
        self, phase: int, gradients: Tensors, memory: Any, state: Tensors
    ) -> tuple[Message, Any]:
        sources = [tf.reshape(gradient, [-1]) for gradient in gradients]
        if self.error_feedback:
            parts = tf.split(memory, self.sizes)
            sources = [a + b for a, b in zip(sources, parts, strict=True)]
        indices = self.indices(state[0])
        blocks = [tf.gather(x, i) for x, i in zip(sources, indices, strict=True)]
        if self.error_feedback:
            rest = [
                tf.tensor_scatter_nd_update(x, i[:, tf.newaxis], tf.zeros_like(b))
                for x, i, b in zip(sources, indices, blocks, strict=True)
            ]
            memory = tf.concat(rest, axis=0)
        return self.pack(blocks, tf.stack([norm(x) for x in sources])), memory

    def decode(self, phase: int, reals: Any, state: Tensors) -> tuple[Tensors, Tensors]:
        blocks, indices = tf.split(reals, self.phases[0]), self.indices(state[0])
        gradients = [
            tf.reshape(tf.scatter_nd(i[:, tf.newaxis], block, [size]), shape)
            for i, block, size, shape in zip(indices, blocks, self.sizes, self.shapes, strict=True)
        ]
        return gradients, [state[0] + 1]
