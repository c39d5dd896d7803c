"""States of layers when K workers go through a model in turn: moving statistics, and draws."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from laser_phy.core.random_streams import stream_key
from laser_phy.training import nonfinite_gradients as bad


class BatchStatistics:
    """Moving statistics of a model during a round: every worker starts from the same ones.

    Keras updates them in each forward pass. Left alone they would move K times a round, in worker
    order; here each worker's update starts at the round's beginning and the mean is kept. Values
    that no worker moved (frozen weights, a Normalization layer's constants) stay as they are: the
    mean of K equal numbers is not always that number.

    Args:
        model: built.
    """

    def __init__(self, model: keras.Model) -> None:
        frozen = {
            id(weight)
            for layer in model._flatten_layers()
            if not layer.trainable
            for weight in layer.weights
        }
        self.variables = [
            v
            for v in model.non_trainable_variables
            if "float" in str(v.dtype) and id(v) not in frozen
        ]
        self.start = [tf.identity(v.value) for v in self.variables]

    def zeros(self) -> list[Any]:
        """What `collect` starts from: for every variable a sum, and by how many it was moved."""
        return [(tf.zeros_like(start), tf.zeros_like(start)) for start in self.start]

    def collect(self, sums: list[Any], good: Any) -> list[Any]:
        """`sums` with this worker's statistics added, if `good`; they are put back to the start."""
        collected = []
        for variable, start, (total, moves) in zip(self.variables, self.start, sums, strict=True):
            value = tf.identity(variable.value)
            (own,) = bad.zero_unless(good, [value])
            moved = tf.cast(tf.not_equal(value, start), value.dtype)
            collected.append((total + own, moves + moved))
            with tf.control_dependencies([value]):
                variable.assign(start)
        return collected

    def assign_mean(self, sums: list[Any], count: Any) -> None:
        """Set the variables to the mean of what `count` workers (float32 scalar) collected."""
        for variable, start, (total, moves) in zip(self.variables, self.start, sums, strict=True):
            mean = total / tf.cast(tf.maximum(count, 1), total.dtype)
            variable.assign(tf.where((moves > 0) & (count > 0), mean, start))


class RandomLayers:
    """Sets the states of seed generators: draws are a function of (seed, round, worker).

    Keras moves such a state on at every call and does not save it: what a layer draws would depend
    on how many rounds the process has seen, and a resumed run would not be the uninterrupted one.

    Args:
        model: built.
        seed: of the draws.
    """

    def __init__(self, model: keras.Model, seed: int) -> None:
        self.key = stream_key(seed, "random_layers")
        self.states = [v for v in model.variables if "seed_generator_state" in v.path]

    def reseed(self, round_: Any, worker: Any) -> None:
        """Go to what a worker draws in a round (int64 and int32 scalars)."""
        if not self.states:
            return
        key = tf.constant(self.key, tf.int64) + tf.cast(worker, tf.int64)
        fresh = tf.random.stateless_uniform(
            [len(self.states), 2], tf.stack([key, tf.cast(round_, tf.int64)]), None, None, tf.uint32
        )
        for i, state in enumerate(self.states):
            state.assign(tf.cast(fresh[i], state.dtype))
