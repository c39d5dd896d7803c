"""What a run says while it goes: a line an epoch, and on a terminal one live line between them."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from laser_phy.core.numbers import clock, metric


class Progress:
    """Lines for people. Piped to a file there is no live line, and nothing is coloured.

    Args:
        console: where to; standard output by default.
        quiet: say nothing.
    """

    def __init__(self, console: Console | None = None, quiet: bool = False) -> None:
        self.console = console or Console(quiet=quiet, highlight=False, soft_wrap=True)
        self._live: Live | None = None

    def __enter__(self) -> Self:
        if self.console.is_terminal and not self.console.quiet:
            self._live = Live(console=self.console, transient=True, auto_refresh=False)
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def say(self, text: str = "") -> None:
        """One line, as it is."""
        self.console.print(text, markup=False)

    def paragraph(self, text: str) -> None:
        """Prose, folded to the width of the terminal."""
        self.say(textwrap.fill(text, min(self.console.width, 100), break_on_hyphens=False))

    def table(self, table: Table) -> None:
        """A table of rich's."""
        self.console.print(table)

    def epoch(self, row: Mapping[str, float], epochs: int) -> None:
        """The line of an epoch that ended."""
        tests = [
            f"{label} {metric(key, row[key])}"
            for key, label in test_columns(row).items()
            if key in row
        ]
        parts = [
            f"epoch {int(row['epoch']) + 1:{len(str(epochs))}d}/{epochs}",
            f"round {int(row['rounds'])}",
            f"loss {row['loss']:.3f}",
            *tests,
            *_link(row),
        ]
        self.say("  ".join(parts))

    def round(self, row: Mapping[str, float], planned: int, seconds_left: float) -> None:
        """The live line, after some round; what matters most first, as terminals cut it off."""
        if self._live is None:
            return
        parts = [
            f"round {int(row['round']) + 1}/{planned}",
            f"{clock(seconds_left)} left",
            f"loss {row['loss']:.3f}",
            *([f"accuracy {100 * row['accuracy']:.1f} %"] if "accuracy" in row else []),
            *(part.replace("uplink ", "").replace("gradient ", "") for part in _link(row)),
        ]
        self._live.update(Text("  ".join(parts), style="cyan", no_wrap=True), refresh=True)


def test_columns(row: Mapping[str, float]) -> dict[str, str]:
    """Columns of the history that a line shows besides the loss, and what they are called there."""
    metrics = [key for key in row if key.startswith("val_") and key != "val_loss"] or ["val_loss"]
    names: dict[str, str] = {}
    for key in metrics:
        metric = key.removeprefix("val_")
        names |= {metric: metric} if metric != "loss" else {}
        names |= {key: f"test {metric}", f"ema_{key}": "ema"}
    return names


def _link(row: Mapping[str, float]) -> list[str]:
    return [
        f"{label} {row[key]:.1f} dB"
        for key, label in (
            ("uplink_snr_db", "uplink SNR"),
            ("gradient_nmse_db", "gradient NMSE"),
        )
        if key in row
    ]
