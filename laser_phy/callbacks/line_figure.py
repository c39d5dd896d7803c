"""Pictures of what callbacks saw: panels of lines over rounds or epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from laser_phy.core.figures import new_figure

COLUMNS = 3
MOST = 1000.0  # times the least that an axis shows evenly


class Panel(NamedTuple):
    """One set of axes: a label with its unit, and the columns that are drawn, where there are."""

    label: str
    columns: tuple[str, ...]


def draw(
    path: Path, rows: Sequence[Mapping[str, float]], key: str, panels: Sequence[Panel]
) -> Path:
    """Draw columns of `rows` over the column `key`; panels without any are left out.

    Raises:
        ValueError: there is nothing to draw.
    """
    import matplotlib.style

    if not rows:
        raise ValueError("there is nothing to draw: no rows yet. Train first.")
    panels = [panel for panel in panels if any(name in rows[0] for name in panel.columns)]
    columns = min(len(panels), COLUMNS)
    lines = -(-len(panels) // columns)
    path.parent.mkdir(parents=True, exist_ok=True)
    with matplotlib.style.context("tableau-colorblind10"):
        figure = new_figure(4.4 * columns, 3.2 * lines)
        axes = figure.subplots(lines, columns, squeeze=False).ravel()
        for axis, panel in zip(axes, panels, strict=False):
            _draw_panel(axis, rows, key, panel)
        for axis in axes[len(panels) :]:
            axis.set_visible(False)
        figure.savefig(path, dpi=110)
    return path


def _draw_panel(axis: Any, rows: Sequence[Mapping[str, float]], key: str, panel: Panel) -> None:
    over = [row[key] for row in rows]
    values: list[float] = []
    for number, name in enumerate(panel.columns):
        if name in rows[0]:
            line = [row[name] for row in rows]
            axis.plot(over, line, ("-", "--", "-.", ":")[number % 4], lw=1.4, label=name)
            values += [value for value in line if value > 0]
    if "(dB)" not in panel.label and values and max(values) > MOST * min(values):
        axis.set_yscale("log")
    axis.set_xlabel(key)
    axis.set_ylabel(panel.label)
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, fontsize=8)
