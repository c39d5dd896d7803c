"""From a scenario to the Keras model, the data and the tests that a run consists of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from laser_phy.memory import held, in_words
from laser_phy.problems import Refusal
from laser_phy.scenario import Scenario

if TYPE_CHECKING:
    from laser_phy.data import Data, Feed
    from laser_phy.training import OverTheAir

SMALL_MODEL = 200_000
"""Parameters below which calling a step costs more than the step."""


class AssemblyError(Refusal):
    """Parts of a scenario that turn out not to fit each other."""


@dataclass(frozen=True)
class Dealt:
    """Data in memory, dealt out.

    Attributes:
        dropped: training examples that no worker has, as shards are equal.
    """

    data: Data
    feed: Feed
    dropped: int


@dataclass(frozen=True)
class Assembly:
    """What a run trains, on what, and how it is tested.

    Attributes:
        dropped: training examples that no worker has, as shards are equal.
        steps_per_execution: rounds in one call of the training step.
    """

    scenario: Scenario
    model: OverTheAir
    data: Data
    feed: Feed
    dropped: int
    steps_per_execution: int

    @property
    def rounds_per_epoch(self) -> int:
        return self.feed.rounds_per_epoch

    def introduction(self, planned: int) -> list[str]:
        """What is about to happen, in sentences."""
        task = self.scenario.task
        kind: Any = task.model
        parameters = sum(math.prod(v.shape) for v in self.model.model.trainable_variables)
        left = f" ({self.dropped} examples left over)" if self.dropped else ""
        uplink = self.model.uplink
        noise = self.scenario.uplink.channel.noise_of_a_real
        return [
            f"{task.workers} workers, {task.batch_size} examples each a round{left}; "
            f"{kind.name} with {parameters:,} parameters; {self.rounds_per_epoch} rounds an "
            f"epoch, {planned} in all.",
            *uplink.codec.in_words(self.energy_budget, task.workers, noise),
            f"Memory, besides activations: {in_words(held(self.model))}.",
            f"Tracing the training step, about {self._tracing_s():.0f} s ...",
        ]

    def _tracing_s(self) -> float:
        """Seconds that tracing takes on an ordinary machine, from what was measured on two."""
        return 4 + 0.2 * len(self.model.model.trainable_variables)

    @property
    def energy_budget(self) -> float:
        """Energy a worker may spend in a round."""
        return float(self.model.uplink.energy_budget)

    def fit(self, first_epoch: int, rounds: int, callbacks: Sequence[Any]) -> None:
        """Train from the beginning of an epoch until `rounds` rounds have passed in all."""
        whole, rest = divmod(rounds, self.rounds_per_epoch)
        options: dict[str, Any] = {"verbose": 0, "shuffle": False, "callbacks": list(callbacks)}
        if whole > first_epoch:
            self.model.fit(
                self.feed.dataset(first_epoch),
                initial_epoch=first_epoch,
                epochs=whole,
                steps_per_epoch=self.rounds_per_epoch,
                **options,
            )
        if rest and not self.model.stop_training:
            last = max(whole, first_epoch)
            self.model.fit(
                self.feed.dataset(last),
                initial_epoch=last,
                epochs=last + 1,
                steps_per_epoch=rest,
                **options,
            )

    @property
    def metric(self) -> str:
        """Column of the history by which a run is judged."""
        return "val_perplexity" if self.data.kind == "text" else "val_accuracy"

    def test(self) -> dict[str, float]:
        """Loss and metrics on the test data, of the weights and of their running mean."""
        row = self._evaluate("val_")
        if self.scenario.task.ema is not None:
            with self.model.ema_weights():
                row |= self._evaluate("ema_val_")
        return row

    @cached_property
    def _test_batches(self) -> Any:
        """The test data as a `tf.data.Dataset`, which `evaluate` would build anew from arrays.

        On a small model building it took as long as the test itself, once or twice an epoch.
        """
        import tensorflow as tf

        size = self.scenario.task.eval_batch_size
        with tf.device("CPU:0"):
            whole = tf.constant(self.data.x_test), tf.constant(self.data.y_test)
            batches = tf.data.Dataset.range(math.ceil(len(self.data.x_test) / size))
            batches = batches.map(
                lambda i: tuple(part[i * size : (i + 1) * size] for part in whole),
                num_parallel_calls=2,
                deterministic=True,
            )
            return batches.prefetch(2)

    def _evaluate(self, prefix: str) -> dict[str, float]:
        logs = self.model.evaluate(self._test_batches, verbose=0, return_dict=True)
        row = {f"{prefix}{name}": float(value) for name, value in logs.items()}
        if self.data.kind == "text":
            row[f"{prefix}perplexity"] = float(np.exp(row[f"{prefix}loss"]))
        if not math.isfinite(row[f"{prefix}loss"]):  # of such a model any other number is chance
            row = dict.fromkeys(row, math.nan)
        return row


def deal(scenario: Scenario) -> Dealt:
    """Read the data and deal it out to the workers; imports nothing heavy but for Keras' data sets.

    Raises:
        Refusal: data that is not there or does not fit.
    """
    from laser_phy.data import Feed

    task, seed = scenario.task, scenario.seed
    data = task.dataset.load(seed)
    shards = task.partition.split(data.y_train, task.workers, seed)
    feed = Feed.of(data, shards, task.batch_size, seed)
    return Dealt(data, feed, dropped=len(data.y_train) - sum(map(len, shards)))


def assemble(scenario: Scenario, dealt: Dealt, rounds: int) -> Assembly:
    """Build and compile the model.

    Args:
        scenario: what to build.
        dealt: its data.
        rounds: after which the run ends.

    Raises:
        AssemblyError: parts that do not fit each other.
    """
    import keras

    from laser_phy.downlink import Downlink
    from laser_phy.training import OverTheAir
    from laser_phy.uplink import Uplink

    task, seed = scenario.task, scenario.seed
    try:
        inner = task.model.build(dealt.data, seed)
        model = OverTheAir(
            inner,
            workers=task.workers,
            uplink=Uplink.from_config(scenario.uplink.to_config()),
            downlink=Downlink.from_config(scenario.downlink.to_config()),
            seed=seed,
            ema=task.ema,
            micro_batches=task.micro_batches,
            local_steps=task.local_steps,
            local_learning_rate=task.local_learning_rate,
            bad_gradients=task.bad_gradients,
        )
    except Refusal:
        raise
    except ValueError as error:  # what only shows once shapes and channels are known
        raise AssemblyError(f"{scenario.name}: {error}") from error
    per_epoch = dealt.feed.rounds_per_epoch
    steps = _steps_per_execution(scenario, inner.count_params(), dealt.feed, rounds)
    model.compile(
        optimizer=task.optimizer.build(task.length(per_epoch), per_epoch),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        steps_per_execution=steps,
    )
    return Assembly(scenario, model, dealt.data, dealt.feed, dealt.dropped, steps)


def _steps_per_execution(scenario: Scenario, parameters: int, feed: Feed, rounds: int) -> int:
    """The largest number of rounds a call that is allowed and leaves no rest.

    Keras would go on past the end of the epoch with what does not fill a call.
    """
    wanted = scenario.task.steps_per_execution
    if wanted is None:
        wanted = 32 if parameters < SMALL_MODEL else 1
    whole = math.gcd(feed.rounds_per_epoch, rounds)
    return max(step for step in range(1, wanted + 1) if whole % step == 0)
