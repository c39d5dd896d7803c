"""The folder a run is written to: what is in it, and whether a run may begin or go on there.

scenario.yaml   the resolved scenario
history.csv     a row an epoch: all logs
rounds.csv      a row a round: loss and the link's diagnostics
summary.json    what came out
kinds.json      of users, where there are some: which, and the hash of the file they are of
checkpoints/    the last two, to go on from: laser_phy.experiments.run.checkpoints
"""

from __future__ import annotations

import csv
import errno
import json
import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from laser_phy.core import files
from laser_phy.core.errors import Refusal, dotted, shown
from laser_phy.core.files import DiskError, parts, sync, write_whole, writing
from laser_phy.core.plugins import changed, used_by
from laser_phy.experiments.run.checkpoints import Checkpoint, Checkpoints
from laser_phy.experiments.scenario import Scenario, ScenarioError, load_scenario, to_yaml


class FolderError(Refusal):
    """A folder that cannot take this run; the message says what to do instead."""


@dataclass(frozen=True)
class RunFolder:
    """Names and formats of a run's files. Whole files appear at once or not at all."""

    path: Path

    @property
    def scenario(self) -> Path:
        return self.path / "scenario.yaml"

    @property
    def kinds(self) -> Path:
        return self.path / "kinds.json"

    @property
    def history(self) -> Path:
        return self.path / "history.csv"

    @property
    def rounds(self) -> Path:
        return self.path / "rounds.csv"

    @property
    def summary(self) -> Path:
        return self.path / "summary.json"

    @property
    def overview(self) -> Path:
        return self.path / "overview.png"

    @property
    def split(self) -> Path:
        return self.path / "split.png"

    @property
    def sample(self) -> Path:
        return self.path / "sample.txt"

    @property
    def tensorboard(self) -> Path:
        return self.path / "tensorboard"

    @property
    def snapshot(self) -> Path:
        return self.path / "snapshot.npz"

    @property
    def checkpoints(self) -> Checkpoints:
        return Checkpoints(self.path / "checkpoints")

    # ---- what is there ----

    def read_summary(self) -> dict[str, Any] | None:
        """The summary, None where no run ended here."""
        return _read_json(self.summary)

    def checkpoint(self, say: Callable[[str], Any]) -> Checkpoint | None:
        """The checkpoint to go on from, None where there is none that is whole.

        Args:
            say: told of damaged ones.
        """
        return self.checkpoints.newest(say, self._lacks)

    def make(self) -> None:
        """Make the folder.

        Raises:
            FolderError: a file, or a folder that cannot be written.
            DiskError: it is full.
        """
        try:
            if self.path.exists() and not self.path.is_dir():
                raise FolderError(f"--out {self.path}: is a file; give a folder.")
            self.checkpoints.folder.mkdir(parents=True, exist_ok=True)
            if not os.access(self.path, os.W_OK):
                raise OSError(errno.EROFS, "no permission, or a disk that is read-only")
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            raise (DiskError if full else FolderError)(
                f"--out {self.path}: cannot be written: {error.strerror}. Give another folder."
            ) from None

    def prepare(self, scenario: Scenario) -> None:
        """Write the scenario into the folder, unless it belongs to something else.

        Raises:
            FolderError: another scenario's run is there.
            DiskError: it cannot be written.
        """
        kinds = used_by(scenario)
        if self.scenario.exists():
            self._refuse_another(scenario)
            self._refuse_other_kinds(kinds)
        for part in parts(self.path):
            part.unlink(missing_ok=True)
        with writing(self.scenario):
            if kinds:
                write_whole(self.kinds, json.dumps(kinds, indent=2) + "\n")
            write_whole(self.scenario, to_yaml(scenario))

    def _refuse_another(self, scenario: Scenario) -> None:
        try:
            there = load_scenario(self.scenario)
        except ScenarioError as error:
            raise FolderError(
                f"--out {self.path}: holds a run whose scenario cannot be read ({error}). "
                "Give another folder, or remove this one."
            ) from None
        changes = differences(there.to_config(), scenario.to_config())
        if changes:
            raise FolderError(
                f"--out {self.path}: holds a run of another scenario ({'; '.join(changes[:3])}"
                f"{'; ...' if len(changes) > 3 else ''}). Give another folder with --out, or "
                "remove this one."
            )

    def _refuse_other_kinds(self, kinds: list[dict[str, str | None]]) -> None:
        """The same kinds that do not ship, or the numbers would be those of two programs."""
        try:
            before = json.loads(self.kinds.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            raise FolderError(
                f"{self.kinds}: cannot be read ({error}). Give another folder with --out, or "
                "remove this one."
            ) from None
        if problem := changed(before, kinds):
            raise FolderError(
                f"--out {self.path}: was begun with {problem}. Bring it back as it was, or give "
                "another folder with --out, or remove this one."
            )

    # ---- tables ----

    def forget_after(self, epoch: int, rounds: int) -> None:
        """Keep what happened before `epoch` and `rounds`: the state to go on from."""
        self.summary.unlink(missing_ok=True)
        for table, key, end in ((self.history, "epoch", epoch), (self.rounds, "round", rounds)):
            with writing(table):
                files.keep_rows(table, partial(_is_below, key, end))

    def _lacks(self, state: Mapping[str, Any]) -> str:
        """What the tables lack of what a checkpoint has seen; empty for nothing."""
        numbers = ((self.history, "epoch", "epoch"), (self.rounds, "round", "rounds"))
        for table, key, passed in numbers:
            seen = [_number(row[key]) for row in files.whole_rows(table)]
            if [number for number in seen if number < state[passed]] != [*range(state[passed])]:
                return f"{table.name} lacks rows of what it has seen"
        return ""

    def read_rows(self, table: Path) -> list[dict[str, float]]:
        """The rows of a table, numbers as numbers."""
        if not table.is_file():
            return []
        with table.open(newline="", encoding="utf-8") as file:
            return [
                {k: float(v) if v else math.nan for k, v in r.items()} for r in csv.DictReader(file)
            ]

    def append(self, table: Path, rows: Sequence[Mapping[str, float]]) -> None:
        """Add rows; the first ones give the columns."""
        with writing(table):
            files.append_rows(table, rows)

    def keep(self, state: Mapping[str, Any], save: Callable[[Path], Any]) -> None:
        """Write a checkpoint, after the rows that it has seen.

        Args:
            state: with `epoch` and `rounds` that have passed, and what else is needed to go on.
            save: writes the model's variables to the file it is given.
        """
        for table in (self.history, self.rounds):
            if table.is_file():
                with writing(table):
                    sync(table)
        self.checkpoints.write(state, save)


def finite(value: Any) -> Any:
    """The value with null for every number that is not finite, as JSON has none of those."""
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def differences(there: Any, here: Any, path: tuple[str, ...] = ()) -> list[str]:
    """What differs between two scenarios, in words; texts for people do not count."""
    if isinstance(there, dict) and isinstance(here, dict):
        keys = [key for key in there | here if path or key not in ("description", "expected")]
        missing = object()
        return [
            text
            for key in keys
            for text in differences(there.get(key, missing), here.get(key, missing), (*path, key))
        ]
    if there == here:
        return []
    old, new = (shown(v) if type(v) is not object else "nothing" for v in (there, here))
    return [f"{dotted(path)} is {old} there and {new} now"]


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _is_below(key: str, end: int, row: Mapping[str, str]) -> bool:
    return _number(row[key]) < end


def _number(text: str) -> int:
    """Of an epoch or a round; of garbage one that never comes."""
    return int(text) if text.isdigit() else sys.maxsize
