"""The power that it takes to reach a target, and how the schemes compare in it.

Between two powers of the sweep the mean score over seeds is interpolated, linearly in the logarithm
of the energy (in dB where the axis is in dB). Outside there is a bound and no number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from laser_phy.core.errors import Refusal
from laser_phy.experiments.report.study import SEED, Scheme, Study
from laser_phy.experiments.sweep.run_names import in_short

_LEVELS = (30, 40, 50, 60, 70, 75, 80, 85, 88, 90, 92, 94, 95, 96, 97, 98, 99)
_MOST = 5


@dataclass(frozen=True)
class RequiredPower:
    """The power a scheme needs: `value`, or at most or more than that where it is a bound."""

    value: float
    bound: str = ""

    def text(self, unit: str) -> str:
        sign = f"{self.bound} " if self.bound else ""
        return f"{sign}{self.value:.3g}{unit}"


@dataclass(frozen=True)
class TargetRow:
    """What every scheme needs for one target.

    Attributes:
        target: of the metric, in its own scale.
        needs: by scheme.
        ratios: to the scheme that needs least, in words.
    """

    target: float
    needs: dict[str, RequiredPower]
    ratios: dict[str, str]


def power_to_reach(study: Study, targets: Sequence[float] = ()) -> list[TargetRow]:
    """A row a target; none where no power was varied.

    Args:
        study: of the sweep.
        targets: of the metric in its own scale (0.9 for 90 %); chosen from the scores if empty.

    Raises:
        Refusal: targets were given and no power was varied.
    """
    if study.power is None:
        if targets:
            raise Refusal(
                "--target needs a sweep over uplink.power.energy_per_round or uplink.power.snr_db; "
                f"{study.title} varies {', '.join(study.sweep.settings)}."
            )
        return []
    curves = {line.name: mean_curve(line, study.power) for line in study.schemes(study.power)}
    chosen = list(targets) or _targets(study, list(curves.values()))
    return [_row(study, target, curves) for target in chosen]


def mean_curve(line: Scheme, axis: str) -> pd.Series:
    """Mean score over seeds by the value of the axis, in rising order."""
    return line.runs.groupby(axis)["score"].mean().sort_index()


def need(curve: pd.Series, target: float, higher: bool, decibel: bool) -> RequiredPower:
    """Where a curve first reaches the target."""
    powers = curve.index.to_numpy(dtype=float)
    scores = curve.to_numpy(dtype=float)
    reached = scores >= target if higher else scores <= target
    if not reached.any():
        return RequiredPower(float(powers[-1]), ">")
    first = int(np.argmax(reached))
    if first == 0:
        return RequiredPower(float(powers[0]), "≤")
    x = powers if decibel else np.log(powers)
    share = (target - scores[first - 1]) / (scores[first] - scores[first - 1])
    at = x[first - 1] + share * (x[first] - x[first - 1])
    return RequiredPower(float(at if decibel else np.exp(at)))


def _row(study: Study, target: float, curves: dict[str, pd.Series]) -> TargetRow:
    decibel = study.power == "uplink.power.snr_db"
    needs = {
        name: need(curve, target, study.higher_is_better, decibel) for name, curve in curves.items()
    }
    least = min(needs.values(), key=lambda one: (one.bound == ">", one.value))
    return TargetRow(target, needs, {n: _ratio(one, least, decibel) for n, one in needs.items()})


def _ratio(one: RequiredPower, least: RequiredPower, decibel: bool) -> str:
    if one is least and one.bound != ">":
        return "1"
    if least.bound == ">" or (one.bound == "≤" and least.bound == "≤"):
        return "?"
    if one.bound == ">" and one.value <= least.value:  # it was not run at the power of the least
        return "?"
    ratio = 10 ** ((one.value - least.value) / 10) if decibel else one.value / least.value
    sign = "" if not one.bound and not least.bound else "> "
    if one.bound == "≤":
        sign = "≤ "
    return f"{sign}{ratio:.3g}"


def _targets(study: Study, curves: Sequence[pd.Series]) -> list[float]:
    """Levels between the worst and the best score, those first that several schemes reach."""
    values = np.concatenate([curve.to_numpy(dtype=float) for curve in curves])
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    if not low < high:
        return []
    if study.unit:
        levels = [level / study.scale for level in _LEVELS]
    else:
        grid = np.geomspace(low, high, 12) if low > 0 else np.linspace(low, high, 12)
        levels = [float(f"{level:.2g}") for level in grid]
    inside = [level for level in dict.fromkeys(levels) if low < level <= high]
    several = [level for level in inside if _reach(study, curves, level) > 1]
    chosen = several[-_MOST:] or inside[-_MOST:]
    hardest = [level for level in inside if level not in several]
    if study.higher_is_better and hardest and len(chosen) < _MOST:
        chosen += hardest[: _MOST - len(chosen)]
    return sorted(chosen, reverse=not study.higher_is_better)


def _reach(study: Study, curves: Sequence[pd.Series], level: float) -> int:
    better = max if study.higher_is_better else min
    best = [better(curve.dropna(), default=math.nan) for curve in curves]
    return sum(one >= level if study.higher_is_better else one <= level for one in best)


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
