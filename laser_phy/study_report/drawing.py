"""How figures of studies look: lines told apart by colour, dashes and marks; PNG and SVG."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from laser_phy.folder import FolderError

# Okabe and Ito's colours, told apart by every kind of colour vision.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#777777")
DASHES = ("-", "--", "-.", ":")
MARKS = ("o", "s", "^", "D", "v", "P", "X")
_LOG_FROM = 8.0


@dataclass(frozen=True)
class Picture:
    """A figure, what it shows in one line, and what it says in words for who cannot see it."""

    name: str
    title: str
    caption: str
    alt: str
    figure: Figure

    @property
    def width_rem(self) -> int:
        """What it takes to be read, in letters' heights: on a phone a wide figure scrolls."""
        return round(2.6 * self.figure.get_figwidth())

    @cached_property
    def svg(self) -> str:
        """As SVG text, the same for the same numbers."""
        self._lay_out()
        stream = io.StringIO()
        with rc_context({"svg.hashsalt": self.name}):
            self.figure.savefig(stream, format="svg", metadata={"Date": None})
        return stream.getvalue()

    def _lay_out(self) -> None:
        """Once: it costs more than drawing, and would come out the same."""
        if self.figure.get_layout_engine() is not None:
            self.figure.draw_without_rendering()
            self.figure.set_layout_engine("none")

    def write(self, folder: Path) -> None:
        """`NAME.png` and `NAME.svg`, for papers.

        Raises:
            FolderError: the folder cannot be written.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{self.name}.svg").write_text(self.svg, encoding="utf-8")
            self.figure.savefig(folder / f"{self.name}.png", dpi=160)
        except OSError as error:
            raise FolderError(f"{folder}: cannot be written: {error.strerror}.") from None


def canvas(rows: int = 1, columns: int = 1, width: float = 6.4, height: float = 4.2) -> Any:
    """A figure and its axes, flat. Not pyplot: it has state of its own, and looks for a screen."""
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for axis in axes.flat:
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    return figure, list(axes.flat)


def style(index: int) -> dict[str, Any]:
    """Of the line with this number."""
    turn = index // len(COLOURS)
    return {
        "color": COLOURS[index % len(COLOURS)],
        "linestyle": DASHES[(index + 2 * turn) % len(DASHES)],
        "marker": MARKS[(index + 3 * turn) % len(MARKS)],
        "markersize": 4.5,
        "linewidth": 1.6,
    }


def sentence(text: str) -> str:
    """With a capital at its beginning."""
    return text[:1].upper() + text[1:]


def band(axis: Any, index: int, x: Any, low: Any, high: Any) -> None:
    """From the smallest to the largest over seeds."""
    axis.fill_between(x, low, high, color=COLOURS[index % len(COLOURS)], alpha=0.15, linewidth=0)


def scale_x(axis: Any, column: str, values: Sequence[float]) -> None:
    """Logarithmic where the values span much, with the values themselves as marks."""
    numbers = np.unique(np.asarray(list(values), dtype=float))
    linear = len(numbers) < 2 or numbers[0] <= 0 or column.endswith("_db")
    if not linear and numbers[-1] / numbers[0] >= _LOG_FROM:
        axis.set_xscale("log")
    if 1 < len(numbers) <= 8:
        axis.set_xticks(numbers, [f"{number:g}" for number in numbers])
        axis.minorticks_off()


def legend(axis: Any, count: int) -> None:
    """Beside the lines, smaller where there are many."""
    if count > 1:
        axis.legend(frameon=False, fontsize=8 if count < 7 else 6.5)
