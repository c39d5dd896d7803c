"""K copies of what the workers hold, where a noisy downlink lets them differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf


class WorkerModels(keras.layers.Layer):
    """A row a worker for every variable of some groups (weights, optimizer, compressor state).

    The variables that Keras trains hold one worker's values at a time; between rounds they hold the
    server's. Costs, for each worker: the weights, and what the other groups have.
    """

    def __init__(self) -> None:
        super().__init__(name="replicas", dtype="float32", autocast=False, trainable=False)
        self.rows: dict[str, list[Any]] = {}

    def build(self, groups: Mapping[str, Sequence[Any]], workers: int) -> None:
        """Make the rows, all equal to the variables' present values.

        Args:
            groups: Keras variables by group.
            workers: K.
        """
        self.live = {group: list(variables) for group, variables in groups.items()}
        self.workers = workers
        self.rows = {
            group: [
                self.add_weight(
                    name=f"{group}_{i}",
                    shape=(workers, *variable.shape),
                    dtype=variable.dtype,
                    initializer="zeros",
                    trainable=False,
                    autocast=False,
                )
                for i, variable in enumerate(variables)
            ]
            for group, variables in self.live.items()
        }
        for group, variables in self.live.items():
            self.spread(group, [variable.value for variable in variables])
        self.built = True

    def values(self, group: str) -> list[Any]:
        """What the live variables of a group hold now, as tensors."""
        return [tf.identity(variable.value) for variable in self.live[group]]

    def put(self, group: str, values: Sequence[Any]) -> None:
        """Set the live variables of a group."""
        for variable, value in zip(self.live[group], values, strict=True):
            variable.assign(value)

    def read(self, group: str, worker: Any) -> list[Any]:
        """One worker's values."""
        return [tf.gather(rows.value, worker) for rows in self.rows[group]]

    def write(self, group: str, worker: Any, values: Sequence[Any]) -> None:
        """Set one worker's values."""
        index = tf.reshape(worker, [1, 1])
        for rows, value in zip(self.rows[group], values, strict=True):
            rows.value.scatter_nd_update(index, tf.cast(value, rows.dtype)[tf.newaxis])

    def spread(self, group: str, values: Sequence[Any]) -> None:
        """Give every worker the same values."""
        for rows, value in zip(self.rows[group], values, strict=True):
            rows.assign(tf.repeat(tf.convert_to_tensor(value)[tf.newaxis], self.workers, axis=0))
