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
from matplotlib.figure import Figure

from laser_phy.core.figures import COLOURS, new_figure, plain
from laser_phy.experiments.run.run_folder import FolderError

DASHES = ("-", "--", "-.", ":")
MARKS = ("o", "s", "^", "D", "v", "P", "X")
_LOG_FROM = 8.0
_LEAST_REM, _LARGEST_REM = 4.4, 8.0
"""Of an inch on a page: its letters of 10 points are then 10 to 18 pixels high."""


@dataclass(frozen=True)
class Picture:
    """A figure, what it shows in one line, and what it says in words for who cannot see it."""

    name: str
    title: str
    caption: str
    alt: str
    figure: Figure

    @property
    def widths_rem(self) -> tuple[float, float]:
        """The least and the largest width on a page, in letters' heights: on a phone a wide figure
        scrolls rather than shrinks, and a small one does not fill a screen.
        """
        inches = self.figure.get_figwidth()
        return round(_LEAST_REM * inches, 1), round(_LARGEST_REM * inches, 1)

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


def canvas(panels: int = 1, width: float = 5.0, height: float = 3.6) -> tuple[Figure, list[Any]]:
    """A figure and its panels, two beside each other."""
    columns = min(panels, 2)
    rows = -(-panels // columns)
    figure = new_figure(width * columns, height * rows)
    axes = list(figure.subplots(rows, columns, squeeze=False, sharey=True).flat)
    for axis in axes[panels:]:
        axis.remove()
    for axis in axes[:panels]:
        plain(axis)
    return figure, axes[:panels]


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


def legend(figure: Figure, axis: Any) -> None:
    """Below the figure, where it hides no line, for the lines of one of its panels."""
    handles, labels = axis.get_legend_handles_labels()
    if len(labels) < 2:
        return
    columns = _legend_columns(labels, figure.get_figwidth())
    rows = -(-len(labels) // columns)
    figure.set_figheight(figure.get_figheight() + 0.2 * rows)
    figure.legend(
        handles, labels, loc="outside lower center", ncols=columns, frameon=False, fontsize=8
    )


def _legend_columns(labels: Sequence[str], width: float) -> int:
    """As many as fit, of the longest label: a letter is 0.065 inches wide, a line and gap 0.6."""
    longest = max(map(len, labels))
    return max(1, min(len(labels), int(width / (0.065 * longest + 0.6))))


def label_rows(plots: Sequence[Any], label: str) -> None:
    """The label of the axis up, at the first panel of every row of two."""
    for plot in plots[::2]:
        plot.set_ylabel(label)
