"""What a sweep says while it goes: a line a run as it starts and ends, and one for the whole.

On a terminal the runs in progress and the whole are live lines below those that passed. Piped to a
file they are ordinary lines, the one for the whole after every run and every minute.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Group
from rich.text import Text

from laser_phy.core.numbers import clock
from laser_phy.core.numbers import metric as metric_text
from laser_phy.experiments.run.console import Progress, test_columns
from laser_phy.experiments.run.run_folder import RunFolder

_EVERY_S = 60.0


@dataclass(frozen=True)
class RunProgress:
    """How far a run is, from its files."""

    epoch: int
    metric: str

    @staticmethod
    def of(folder: RunFolder) -> RunProgress:
        """From the last whole line of the history."""
        try:
            rows = folder.read_rows(folder.history)
        except (OSError, ValueError, TypeError):  # a line that is being written
            rows = []
        if not rows:
            return RunProgress(0, "")
        row = rows[-1]
        tests = [
            f"{label} {metric_text(key, row[key])}"
            for key, label in test_columns(row).items()
            if key in row and label != key
        ]
        return RunProgress(int(row["epoch"]) + 1, "  ".join(tests))


class SweepConsole(Progress):
    """The lines of a sweep of `total` runs."""

    total = 0
    _whole_at = -math.inf
    _begun = 0

    def plan_table(
        self, columns: Sequence[str], rows: Sequence[Mapping[str, str]], most: int = 20
    ) -> None:
        """What varies: a row a run, the first ones where there are many."""
        shown = [dict(zip(columns, columns, strict=True)), *rows[:most]]
        widths = {column: max(len(row[column]) for row in shown) for column in columns}
        for row in shown:
            self.say("  " + "  ".join(f"{row[c]:{widths[c]}}" for c in columns).rstrip())
        if len(rows) > most:
            self.say(f"... and {len(rows) - most} more.")

    def started(self, name: str) -> None:
        self._begun += 1
        self.say(f"{'started':12} {name}")

    def ended(self, name: str, what: str, folder: RunFolder, took_s: float, note: str = "") -> None:
        parts = [f"{what:12} {name}", RunProgress.of(folder).metric, clock(took_s), note]
        self.say("  ".join(part for part in parts if part))

    def whole(
        self, done: int, running: Mapping[str, tuple[RunProgress, int]], waiting: int, left_s: float
    ) -> None:
        """The line for the whole: live on a terminal, else at most once a minute."""
        line = (
            f"{done} of {self.total} runs done, {len(running)} running, {waiting} waiting; "
            f"{clock(left_s)} left"
        )
        if self._live is not None:
            lines = [
                f"  {name}  epoch {glimpse.epoch}/{epochs}  {glimpse.metric}"
                for name, (glimpse, epochs) in running.items()
            ]
            texts = [Text(text, style="cyan", no_wrap=True) for text in [*lines, line]]
            self._live.update(Group(*texts), refresh=True)
        elif time.monotonic() - self._whole_at >= _EVERY_S:
            self._whole_at = time.monotonic()
            self.say(line)

    def soon(self) -> None:
        """Say the line for the whole the next time, as something changed."""
        self._whole_at = -math.inf
