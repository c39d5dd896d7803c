"""Layers that draw (dropout, augmentation), whose draws are a function of (seed, round, worker)."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from laser_phy.core.random_streams import stream_key


class RandomLayers:
    """Sets the states of a model's seed generators.

    Keras moves such a state on at every call and does not save it: what a layer draws would depend
    on how many rounds the process has seen, and a resumed run would not be the uninterrupted one.

    Args:
        model: built.
        seed: of the draws.
    """

    def __init__(self, model: keras.Model, seed: int) -> None:
        self.key = stream_key(seed, "random_layers")
        self.states = [v for v in model.variables if "seed_generator_state" in v.path]

    def seek(self, round_: Any, worker: Any) -> None:
        """Go to what a worker draws in a round (int64 and int32 scalars)."""
        if not self.states:
            return
        key = tf.constant(self.key, tf.int64) + tf.cast(worker, tf.int64)
        fresh = tf.random.stateless_uniform(
            [len(self.states), 2], tf.stack([key, tf.cast(round_, tf.int64)]), None, None, tf.uint32
        )
        for i, state in enumerate(self.states):
            state.assign(tf.cast(fresh[i], state.dtype))
