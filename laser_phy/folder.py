"""The folder a run is written to: what is in it, and whether a run may begin or go on there.

scenario.yaml   the resolved scenario
history.csv     a row an epoch: all logs
rounds.csv      a row a round: loss and the link's diagnostics
summary.json    what came out
checkpoints/    state.json, and the weights it names
"""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from laser_phy.problems import Refusal, dotted, shown
from laser_phy.scenario import Scenario, ScenarioError, load_scenario, to_yaml


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
    def snapshot(self) -> Path:
        return self.path / "snapshot.npz"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    # ---- what is there ----

    def read_summary(self) -> dict[str, Any] | None:
        """The summary, None where no run ended here."""
        return _read_json(self.summary)

    def read_state(self) -> dict[str, Any] | None:
        """The state at the last epoch, None where no epoch ended here."""
        state = _read_json(self.checkpoints / "state.json")
        complete = state is not None and (self.checkpoints / state["weights"]).is_file()
        return state if complete else None

    def prepare(self, scenario: Scenario) -> None:
        """Make the folder, unless it belongs to something else.

        Raises:
            FolderError: a file, a folder that cannot be written, or another scenario's run.
        """
        try:
            if self.path.exists() and not self.path.is_dir():
                raise FolderError(f"--out {self.path}: is a file; give a folder.")
            if self.scenario.exists():
                self._refuse_another(scenario)
            self.checkpoints.mkdir(parents=True, exist_ok=True)
            write_whole(self.scenario, to_yaml(scenario))
        except OSError as error:
            raise FolderError(f"--out {self.path}: cannot be written: {error.strerror}.") from None

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

    # ---- tables ----

    def forget_after(self, epoch: int, rounds: int) -> None:
        """Keep what happened before `epoch` and `rounds`: the state to go on from."""
        self.summary.unlink(missing_ok=True)
        _trim(self.history, lambda row: int(row["epoch"]) < epoch)
        _trim(self.rounds, lambda row: int(row["round"]) < rounds)

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
        if not rows:
            return
        fresh = not table.is_file()
        with table.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
            if fresh:
                writer.writeheader()
            writer.writerows(rows)

    # ---- state ----

    def write_state(self, state: Mapping[str, Any], save_weights: Callable[[str], Any]) -> None:
        """Save weights, then the state that names them, then forget the ones before."""
        name = f"epoch_{state['epoch']:05d}.weights.h5"
        save_weights(str(self.checkpoints / name))
        write_whole(
            self.checkpoints / "state.json", json.dumps(dict(state, weights=name), indent=1)
        )
        for old in self.checkpoints.glob("epoch_*.weights.h5"):
            if old.name != name:
                old.unlink()


def write_whole(path: Path, text: str) -> None:
    """Write a file so that readers see the old one or the new one, never a part."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)


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


def _trim(table: Path, keep: Callable[[dict[str, str]], bool]) -> None:
    if not table.is_file():
        return
    with table.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        columns = reader.fieldnames or []
        rows = [row for row in reader if None not in row.values() and keep(row)]
    lines = [",".join(columns), *(",".join(row[c] for c in columns) for row in rows)]
    write_whole(table, "\n".join(lines) + "\n")
