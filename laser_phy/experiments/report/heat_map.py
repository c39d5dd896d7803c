"""The map of a score over two axes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from laser_phy.experiments.report.drawing import Picture, canvas, label_rows, sentence
from laser_phy.experiments.report.study import Study
from laser_phy.experiments.report.words import score, seeds, tick, told

MOST_PANELS = 4
SCHEME = "scheme"
"""What stands up where only one axis is a number."""

Panel = tuple[str, pd.DataFrame]
Said = list[tuple[str, list[tuple[str, float]]]]


def heat_map(study: Study) -> Picture:
    """Mean score over two axes: two with numbers if there are, else one of them and the schemes."""
    across = study.numeric[0] if study.numeric else study.named[0]
    down, panels = _panels(study, across)
    drawn = panels[:MOST_PANELS]
    rows = max(part[down].nunique() for _, part in panels)
    figure, plots = canvas(len(drawn), height=1.3 + 0.42 * max(rows, 3))
    scores = study.runs["score"] * study.scale
    said: Said = []
    for plot, (title, part) in zip(plots, drawn, strict=True):
        grid = part.pivot_table(index=down, columns=across, values="score", sort=down != SCHEME)
        grid = grid[sorted(grid.columns)] * study.scale
        image = _draw(plot, grid, scores.min(), scores.max(), study, upright=down != SCHEME)
        plot.set_title(title, fontsize=10)
        plot.set_xlabel(study.label(across))
        for row in grid.index:
            name = f"{title} {'' if down == SCHEME else study.key(down)} {tick(row)}".strip()
            said.append((name, [(tick(x), float(y)) for x, y in grid.loc[row].items()]))
    label_rows(plots, "" if down == SCHEME else study.label(down))
    figure.colorbar(image, ax=plots, label=study.metric_label)
    other = SCHEME if down == SCHEME else study.title_of(down)
    return Picture(
        "metric_map",
        sentence(f"{study.metric_name} over {study.title_of(across)} and {other}"),
        f"{seeds(study)}{_left_out(study, across, down, len(panels))}",
        told(f"Map of the {study.metric_label}", said, study.unit),
        figure,
    )


def _panels(study: Study, across: str) -> tuple[str, list[Panel]]:
    """The axis that stands up, and a part of the runs for every panel."""
    runs = study.runs.copy()
    if len(study.numeric) >= 2:
        groups = list(study.groups(runs, study.named))
        return study.numeric[1], [(g.name if len(groups) > 1 else "", g.runs) for g in groups]
    lines = study.lines(across)
    names = pd.concat([pd.Series(line.name, index=line.runs.index) for line in lines])
    return SCHEME, [("", runs.loc[names.index].assign(scheme=names))]


def _draw(
    plot: Any, grid: pd.DataFrame, low: float, high: float, study: Study, upright: bool
) -> Any:
    """One panel."""
    origin = "lower" if upright else "upper"
    image = plot.imshow(grid, aspect="auto", origin=origin, vmin=low, vmax=high)
    plot.grid(visible=False)
    plot.set_xticks(range(len(grid.columns)), [tick(value) for value in grid.columns])
    plot.set_yticks(range(len(grid.index)), [tick(value) for value in grid.index])
    _numbers(plot, grid, (low + high) / 2, study)
    return image


def _left_out(study: Study, across: str, down: str, panels: int) -> str:
    """What the scores are means over, and how many schemes are not drawn."""
    rest = [c for c in (*study.numeric, *study.named) if c not in (across, down)]
    more = [study.key(c) for c in rest if c not in study.named]
    over = f" Mean over {', '.join(more)}." if more else ""
    left = f" {MOST_PANELS} of {panels} schemes are drawn." if panels > MOST_PANELS else ""
    return over + left


def _numbers(plot: Any, grid: pd.DataFrame, middle: float, study: Study) -> None:
    for i, row in enumerate(grid.to_numpy(dtype=float)):
        for j, value in enumerate(row):
            if np.isfinite(value):
                colour = "black" if value > middle else "white"
                text = score(value, study)
                plot.text(j, i, text, ha="center", va="center", color=colour, size=8)
