"""Time and disk of a sweep, from one short run of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from laser_phy.folder import RunFolder
from laser_phy.scenario import Scenario

TRIAL_ROUNDS = 32
_LONGEST_TRIAL = 200
_TEST_S = 0.3
"""Seconds that a later test of the weights is taken to last: the trial saw only a traced one."""


@dataclass(frozen=True)
class Estimate:
    """What one run costs."""

    run_s: float
    bytes: float

    def sweep_s(self, runs: float, slots: int) -> float:
        """Seconds for so many runs, side by side on `slots`."""
        return math.ceil(runs / slots) * self.run_s


def trial_rounds(scenario: Scenario) -> int:
    """Rounds of the short run: an epoch if that is short, so that the run can go on from there."""
    task = scenario.task
    examples = task.dataset.train_examples_known
    if examples is not None:
        epoch = task.partition.smallest_shard(examples, task.workers) // task.batch_size
        if 0 < epoch <= _LONGEST_TRIAL:
            return int(epoch)
    return TRIAL_ROUNDS


def from_trial(
    folder: RunFolder, epochs: int, wall_s: float, rounds: int | None
) -> Estimate | None:
    """What a whole run costs, from a short one that took `wall_s`; None if it failed.

    Args:
        folder: of the short run.
        epochs: of a whole run.
        wall_s: from starting its process to its end.
        rounds: where runs are cut short, after how many.
    """
    summary = folder.read_summary()
    if summary is None:
        return None
    done = summary["rounds"]
    planned = min(rounds or math.inf, summary["rounds_planned"])
    speed = summary["rounds_per_s"] or done / summary["wall_s"]
    factor = planned / done
    run_s = wall_s + (planned - done) / speed + (epochs - 1) * _TEST_S
    grown = _size(folder.rounds) * (factor - 1) + _size(folder.history) * max(0, epochs - 1) / 2
    return Estimate(run_s, sum(map(_size, folder.path.rglob("*"))) + grown)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def in_bytes(count: float) -> str:
    """Bytes as people read them."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            break
        count /= 1000
        if unit == "GB":
            return f"{count:.1f} TB"
    return f"{count:.0f} {unit}" if count >= 10 or unit == "bytes" else f"{count:.1f} {unit}"
