"""What a sweep left behind: one tidy table, a row a run and epoch, back in Python."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from laser_phy.core.files import replace_whole, writing
from laser_phy.core.numbers import clock
from laser_phy.experiments.run.run_folder import RunFolder
from laser_phy.experiments.scenario import Scenario
from laser_phy.experiments.sweep.joining import columns_of, refuse_twice, titles
from laser_phy.experiments.sweep.plan import Plan, PlannedRun, plan_of
from laser_phy.experiments.sweep.run_names import in_short
from laser_phy.experiments.sweep.sweep_folder import SweepFolder
from laser_phy.experiments.sweep_axes import LABEL

RUN, SWEEP, STATUS = "run", "sweep", "status"


@dataclass(frozen=True)
class Sweep:
    """A sweep's folder, or several of them joined, read.

    Attributes:
        paths: the folders.
        scenarios: of each folder, with its axes.
        settings: the columns of what varies, as the tables have them.
        results: a row a run and epoch: `sweep`, `run`, `status`, the settings, all logs.
        runs: a row a run: the same columns, the last and the best test metric, the link's means.
        summaries: what each folder's `sweep.json` has.
    """

    paths: tuple[Path, ...]
    scenarios: tuple[Scenario, ...]
    settings: tuple[str, ...]
    results: pd.DataFrame = field(repr=False)
    runs: pd.DataFrame = field(repr=False)
    summaries: tuple[dict[str, Any], ...] = field(repr=False)

    @property
    def failed(self) -> dict[str, str]:
        """Why runs failed in the end, by name."""
        return {name: why for s in self.summaries for name, why in s.get("failed", {}).items()}

    def in_words(self) -> list[str]:
        """What came out, and where it is."""
        counts = self.runs[STATUS].value_counts()
        states = ", ".join(f"{count} {state}" for state, count in counts.items())
        wall = sum(summary.get("wall_s", 0.0) for summary in self.summaries)
        lines = [f"{len(self.runs)} runs: {states}; {clock(wall)} (min:s) in the last call."]
        lines += [f"FAILED {name}: {why}" for name, why in self.failed.items()]
        for path in self.paths:
            lines.append(f"Table: {SweepFolder(path).parquet} and {SweepFolder(path).csv.name}")
            lines.append(f"Figures and a page to read: laser-phy report {shlex.quote(str(path))}")
        return lines


def load_sweep(path: str | Path, *more: str | Path) -> Sweep:
    """Read the folder of a sweep; with several folders, their runs in one table.

    What varies in one and is fixed in another has the fixed value there, and what is fixed in each
    but differs between them varies too. What is in the folder counts, also while the sweep goes on.

    Raises:
        FolderError: no sweep was written there, or a folder is given twice.
    """
    folders = [SweepFolder(Path(one)) for one in (path, *more)]
    refuse_twice(folders)
    scenarios = [folder.read_scenario() for folder in folders]
    plans = [plan_of(scenario) for scenario in scenarios]
    columns = columns_of(plans)
    parts = list(zip(plans, folders, titles(plans, folders), strict=True))
    return Sweep(
        paths=tuple(folder.path for folder in folders),
        scenarios=tuple(scenarios),
        settings=columns,
        results=_joined([gather(p, f, columns, t) for p, f, t in parts], columns),
        runs=_joined([_run_rows(p, f, columns, t) for p, f, t in parts], columns),
        summaries=tuple(folder.read_summary() for folder in folders),
    )


def gather(
    plan: Plan, folder: SweepFolder, columns: Sequence[str] | None = None, title: str | None = None
) -> pd.DataFrame:
    """The history of every run under one header, in the order of the plan."""
    columns = plan.columns if columns is None else columns
    frames, summary = [], folder.read_summary()
    for planned in plan.runs:
        run = folder.run(planned)
        if not run.history.is_file():
            continue
        history = _history(run)
        known = _known(planned, columns, title or plan.scenario.name)
        known |= {STATUS: folder.status(planned, summary)}
        front = pd.DataFrame([known] * len(history), index=history.index)
        frames.append(pd.concat([front[_front(columns)], history], axis=1))
    table = (
        pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=_front(columns))
    )
    return _typed(table, columns)


def write_tables(table: pd.DataFrame, folder: SweepFolder) -> None:
    """`results.parquet` and `results.csv`, each whole or not at all.

    Raises:
        DiskError: the folder cannot be written, or the disk is full.
    """
    for path, write in (
        (folder.parquet, lambda part: table.to_parquet(part, index=False)),
        (folder.csv, lambda part: table.to_csv(part, index=False)),
    ):
        with writing(path):
            replace_whole(path, write)


def _joined(tables: Sequence[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    return _typed(pd.concat(tables, ignore_index=True), columns)


def _run_rows(plan: Plan, folder: SweepFolder, columns: Sequence[str], title: str) -> pd.DataFrame:
    rows, whole = [], folder.read_summary()
    for planned in plan.runs:
        run = folder.run(planned)
        row = _known(planned, columns, title) | {STATUS: folder.status(planned, whole)}
        summary = run.read_summary()
        if summary is not None:
            metric = summary["metric"]
            row |= {"metric": metric["name"], "final": metric["final"], "best": metric["best"]}
            row |= {f"ema_{key}": value for key, value in (metric.get("ema") or {}).items()}
            row |= {k: summary[k] for k in ("rounds", "energy_budget", "wall_s", "rounds_per_s")}
            row |= summary["uplink"] | summary["downlink"]
        rows.append(row)
    return _typed(pd.DataFrame(rows), columns)


def _history(run: RunFolder) -> pd.DataFrame:
    # Not pandas' reader, which gives other last digits than were written.
    history = pd.DataFrame(run.read_rows(run.history))
    return history.astype({"epoch": int, "rounds": int}) if len(history) else history


def _known(planned: PlannedRun, columns: Sequence[str], title: str) -> dict[str, Any]:
    values = {c: planned.label if c == LABEL else planned.value(c) for c in columns}
    return {SWEEP: title, RUN: planned.name, **values}


def _front(columns: Sequence[str]) -> list[str]:
    return [SWEEP, RUN, *columns, STATUS]


def _typed(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Settings as numbers where all of them are, else as text; both formats can hold that."""
    for column in columns:
        values = table[column]
        numbers = [isinstance(v, int | float) and not isinstance(v, bool) for v in values.dropna()]
        if not all(numbers):
            table[column] = [None if _missing(v) else in_short(v) for v in values]
    return table


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and value != value)
