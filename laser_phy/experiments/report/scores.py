"""The score of every scheme at every power: mean and spread over seeds."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from laser_phy.experiments.report.study import SEED, Study
from laser_phy.experiments.sweep.run_names import in_short


@dataclass(frozen=True)
class ScoreTable:
    """A row a scheme, a column a power.

    Attributes:
        corner: what the columns are.
        columns: powers.
        rows: cells by scheme, empty where there is no run.
        note: what a cell is.
    """

    corner: str
    columns: list[str]
    rows: dict[str, list[str]]
    note: str

    def in_lines(self) -> list[str]:
        """The table for a terminal, columns below each other."""
        table = [[self.corner, *self.columns], *[[n, *cells] for n, cells in self.rows.items()]]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = [
            "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip()
            for row in table
        ]
        return [*lines, self.note]


def score_table(study: Study) -> ScoreTable | None:
    """The table; None where no power was varied."""
    if study.power is None:
        return None
    powers = sorted(study.runs[study.power].unique())
    rows = {
        line.name: [_cell(study, line.runs[line.runs[study.power] == p]) for p in powers]
        for line in study.schemes(study.power)
    }
    parts = [study.metric_label[0].upper() + study.metric_label[1:]]
    if study.seeds > 1:
        parts.append(f"mean and standard deviation over the seeds of a cell, at most {study.seeds}")
    if study.tuned:
        keys = ", ".join(study.title_of(column) for column in study.tuned)
        parts.append(f"in brackets the best {keys}")
    columns = [f"{power:g}" for power in powers]
    return ScoreTable(study.label(study.power), columns, rows, "; ".join(parts) + ".")


def _cell(study: Study, runs: pd.DataFrame) -> str:
    if runs.empty:
        return ""
    digits = 1 if study.unit else 3
    scores = runs["score"] * study.scale
    text = f"{scores.mean():.{digits}f}"
    if SEED in runs and runs[SEED].nunique() > 1:
        text += f" ± {scores.std(ddof=1):.{digits}f}"
    if study.tuned:
        best = (in_short(runs[column].iloc[0]) for column in study.tuned)
        text += f" ({', '.join(best)})"
    return text
