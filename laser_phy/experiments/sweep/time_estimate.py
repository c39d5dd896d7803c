"""Time and disk of a sweep, from one short run of it."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path

from laser_phy.experiments.run.run_folder import RunFolder
from laser_phy.experiments.scenario import Scenario

TRIAL_ROUNDS = 32
_LONGEST_TRIAL = 200
_EPOCHS = 2


@dataclass(frozen=True)
class Estimate:
    """What one run costs."""

    run_s: float
    bytes: float

    def sweep_s(self, runs: float, slots: int) -> float:
        """Seconds for so many runs, side by side on `slots`."""
        return math.ceil(runs / slots) * self.run_s


def trial_rounds(scenario: Scenario) -> int:
    """Rounds of the short run: two epochs if they are short, and the run can go on from there."""
    task = scenario.task
    examples = task.dataset.train_examples_known
    if examples is not None:
        epoch = int(task.partition.smallest_shard(examples, task.workers) // task.batch_size)
        if 0 < epoch <= _LONGEST_TRIAL:
            return epoch * min(_EPOCHS, task.epochs)
    return TRIAL_ROUNDS


class Trial:
    """A short run, watched: how long the second epoch takes, which has no tracing in it."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self._first: float | None = None
        self._second: float | None = None

    def look(self) -> None:
        """To be called often while it runs."""
        if self._second is None and self.folder.history.is_file():
            epochs = self.folder.history.read_bytes().count(b"\n") - 1
            if epochs >= 1 and self._first is None:
                self._first = time.monotonic()
            elif epochs >= 2:
                self._second = time.monotonic()

    def estimate(self, seconds: float, rounds: int | None) -> Estimate | None:
        """What a whole run costs; None if the short one failed.

        Args:
            seconds: of the short run, from starting its process to its end.
            rounds: where runs are cut short, after how many.
        """
        summary = self.folder.read_summary()
        if summary is None:
            return None
        done, planned = summary["rounds"], summary["rounds_planned"]
        planned = min(rounds or planned, planned)
        if self._first is not None and self._second is not None:
            ends = [row["rounds"] for row in self.folder.read_rows(self.folder.history)]
            a_round = (self._second - self._first) / (ends[1] - ends[0])
        else:
            a_round = 1 / (summary["rounds_per_s"] or done / summary["wall_s"])
        rows = _size(self.folder.rounds) + _size(self.folder.history)
        size = sum(map(_size, self.folder.path.rglob("*"))) + rows * (planned / done - 1)
        return Estimate(seconds + (planned - done) * a_round, size)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
