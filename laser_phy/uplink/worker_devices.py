"""K workers split among the replicas of a `tf.distribute` strategy, one device each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from laser_phy.compressors import Message

STRATEGIES = (tf.distribute.OneDeviceStrategy, tf.distribute.MirroredStrategy)
"""Those under which a round is one synchronous step in one process."""


class WorkerDevices:
    """Replica r of R has the workers r K/R to (r + 1) K/R - 1.

    Made in the scope of the strategy; without one there is one replica, and nothing is exchanged.

    Args:
        workers: K.

    Raises:
        ValueError: R does not divide K, or a strategy that is not one synchronous step.
    """

    def __init__(self, workers: int) -> None:
        strategy = tf.distribute.get_strategy()
        if tf.distribute.has_strategy() and not isinstance(strategy, STRATEGIES):
            raise ValueError(
                "the workers of a round meet in the air, which is simulated in one process; got "
                f"{type(strategy).__name__}. Use tf.distribute.MirroredStrategy."
            )
        self.workers, self.replicas = workers, int(strategy.num_replicas_in_sync)
        if workers % self.replicas:
            raise ValueError(
                f"workers must be a multiple of the strategy's {self.replicas} replicas, which "
                f"share them; got {workers}."
            )
        self.own = workers // self.replicas
        """Workers of one replica."""

    @property
    def first(self) -> Any:
        """This replica's first worker, an integer scalar."""
        if self.replicas == 1:
            return 0
        return self._context().replica_id_in_sync_group * self.own

    def refuse(self, what: str, instead: str) -> None:
        """Raise ValueError where there are several replicas."""
        if self.replicas > 1:
            raise ValueError(
                f"{what} does not work with the workers split among {self.replicas} replicas. "
                f"{instead}"
            )

    def check_compiled(self, model: keras.Model) -> None:
        """Raise ValueError for what `compile` was given and several replicas cannot do."""
        for part in keras.tree.flatten(model.loss):
            reduction = getattr(part, "reduction", "mean")
            if reduction in ("sum", "none", None):
                self.refuse(
                    f"a loss with reduction={reduction!r}",
                    "Keras divides means alone by the replicas: write sum_over_batch_size.",
                )
        if model.steps_per_execution > 1:
            self.refuse("steps_per_execution > 1", "Keras itself has it for one replica alone.")

    def check_scope(self, model: keras.Model) -> None:
        """Raise ValueError where not everything was made in the scope of the same strategy."""
        now = int(tf.distribute.get_strategy().num_replicas_in_sync)
        if now == self.replicas == 1:
            return
        outside = [
            variable.path
            for variable in (*model.variables, *model.optimizer.variables)
            if not isinstance(variable.value, tf.distribute.DistributedValues)
        ]
        if now != self.replicas or outside:
            some = f" (made outside: {', '.join(outside[:3])})" if outside else ""
            raise ValueError(
                "make and compile model and wrapper inside the same `with strategy.scope():`; got "
                f"a wrapper made for {self.replicas} replicas in a fit with {now}{some}."
            )

    def unscaled(self, loss: Any) -> Any:
        """A replica's loss as on one device: Keras divides it by the replicas, to add them up."""
        return loss if self.replicas == 1 else loss * self.replicas

    def whole(self, examples: Any) -> list[Any]:
        """Assertions that the batch, of which this replica has `examples`, is a multiple of K.

        One device cuts a batch to such a multiple. Replicas, which get their slices before anybody
        looks, would cut elsewhere.
        """
        if self.replicas == 1:
            return []
        same = self.sum(examples), self.replicas * (examples // self.own) * self.own
        return [
            tf.debugging.assert_equal(
                *same,
                f"a batch must be a multiple of the {self.workers} workers, so that each of the "
                f"{self.replicas} replicas gets whole workers (drop_remainder=True in tf.data)",
            )
        ]

    def sum(self, nest: Any) -> Any:
        """Sums over replicas of every tensor of a nest."""
        if self.replicas == 1:
            return nest
        tensors = tf.nest.flatten(nest)
        if not tensors:
            return nest
        sums = self._context().all_reduce(tf.distribute.ReduceOp.SUM, tensors)
        return tf.nest.pack_sequence_as(nest, sums)

    def gather(self, tensor: Any) -> Any:
        """[worker, ...] of all replicas, from this one's [own worker, ...]."""
        if self.replicas == 1:
            return tensor
        whole = self._context().all_gather(tensor, axis=0)
        return tf.ensure_shape(whole, [self.workers, *tensor.shape[1:]])

    def rows(self, size: int) -> keras.Variable:
        """A variable with `size` float32 zeros for every worker, each where its replica is."""
        kind = keras.Variable if self.replicas == 1 else WorkerRows
        return kind(
            "zeros", shape=(self.own, size), dtype="float32", trainable=False, autocast=False,
            name="memory",
        )  # fmt: skip

    def _context(self) -> Any:
        context = tf.distribute.get_replica_context()
        if context is None:
            raise RuntimeError(
                "a round of workers that are split among replicas runs in strategy.run, as in fit."
            )
        return context


def own_copy(variable: keras.Variable) -> Any:
    """The tf.Variable behind a Keras variable; in a replica, its own copy or part.

    For what TensorFlow does not offer on a variable of several replicas: reading and writing rows
    without a copy of the whole.
    """
    value = variable.value
    context = tf.distribute.get_replica_context()
    if context is None or not isinstance(value, tf.distribute.DistributedValues):
        return value
    return value.values[int(tf.get_static_value(context.replica_id_in_sync_group))]


class WorkerRows(keras.Variable):
    """[worker, size] in parts: each replica has the rows of its own workers, and no others.

    To Keras it looks whole (`shape`, `numpy`, `assign`), so that it is saved, loaded and restored
    like any other. In a replica, `value` is the part.
    """

    @property
    def parts(self) -> tuple[Any, ...]:
        """Every replica's rows, in the order of the workers."""
        return tuple(self.value.values)

    @property
    def shape(self) -> Any:
        own, size = super().shape
        return tf.TensorShape((own * len(self.parts), size))

    def numpy(self) -> np.ndarray:
        return np.concatenate([part.numpy() for part in self.parts])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self.numpy().astype(dtype or np.float32)

    def assign(self, value: Any) -> Any:
        parts = self.parts
        for part, rows in zip(parts, np.split(np.asarray(value), len(parts)), strict=True):
            part.assign(rows)
        return value


def collect(
    step: Callable[[Any, Any], tuple[Message, Any]],
    carry: Any,
    split: WorkerDevices,
    sizes: Message,
) -> Any:
    """`Message` with a leading worker axis, and the last carry of this replica's workers.

    A loop and not an unrolled graph, which would trace K times and gain nothing; and not
    `vectorized_map`, which is silently wrong with BatchNorm and Dropout. A replica goes through its
    own workers, and gets the messages of all.

    Args:
        step: `step(worker, carry)` gives the worker's message and the new carry.
        carry: nest of tensors.
        split: of the workers.
        sizes: length of every field of a message.
    """
    first, own = split.first, split.own
    arrays = [tf.TensorArray(tf.float32, own, element_shape=[n]) for n in sizes]

    def body(i: Any, arrays: Any, carry: Any) -> Any:
        message, carry = step(first + i, carry)
        arrays = [a.write(i, x) for a, x in zip(arrays, message, strict=True)]
        return i + 1, arrays, carry

    _, arrays, carry = tf.while_loop(
        lambda i, *_: i < own,
        body,
        (0, arrays, carry),
        parallel_iterations=1,
        maximum_iterations=own,
    )
    return Message(*[split.gather(array.stack()) for array in arrays]), carry
