"""Batches of all workers, in an order that is a pure function of (seed, epoch, round)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from laser_phy.core.lazy import tf
from laser_phy.data.augment import plain
from laser_phy.data.base import Array, Data, Sampler
from laser_phy.data.partition import Shards, check_shards

# Streams of draws made from one seed.
_ORDER, _KEYS = 0x4F52, 0x4B45


class Feed:
    """Flat global batches [workers * batch, ...]: example i belongs to worker i // batch.

    Every worker goes through permutations of its own shard, a new one each time it has been
    through; the examples that do not fill a batch at the end of a permutation are left out of
    it. With equal shards a permutation is an epoch. With unequal shards a worker with fewer
    examples goes through them more often, and an epoch is the mean worker's.
    """

    def __init__(
        self,
        x: Array,
        y: Array,
        shards: Shards,
        batch_size: int,
        seed: int,
        sampler: Sampler | None = None,
    ) -> None:
        """Prepare the order.

        Args:
            x: examples [example, ...].
            y: targets [example, ...].
            shards: for each worker, the indices of its examples.
            batch_size: examples of each worker in a round.
            seed: fixes the order, and every draw of the sampler.
            sampler: how a batch is made from examples; None takes them as they are.

        Raises:
            DataError: if a shard is smaller than its batch.
        """
        check_shards(shards, batch_size)
        self.shards = [np.asarray(shard, np.int32) for shard in shards]
        self.batch_size = batch_size
        self.seed = seed
        self._batches = [len(shard) // batch_size for shard in shards]
        self._x, self._y = x, y
        self._sampler: Sampler = sampler or plain

    @classmethod
    def of(cls, data: Data, shards: Shards, batch_size: int, seed: int) -> Feed:
        """The feed of a data set's training examples, augmented as the data set says."""
        return cls(data.x_train, data.y_train, shards, batch_size, seed, data.sampler)

    @property
    def workers(self) -> int:
        """Number of workers."""
        return len(self.shards)

    @property
    def global_batch(self) -> int:
        """Examples of all workers in a round."""
        return self.workers * self.batch_size

    @property
    def rounds_per_epoch(self) -> int:
        """Rounds in which the mean worker goes once through its shard."""
        return sum(self._batches) // self.workers

    def indices(self, epoch: int) -> NDArray[np.int32]:
        """Which examples are in the batches of an epoch, [round, workers * batch]."""
        first = epoch * self.rounds_per_epoch
        rounds = np.arange(first, first + self.rounds_per_epoch)
        chosen = [self._of_worker(worker, rounds) for worker in range(self.workers)]
        return np.stack(chosen, axis=1).reshape(len(rounds), self.global_batch)

    def keys(self, epoch: int) -> NDArray[np.int32]:
        """Keys of what the sampler draws in an epoch, [round, 2]."""
        rng = np.random.default_rng((self.seed, _KEYS, epoch))
        return rng.integers(2**31, size=(self.rounds_per_epoch, 2), dtype=np.int32)

    def dataset(self, first_epoch: int = 0, first_round: int = 0) -> Any:
        """Batches from an epoch on, without end.

        For `fit(feed.dataset(e), initial_epoch=e, epochs=..., steps_per_epoch=
        feed.rounds_per_epoch, shuffle=False)`: `fit` draws on through all epochs, and sees
        the batches that a run from the beginning sees in them.

        Args:
            first_epoch: epoch of the first batch.
            first_round: round of the first batch in that epoch.

        Returns:
            An infinite `tf.data.Dataset` of (x, y), [workers * batch, ...] each.
        """
        fetch = self._sampler(self._x, self._y)

        def order(epoch: Any) -> tuple[Any, Any]:
            indices = tf.numpy_function(self.indices, [epoch], tf.int32)
            keys = tf.numpy_function(self.keys, [epoch], tf.int32)
            rounds = self.rounds_per_epoch
            return tf.ensure_shape(indices, (rounds, self.global_batch)), tf.ensure_shape(
                keys, (rounds, 2)
            )

        with tf.device("CPU:0"):
            epochs = tf.data.Dataset.range(first_epoch, 2**62).map(order).prefetch(1)
            rounds = epochs.unbatch().skip(first_round)
            batches = rounds.map(fetch, num_parallel_calls=2, deterministic=True)
            return batches.prefetch(4)

    def _of_worker(self, worker: int, rounds: NDArray[np.int64]) -> NDArray[np.int32]:
        """Examples of one worker in some rounds, counted from the start of training."""
        passes, places = np.divmod(rounds, self._batches[worker])
        chosen = np.empty((len(rounds), self.batch_size), np.int32)
        for number in np.unique(passes):
            rng = np.random.default_rng((self.seed, _ORDER, worker, int(number)))
            order = rng.permutation(self.shards[worker])
            whole = order[: self._batches[worker] * self.batch_size].reshape(-1, self.batch_size)
            here = passes == number
            chosen[here] = whole[places[here]]
        return chosen
