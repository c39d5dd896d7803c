"""Keeps a run's files while Keras trains: rows, tests, checkpoints, and what is said meanwhile."""

from __future__ import annotations

import math
import time
from typing import Any

import keras
import numpy as np

from laser_phy.assembly import Assembly
from laser_phy.diagnostics import MAXIMA, RATIOS_DB, ratio_db
from laser_phy.folder import RunFolder
from laser_phy.progress import Progress

FLUSH_ROUNDS = 128  # half of what the model remembers
FLUSH_SECONDS = 0.5


class Recorder(keras.callbacks.Callback):
    """Writes `rounds.csv` as rounds pass, and `history.csv` and a checkpoint as epochs end.

    Tests are run here and not by `fit`: the means of the link over the epoch are read before, and
    the running mean of the weights is tested beside the weights.

    Args:
        assembly: what is trained.
        folder: where the files go.
        progress: where lines for people go.
        planned: rounds until the run ends.
        state: what the last checkpoint remembers, to go on from.
    """

    def __init__(
        self,
        assembly: Assembly,
        folder: RunFolder,
        progress: Progress,
        planned: int,
        state: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        state = state or {}
        self.assembly, self.folder, self.progress = assembly, folder, progress
        self.planned = planned
        self.diverged = False
        self.rounds = int(state.get("rounds", 0))
        self.training_s = float(state.get("training_s", 0.0))
        self.counted_rounds = int(state.get("counted_rounds", 0))
        self._link_totals: dict[str, float] = dict(state.get("link_totals", {}))
        self._earlier_s = float(state.get("wall_s", 0.0))
        self._began = time.perf_counter()
        self._traced = False
        self._timed_from: tuple[float, int] | None = None  # seconds, rounds of the epoch by then
        self._flushed = 0.0
        self._batch = 0
        self._flushed_batch = 0

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
        self._batch = self._flushed_batch = 0
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

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.flush(logs)
        if self._timed_from is not None:
            self.training_s += time.perf_counter() - self._timed_from[0]
            self.counted_rounds += self._batch - self._timed_from[1]
        self._add_link_totals()
        row: dict[str, float] = {"epoch": epoch, "rounds": self.rounds}
        row |= {name: float(value) for name, value in (logs or {}).items()}
        row |= self.assembly.test()
        self.folder.append(self.folder.history, [row])
        if self.rounds == (epoch + 1) * self.assembly.rounds_per_epoch and not self.diverged:
            self._checkpoint(epoch + 1)
        self.progress.epoch(row, self.assembly.scenario.task.epochs)
        self.model.reset_metrics()

    # ---- parts ----

    def flush(self, logs: Any = None) -> None:
        """Write the rows of the rounds that passed since the last time."""
        rows = self.assembly.model.round_trace(self.rounds)
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
        totals = self._link_totals
        rounds = totals.get("rounds", 0.0)
        if not rounds:
            return {}
        means = {}
        for name in self.assembly.model.link_metrics.names:
            if name in RATIOS_DB:
                numerator, denominator = (totals[energy] for energy in RATIOS_DB[name])
                means[name] = float(ratio_db(np.float64(numerator), denominator))
            else:
                means[name] = totals[f"max_{name}"] if name in MAXIMA else totals[name] / rounds
        return means

    def interrupted(self) -> None:
        """Keep the rounds of an epoch that was cut short."""
        self.flush()
        self._add_link_totals()

    def _seconds_left(self) -> float:
        seconds, counted = self.training_s, self.counted_rounds
        if self._timed_from is not None:
            seconds += time.perf_counter() - self._timed_from[0]
            counted += self._batch - self._timed_from[1]
        return (self.planned - self.rounds) * seconds / counted if counted else math.nan

    def _add_link_totals(self) -> None:
        metrics = self.assembly.model.link_metrics
        names = metrics.names + metrics.energies
        sums = dict(zip(names, np.asarray(metrics.sums).tolist(), strict=True))
        sums["rounds"] = float(np.asarray(metrics.rounds))
        for name, value in sums.items():
            self._link_totals[name] = self._link_totals.get(name, 0.0) + value
        for name, value in zip(MAXIMA, np.asarray(metrics.maxima).tolist(), strict=True):
            key = f"max_{name}"
            self._link_totals[key] = max(self._link_totals.get(key, 0.0), value)

    def _checkpoint(self, epoch: int) -> None:
        state = {
            "epoch": epoch,
            "rounds": self.rounds,
            "wall_s": self.wall_s,
            "training_s": self.training_s,
            "counted_rounds": self.counted_rounds,
            "link_totals": self._link_totals,
        }
        self.folder.write_state(state, self.assembly.model.save_weights)
