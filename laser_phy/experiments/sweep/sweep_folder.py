"""The folder a sweep is written to, and what it says about each run there.

sweep.yaml        the scenario with its axes, as it was written
runs/NAME/        a folder a run, as `laser-phy run` writes it, and output.log
sweep.json        what came out: runs by status, and why some failed
results.parquet   a row a run and epoch; the same in results.csv
report.html       and figures/: see `laser-phy report`
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from laser_phy.core import yaml_source as source
from laser_phy.core.files import write_whole
from laser_phy.experiments.run.run_folder import FolderError, RunFolder, differences
from laser_phy.experiments.scenario import Scenario, ScenarioError, load_scenario
from laser_phy.experiments.sweep.plan import Plan, PlannedRun, written

FINISHED = ("done", "diverged")
UNFINISHED, FAILED = "unfinished", "failed"
ROUNDS = "rounds"
"""Key of `sweep.json`: after how many rounds the last call stops every run, null for none."""


@dataclass(frozen=True)
class SweepFolder:
    """Names of a sweep's files."""

    path: Path

    @property
    def scenario(self) -> Path:
        return self.path / "sweep.yaml"

    @property
    def summary(self) -> Path:
        return self.path / "sweep.json"

    @property
    def parquet(self) -> Path:
        return self.path / "results.parquet"

    @property
    def csv(self) -> Path:
        return self.path / "results.csv"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    @property
    def figures(self) -> Path:
        return self.path / "figures"

    def run(self, planned: PlannedRun) -> RunFolder:
        """The folder of one run."""
        return RunFolder(self.path / "runs" / planned.name)

    def make(self) -> None:
        """Make the folder.

        Raises:
            FolderError: a file, the folder of a single run, or a place that cannot be written.
        """
        try:
            if self.path.exists() and not self.path.is_dir():
                raise FolderError(f"--out {self.path}: is a file; give a folder.")
            if RunFolder(self.path).scenario.exists():
                raise FolderError(
                    f"--out {self.path}: holds a single run; give a sweep another folder with "
                    "--out."
                )
            (self.path / "runs").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FolderError(f"--out {self.path}: cannot be written: {error.strerror}.") from None

    def prepare(self, plan: Plan) -> None:
        """Write the scenario, and make a folder for every run, to be called under the lock.

        Raises:
            FolderError: the folder holds the sweep of another scenario.
        """
        self._refuse_another(plan.scenario)
        write_whole(self.scenario, source.write(written(plan.scenario)))
        for planned in plan.runs:
            run = self.run(planned)
            run.make()
            run.prepare(planned.scenario)

    def read_scenario(self) -> Scenario:
        """The scenario that was swept here.

        Raises:
            FolderError: there is none.
        """
        if not self.path.is_dir():
            raise FolderError(f"{self.path}: there is no such folder.")
        if not self.scenario.is_file():
            raise FolderError(f"{self.path}: holds no sweep: there is no {self.scenario.name}.")
        return load_scenario(self.scenario)

    def read_summary(self) -> dict[str, Any]:
        """What `sweep.json` has; empty where the sweep was cut short."""
        with contextlib.suppress(OSError, ValueError):
            return dict(json.loads(self.summary.read_text(encoding="utf-8")))
        return {}

    def status(self, planned: PlannedRun, summary: Mapping[str, Any]) -> str:
        """Of a run, as `status_of`; `failed` where the summary says that it was given up."""
        status = status_of(self.run(planned), summary.get(ROUNDS))
        given_up = status == UNFINISHED and planned.name in summary.get(FAILED, {})
        return FAILED if given_up else status

    def write_summary(self, values: Mapping[str, Any]) -> None:
        write_whole(self.summary, json.dumps(values, indent=2) + "\n")

    def _refuse_another(self, scenario: Scenario) -> None:
        if not self.scenario.exists():
            return
        try:
            there = load_scenario(self.scenario).to_config() | {"sweep": {}}
        except ScenarioError as error:
            raise FolderError(
                f"--out {self.path}: holds a sweep whose scenario cannot be read ({error}). Give "
                "another folder, or remove this one."
            ) from None
        changes = differences(there, scenario.to_config() | {"sweep": {}})
        if changes:  # other axes are fine: runs that were done before are not done again
            raise FolderError(
                f"--out {self.path}: holds the sweep of another scenario "
                f"({'; '.join(changes[:3])}{'; ...' if len(changes) > 3 else ''}). Give another "
                "folder with --out, or remove this one."
            )


def finished(folder: RunFolder, rounds: int | None = None) -> bool:
    """Whether there is nothing left to do for a run: it diverged, or has all its rounds."""
    summary = folder.read_summary()
    if summary is None or summary["status"] not in FINISHED:
        return False
    planned = summary["rounds_planned"]
    wanted = planned if rounds is None else min(rounds, planned)
    return bool(summary["status"] == "diverged" or summary["rounds"] >= wanted)


def status_of(folder: RunFolder, rounds: int | None = None) -> str:
    """`done`, `diverged` or `interrupted` as the summary has it; `unfinished` where there is none,
    or one of a part of the run, such as the short one that tells how long the others take.
    """
    summary = folder.read_summary()
    if summary is None or (summary["status"] == "done" and not finished(folder, rounds)):
        return UNFINISHED
    return str(summary["status"])
