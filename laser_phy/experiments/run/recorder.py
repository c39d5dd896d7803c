"""Keeps a run's files while Keras trains: rows, tests, checkpoints, and what is said meanwhile.

What a checkpoint holds is what cannot be computed from the round's number: the model's variables,
the sums behind the logs of the epoch under way, and those of the run's means.
"""

from __future__ import annotations

import math
import time
from typing import Any

import keras

from laser_phy.experiments.run.console import Progress
from laser_phy.experiments.run.experiment import Experiment
from laser_phy.experiments.run.interrupt import Interruption
from laser_phy.experiments.run.run_folder import RunFolder
from laser_phy.training.metrics import LinkMetrics

FLUSH_ROUNDS = 128  # half of what the model remembers
FLUSH_SECONDS = 0.5
LEAST_REST = 20.0
"""Times that writing a checkpoint took, until the next: at most 5 % of the time goes to them."""


class Recorder(keras.callbacks.Callback):
    """Writes `rounds.csv` as rounds pass, `history.csv` as epochs end, and checkpoints in between.

    Tests are run here and not by `fit`: the means of the link over the epoch are read before, and
    the running mean of the weights is tested beside the weights.

    Args:
        experiment: what is trained.
        folder: where the files go.
        progress: where lines for people go.
        interruption: asks for an early end.
        planned: rounds until the run ends.
        state: what the last checkpoint remembers, to go on from.

    Attributes:
        rounds: passed so far, and written.
        diverged: numbers are not finite any more.
        cut_short: the run ended between two rounds because it was asked to.
    """

    def __init__(
        self,
        experiment: Experiment,
        folder: RunFolder,
        progress: Progress,
        interruption: Interruption,
        planned: int,
        state: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        state = state or {}
        self.experiment, self.folder, self.progress = experiment, folder, progress
        self.interruption, self.planned = interruption, planned
        self.diverged = self.cut_short = False
        self.rounds = int(state.get("rounds", 0))
        self.training_s = float(state.get("training_s", 0.0))
        self.counted_rounds = int(state.get("counted_rounds", 0))
        self._link = LinkMetrics(experiment.model.link_metrics.names, dtype="float64")
        self._link.restore(state.get("link_totals", {}))
        self._earlier_s = float(state.get("wall_s", 0.0))
        self._began = time.perf_counter()
        self._traced = False
        self._timed_from: tuple[float, int] | None = None  # seconds, rounds of the epoch by then
        self._flushed = 0.0
        self._epoch = self._batch = self._flushed_batch = 0
        self._sums: list[Any] = state.get("sums", [])  # behind the logs of an epoch cut in two
        self._kept, self._keeping_s = self._began, 0.0

    @property
    def rounds_per_s(self) -> float:
        """Speed once started: tracing and tests left out, where there is more than that."""
        if self.counted_rounds:
            return self.counted_rounds / self.training_s
        return self.rounds / self.wall_s

    @property
    def wall_s(self) -> float:
        """Seconds of the run, those before it was resumed included."""
        return self._earlier_s + time.perf_counter() - self._began

    # ---- Keras' calls ----

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch, self._batch, self._flushed_batch = epoch, 0, 0
        if self._sums:
            self.experiment.set_sums(self._sums)
            self._sums = []
        # The very first call holds the tracing, and is left out of the speed.
        self._timed_from = (time.perf_counter(), 0) if self._traced else None

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        now = time.perf_counter()
        self._batch = batch + 1
        if self._timed_from is None:
            self._timed_from, self._traced = (now, self._batch), True
        waited = self._batch - self._flushed_batch
        if waited >= FLUSH_ROUNDS or now - self._flushed > FLUSH_SECONDS:
            self.flush(logs)
        if self.interruption.requested:
            self.model.stop_training = True
        elif self._is_due(now):
            self.flush(logs)
            inside = self.rounds % self.experiment.rounds_per_epoch  # its end has more to keep
            if inside and not self.diverged:
                self._keep(epoch=self._epoch, sums=self.experiment.sums())

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.flush(logs)
        if self._timed_from is not None:
            self.training_s += time.perf_counter() - self._timed_from[0]
            self.counted_rounds += self._batch - self._timed_from[1]
        whole = self.rounds == (epoch + 1) * self.experiment.rounds_per_epoch
        if not whole and not self.diverged:
            self._keep(epoch=epoch, sums=self.experiment.sums())
        self._link.add(self.experiment.model.link_metrics)
        self.cut_short = self.interruption.requested and self.rounds < self.planned
        if whole or not self.cut_short:
            self._end(epoch, logs)
        if whole and not self.diverged and (self._is_due() or self._is_last):
            self._keep(epoch=epoch + 1, sums=[])
        self.model.reset_metrics()

    def _end(self, epoch: int, logs: Any) -> None:
        """The row of an epoch, or of the part of one with which the run ends."""
        row: dict[str, float] = {"epoch": epoch, "rounds": self.rounds}
        row |= {name: float(value) for name, value in (logs or {}).items()}
        tests = self.experiment.test()
        tests = dict.fromkeys(tests, math.nan) if self.diverged else tests
        row |= tests
        if logs is not None:
            logs.update(tests)  # for callbacks behind this one, as the tests of `fit` would be
        self.folder.append(self.folder.history, [row])
        self.progress.epoch(row, self.experiment.scenario.task.epochs)

    @property
    def _is_last(self) -> bool:
        """Training ends here."""
        return self.rounds >= self.planned or self.interruption.requested

    def stopped(self) -> None:
        """Training raised at gradients that are not finite: the epoch ends there."""
        self.flush()
        self.diverged = True
        self.on_epoch_end(self._epoch, self.model.get_metrics_result())

    # ---- parts ----

    def flush(self, logs: Any = None) -> None:
        """Write the rows of the rounds that passed since the last time."""
        rows = self.experiment.model.round_trace(self.rounds)
        self._flushed, self._flushed_batch = time.perf_counter(), self._batch
        if not rows:
            return
        self.folder.append(self.folder.rounds, rows)
        self.rounds = int(rows[-1]["round"]) + 1
        if not all(math.isfinite(row["loss"]) for row in rows):
            self.diverged = True
            self.model.stop_training = True
        live = rows[-1] | {k: float(v) for k, v in (logs or {}).items() if k not in rows[-1]}
        self.progress.round(live, self.planned, self._seconds_left())

    def link_means(self) -> dict[str, float]:
        """The diagnostics over the run: means, maxima, and ratios in dB of summed energies."""
        return self._link.means()

    def _seconds_left(self) -> float:
        seconds, counted = self.training_s, self.counted_rounds
        if self._timed_from is not None:
            seconds += time.perf_counter() - self._timed_from[0]
            counted += self._batch - self._timed_from[1]
        return (self.planned - self.rounds) * seconds / counted if counted else math.nan

    # ---- checkpoints ----

    def _is_due(self, now: float | None = None) -> bool:
        waited = (now or time.perf_counter()) - self._kept
        return waited >= max(
            self.experiment.scenario.task.checkpoint_s, LEAST_REST * self._keeping_s
        )

    def _keep(self, epoch: int, sums: list[Any]) -> None:
        """Write a checkpoint: `epoch` epochs have ended, the logs of the next are of `sums`."""
        began = time.perf_counter()
        state = {
            "epoch": epoch,
            "rounds": self.rounds,
            "sums": sums,
            "wall_s": self.wall_s,
            "training_s": self.training_s,
            "counted_rounds": self.counted_rounds,
            "link_totals": self._link.totals(),
        }
        self.folder.keep(state, self.experiment.save)
        self._kept = time.perf_counter()
        self._keeping_s = self._kept - began
