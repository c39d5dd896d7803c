"""Pictures of what callbacks saw: panels of lines over rounds or epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple


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
    # Not pyplot: it has state of its own, and looks for a screen.
    import matplotlib.style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if not rows:
        raise ValueError("there is nothing to draw: no rows yet. Train first.")
    panels = [panel for panel in panels if any(name in rows[0] for name in panel.columns)]
    path.parent.mkdir(parents=True, exist_ok=True)
    with matplotlib.style.context("tableau-colorblind10"):
        figure = Figure(figsize=(4.6 * len(panels), 3.4), layout="constrained")
        FigureCanvasAgg(figure)
        for axis, panel in zip(
            figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True
        ):
            for number, name in enumerate(panel.columns):
                if name in rows[0]:
                    over = [row[key] for row in rows]
                    dashes = ("-", "--", "-.", ":")[number % 4]
                    axis.plot(over, [row[name] for row in rows], dashes, lw=1.3, label=name)
            axis.set_xlabel(key)
            axis.set_ylabel(panel.label)
            axis.grid(alpha=0.25)
            axis.spines[["top", "right"]].set_visible(False)
            axis.legend(frameon=False, fontsize=8)
        figure.savefig(path, dpi=110)
    return path
