"""From a scenario to the Keras model, the data and the tests that a run consists of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from laser_phy.core.errors import Refusal
from laser_phy.experiments.objective import judge, loss_of, metrics_of
from laser_phy.experiments.run.checkpoints import load_variables, save_variables
from laser_phy.experiments.run.memory import held, in_words
from laser_phy.experiments.scenario import Scenario

if TYPE_CHECKING:
    from laser_phy.data import Data, Feed
    from laser_phy.training.over_the_air import OverTheAir

SMALL_MODEL = 200_000
"""Parameters below which calling a step costs more than the step."""


@dataclass(frozen=True)
class PartitionedData:
    """Data in memory, dealt out.

    Attributes:
        dropped: training examples that no worker has, as shards are equal.
    """

    data: Data
    feed: Feed
    dropped: int


@dataclass(frozen=True)
class Experiment:
    """What a run trains, on what, and how it is tested.

    Attributes:
        dropped: training examples that no worker has, as shards are equal.
        steps_per_execution: the most rounds in one call of the training step.
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
            *uplink.codec.notes(self.energy_budget, task.workers, noise),
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

    def fit(self, first: int, rounds: int, callbacks: Sequence[Any]) -> None:
        """Train from round `first` on until `rounds` rounds have passed in all.

        In up to three parts: the rest of an epoch, whole epochs, and the beginning of one.
        """
        per_epoch = self.rounds_per_epoch
        while first < rounds:
            epoch, inside = divmod(first, per_epoch)
            whole = inside == 0 and rounds - first >= per_epoch
            last = rounds // per_epoch if whole else epoch + 1
            steps = per_epoch if whole else min(per_epoch - inside, rounds - first)
            self._execute(steps)
            self.model.fit(
                self.feed.dataset(epoch, inside),
                initial_epoch=epoch,
                epochs=last,
                steps_per_epoch=steps,
                verbose=0,
                shuffle=False,
                callbacks=list(callbacks),
            )
            if self.model.stop_training:
                return
            first = last * per_epoch if whole else first + steps

    def _execute(self, steps: int) -> None:
        """Put as many rounds into a call of the training step as leave no rest of `steps`.

        Keras would go on past the end with what does not fill a call. The number divides that of an
        epoch, so that a run that goes on within one makes the same calls as one that was not cut.
        """
        whole = math.gcd(self.rounds_per_epoch, steps)
        most = range(1, self.steps_per_execution + 1)
        wanted = max(step for step in most if whole % step == 0)
        if wanted != self.model.steps_per_execution:
            self.model.steps_per_execution = wanted
            self.model.train_function = None  # it is traced for the number

    # ---- what a checkpoint holds ----

    @property
    def _variables(self) -> list[Any]:
        return [*self.model.variables, *self.model.optimizer.variables]

    def save(self, file: Path) -> None:
        """Write all that the model is between two rounds."""
        save_variables(self._variables, file)

    def load(self, file: Path) -> None:
        """Go on from what was written.

        Raises:
            ValueError: the file is of another model.
        """
        load_variables(self._variables, file)

    def sums(self) -> list[Any]:
        """The sums behind the logs, as JSON can hold them: of these it keeps every digit."""
        return [np.asarray(variable).tolist() for variable in self.model.metrics_variables]

    def set_sums(self, values: Sequence[Any]) -> None:
        """Go on with sums that were read before."""
        x, y = next(iter(self.feed.dataset()))
        # Keras makes the variables of compiled metrics as they are first needed.
        self.model.compute_metrics(x[:1], y[:1], self.model(x[:1], training=False))
        self.model.reset_metrics()
        for variable, value in zip(self.model.metrics_variables, values, strict=True):
            variable.assign(value)

    @property
    def metric(self) -> str:
        """Column of the history by which a run is judged."""
        return judge(self.scenario.task.metrics, self.data)

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
        if self.data.target == "token":
            row[f"{prefix}perplexity"] = float(np.exp(row[f"{prefix}loss"]))
        if not math.isfinite(row[f"{prefix}loss"]):  # of such a model any other number is chance
            row = dict.fromkeys(row, math.nan)
        return row


def load_data(scenario: Scenario) -> PartitionedData:
    """Read the data and deal it out to the workers; imports nothing heavy but for Keras' data sets.

    Raises:
        Refusal: data that is not there or does not fit.
    """
    from laser_phy.data import Feed

    task, seed = scenario.task, scenario.seed
    data = task.dataset.load(seed)
    shards = task.partition.split(data.y_train, task.workers, seed)
    feed = Feed.of(data, shards, task.batch_size, seed)
    return PartitionedData(data, feed, dropped=len(data.y_train) - sum(map(len, shards)))


def assemble(scenario: Scenario, dealt: PartitionedData) -> Experiment:
    """Build and compile the model.

    Args:
        scenario: what to build.
        dealt: its data.

    Raises:
        Refusal: parts that do not fit each other.
    """
    from laser_phy.downlink.downlink import Downlink
    from laser_phy.training.over_the_air import OverTheAir
    from laser_phy.uplink.uplink import Uplink

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
        raise Refusal(f"{scenario.name}: {error}") from error
    per_epoch = dealt.feed.rounds_per_epoch
    model.compile(
        optimizer=task.optimizer.build(task.length(per_epoch), per_epoch),
        loss=loss_of(task.loss, dealt.data),
        metrics=metrics_of(task.metrics, dealt.data),
    )
    steps = task.steps_per_execution or (32 if inner.count_params() < SMALL_MODEL else 1)
    return Experiment(scenario, model, dealt.data, dealt.feed, dealt.dropped, steps)
