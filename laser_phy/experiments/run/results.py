"""What a run left behind, back in Python."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from laser_phy.experiments.run.run_folder import FolderError, RunFolder
from laser_phy.experiments.scenario import Scenario, load_scenario


@dataclass(frozen=True)
class Run:
    """A run's folder, read.

    Attributes:
        path: the folder.
        scenario: resolved, every default filled in.
        summary: what `summary.json` has.
        history: a row an epoch, all logs.
        rounds: a row a round, loss and the link's diagnostics.
    """

    path: Path
    scenario: Scenario
    summary: dict[str, Any] = field(repr=False)
    history: pd.DataFrame = field(repr=False)
    rounds: pd.DataFrame = field(repr=False)


def load_run(path: str | Path) -> Run:
    """Read the folder of a run.

    Raises:
        FolderError: no run ended there.
    """
    folder = RunFolder(Path(path))
    summary = folder.read_summary()
    if not folder.path.is_dir():
        raise FolderError(f"{path}: there is no such folder.")
    if summary is None:
        what = "holds a run that has not ended" if folder.scenario.exists() else "holds no run"
        raise FolderError(f"{path}: {what}: there is no {folder.summary.name}.")
    return Run(
        folder.path,
        load_scenario(folder.scenario),
        summary,
        _table(folder.history),
        _table(folder.rounds),
    )


def _table(path: Path) -> pd.DataFrame:
    return pd.read_csv(path) if path.is_file() else pd.DataFrame()
