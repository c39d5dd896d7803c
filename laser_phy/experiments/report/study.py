"""What a sweep's runs say: the score of each, and which settings are axes, schemes and seeds.

A setting with several numbers is an axis of figures; one with several names, such as the
compressor, tells schemes apart; the seed is what a band is drawn over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd
from pandas.api.types import is_numeric_dtype

from laser_phy.core.errors import Refusal
from laser_phy.core.metric_names import higher_is_better, is_share
from laser_phy.experiments.report.units import UNITS, name_and_unit, without_unit
from laser_phy.experiments.sweep.results import RUN, STATUS, SWEEP, Sweep
from laser_phy.experiments.sweep.run_names import in_short, short_keys
from laser_phy.experiments.sweep.sweep_folder import FINISHED
from laser_phy.experiments.sweep_axes import LABEL

Score = Literal["final", "best", "ema_final", "ema_best"]
SEED = "seed"
POWERS = ("uplink.power.energy_per_round", "uplink.power.snr_db")
_PLAIN = (LABEL, "uplink.compressor", "uplink.channel", "task.model", "task.dataset")
MOST_LINES = 12


@dataclass(frozen=True)
class Scheme:
    """Runs that differ in an axis and the seed alone."""

    name: str
    runs: pd.DataFrame


@dataclass(frozen=True)
class Study:
    """A sweep as figures see it.

    Attributes:
        runs: a row a run that has a score, in the column `score`.
        epochs: a row a run and epoch.
        metric: name of the test metric.
        score: which of its values counts.
        numeric: axes with numbers, the power first.
        named: settings that tell schemes apart.
        left_out: runs that are not drawn, by why.
        tuned: settings of which every scheme has its best value, and which are no axes for that.
    """

    sweep: Sweep
    runs: pd.DataFrame
    epochs: pd.DataFrame
    metric: str
    score: Score
    numeric: tuple[str, ...]
    named: tuple[str, ...]
    left_out: dict[str, int]
    tuned: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return " and ".join(dict.fromkeys(scenario.name for scenario in self.sweep.scenarios))

    @property
    def power(self) -> str | None:
        """The axis that is a power, if there is one."""
        return next((axis for axis in self.numeric if axis in POWERS), None)

    @property
    def higher_is_better(self) -> bool:
        return higher_is_better(self.metric)

    @property
    def scale(self) -> float:
        return 100.0 if is_share(self.metric) else 1.0

    @property
    def unit(self) -> str:
        return " %" if is_share(self.metric) else ""

    @property
    def metric_label(self) -> str:
        name = self.metric.removeprefix("val_").replace("_", " ")
        mean = " of the running mean" if self.score.startswith("ema_") else ""
        best = ", best epoch" if self.score.endswith("best") else ""
        return f"test {name}{mean}{best}{' (%)' if self.unit else ''}"

    @property
    def varying(self) -> tuple[str, ...]:
        """What tells the runs apart, once each: a label stands for its settings."""
        seed = (SEED,) if self.seeds > 1 else ()
        return (*self.named, *self.numeric, *seed)

    @property
    def seeds(self) -> int:
        return int(self.runs[SEED].nunique()) if SEED in self.runs else 1

    def remarks(self) -> list[str]:
        """What a reader must know about the runs before reading the figures."""
        said = []
        if self.left_out:
            parts = ", ".join(f"{count} {why}" for why, count in self.left_out.items())
            said.append(f"Not drawn: {parts}.")
        diverged = int((self.runs[STATUS] == "diverged").sum())
        if diverged:
            said.append(f"{diverged} diverged, and count with their score after that.")
        return said

    @property
    def metric_name(self) -> str:
        """The label without its unit, for titles."""
        return without_unit(self.metric_label)

    def label(self, column: str) -> str:
        """The name of an axis, with its unit."""
        key = column.split(".")[-1]
        return UNITS.get(key, self.key(column).replace("_", " "))

    def title_of(self, column: str) -> str:
        """The name of an axis without its unit, for titles."""
        return without_unit(self.label(column))

    def key(self, column: str) -> str:
        return short_keys([c for c in self.sweep.settings if c != LABEL]).get(column, column)

    def name(self, values: dict[str, object]) -> str:
        """What a line is called: `laser rank 4, transmitter none`."""
        return ", ".join(self.said(column, value) for column, value in values.items()) or self.title

    def said(self, column: str, value: object) -> str:
        """A setting and its value: `speed 30 m/s`, or `laser rank 4` where that says it."""
        if _is_plain(column):
            return in_short(value).replace("_", " ")
        name, unit = name_and_unit(self.key(column))
        return f"{name} {in_short(value).replace('_', ' ')} {unit}".rstrip()

    def heading(self, column: str) -> str:
        """A setting as a table names it: `speed (m/s)`."""
        name, unit = name_and_unit(self.key(column))
        return f"{name} ({unit})" if unit else name

    def schemes(self, axis: str | None = None, table: pd.DataFrame | None = None) -> list[Scheme]:
        """The runs by everything but `axis` and seed, in the order of the sweep."""
        runs = self.runs if table is None else table
        others = [column for column in self.numeric if column != axis]
        return list(self.groups(runs, [*self.named, *others]))

    def lines(self, axis: str | None = None, table: pd.DataFrame | None = None) -> list[Scheme]:
        """The schemes that a figure has room for: where there are too many, other axes are thinned
        out to three values, and then the first ones count (`missing_lines` says so).
        """
        runs = self.runs if table is None else table
        lines = self.schemes(axis, runs)
        if len(lines) > MOST_LINES:
            for column in (column for column in self.numeric if column != axis):
                runs = runs[runs[column].isin(spread(sorted(runs[column].dropna().unique()), 3))]
            lines = self.schemes(axis, runs)
        return lines[:MOST_LINES]

    def missing_lines(self, axis: str | None = None) -> str:
        """A sentence about schemes that a figure has no room for; empty where all are drawn."""
        drawn, count = len(self.lines(axis)), len(self.schemes(axis))
        return f" {drawn} of {count} schemes are drawn." if drawn < count else ""

    def groups(self, runs: pd.DataFrame, columns: Sequence[str]) -> Iterator[Scheme]:
        """Runs that agree in the columns, in the order of the sweep."""
        if not columns:
            yield Scheme(self.title, runs)
            return
        for values, group in runs.groupby(list(columns), sort=False, dropna=False):
            known = {
                column: value
                for column, value in zip(columns, values, strict=True)
                if not pd.isna(value)
            }
            yield Scheme(self.name(known), group)


def study_of(sweep: Sweep, score: Score = "final", tune: Sequence[str] = ()) -> Study:
    """What there is to draw.

    Args:
        sweep: read back.
        score: which value of the test metric counts.
        tune: settings of which every scheme gets its best value, by its mean score over seeds.

    Raises:
        Refusal: no run has a score yet, runs have scores of different kinds, or a setting to
            tune that does not vary.
    """
    runs = sweep.runs.copy()
    ended = runs[STATUS].isin(FINISHED)
    known = ended & (runs[score].notna() if score in runs else False)
    if not known.any():
        paths = " and ".join(str(path) for path in sweep.paths)
        why = "its runs have no {score} value" if ended.any() else "no run of it has ended"
        raise Refusal(f"{paths}: there is nothing to draw: {why.format(score=score)}.")
    runs["score"] = runs.get(score)
    chosen = runs[known].reset_index(drop=True)
    metrics = sorted(chosen["metric"].unique())
    if len(metrics) > 1:
        raise Refusal(
            f"the runs have different test metrics ({', '.join(metrics)}), which cannot be drawn "
            "in one figure; report sweeps of one metric together."
        )
    for column in tune:
        chosen = _tuned(chosen, column, sweep.settings)
    numeric, named = _axes(chosen, [c for c in sweep.settings if c not in tune])
    epochs = sweep.results.merge(chosen[[SWEEP, RUN]], on=[SWEEP, RUN])
    return Study(
        sweep,
        chosen,
        epochs,
        str(chosen["metric"].iloc[0]),
        score,
        numeric,
        named,
        _left_out(runs, known, ended),
        tuple(tune),
    )


def _left_out(runs: pd.DataFrame, known: pd.Series, ended: pd.Series) -> dict[str, int]:
    why = runs[STATUS].where(~ended, "without a score")[~known]
    return {str(status): int(count) for status, count in why.value_counts().items()}


def _is_plain(column: str) -> bool:
    return column in _PLAIN or column.endswith(".name")


def _tuned(runs: pd.DataFrame, column: str, settings: Sequence[str]) -> pd.DataFrame:
    """The runs that have the value of `column` which is best for their other settings."""
    if column not in settings:
        raise Refusal(
            f"--tune {column}: does not vary in this sweep. What varies: {', '.join(settings)}."
        )
    others = [c for c in settings if c not in (column, SEED)]
    better = "idxmax" if higher_is_better(str(runs["metric"].iloc[0])) else "idxmin"
    means = runs.groupby([*others, column], dropna=False)["score"].mean().reset_index()
    best = means.groupby(others, dropna=False)["score"].agg(better) if others else None
    rows = [means["score"].agg(better)] if best is None else list(best)
    return runs.merge(means.loc[rows, [*others, column]], on=[*others, column], how="inner")


def spread(values: Sequence[float], most: int) -> list[float]:
    """At most so many of the values, the first and the last among them."""
    if len(values) <= most:
        return list(values)
    return [values[round(i * (len(values) - 1) / (most - 1))] for i in range(most)]


def _axes(runs: pd.DataFrame, settings: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Columns with several numbers, and those with several names, none told by another one."""
    varying = [c for c in settings if c != SEED and runs[c].nunique(dropna=False) > 1]
    kept: list[str] = []
    for column in varying:
        if not any(_tells(runs, other, column) for other in kept):
            kept.append(column)
    numeric = [c for c in kept if is_numeric_dtype(runs[c]) and runs[c].notna().all()]
    numeric.sort(key=lambda column: column not in POWERS)
    return tuple(numeric), tuple(c for c in kept if c not in numeric)


def _tells(runs: pd.DataFrame, one: str, other: str) -> bool:
    """Whether the value of `one` fixes that of `other`."""
    return bool((runs.groupby(one, dropna=False)[other].nunique(dropna=False) <= 1).all())
