"""The runs of a sweep, each with a scenario of its own that was checked before anything starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from laser_phy.core import yaml_source as source
from laser_phy.core.errors import Refusal
from laser_phy.core.plugins import homeless, used_by
from laser_phy.core.settings import SettingsError
from laser_phy.experiments.scenario import Scenario
from laser_phy.experiments.sweep.run_names import cell_names, in_short
from laser_phy.experiments.sweep_axes import LABEL, Cell, cells_of, count_of, ordered

MOST_RUNS = 10_000
_SHOWN = 5


@dataclass(frozen=True)
class PlannedRun:
    """A run of the sweep.

    Attributes:
        name: of its folder.
        scenario: checked, without axes, every default filled in.
        written: its settings as they were written, without defaults.
        label: of its point, empty where it has none.
        labelled: paths of the settings that the label stands for.
    """

    name: str
    scenario: Scenario
    written: Any
    label: str = ""
    labelled: frozenset[str] = frozenset()

    def value(self, path: str) -> Any:
        """The setting at `path`, groups in short (`laser rank 4`), None where there is none."""
        keys = path.split(".")
        as_written: Any = self.written
        resolved: Any = self.scenario
        for key in keys:
            as_written = as_written.get(key) if isinstance(as_written, Mapping) else None
            resolved = getattr(resolved, key, None)
        if isinstance(resolved, BaseModel) and as_written is None:
            as_written = _named(resolved)
        value = resolved if as_written is None else as_written
        return in_short(value) if isinstance(value, list | tuple | Mapping) else value


@dataclass(frozen=True)
class Plan:
    """Every run of a sweep, and the paths of the settings that vary."""

    scenario: Scenario
    runs: tuple[PlannedRun, ...]
    paths: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """What tells the runs apart: a label where points have one, then the settings."""
        labelled = any(run.label for run in self.runs)
        return ((LABEL,) if labelled else ()) + self.paths

    @property
    def shown_paths(self) -> tuple[str, ...]:
        """The columns without what a label stands for."""
        stands_for = {path for run in self.runs for path in run.labelled}
        return tuple(column for column in self.columns if column not in stands_for)

    def values(self, run: PlannedRun, paths: tuple[str, ...] | None = None) -> dict[str, Any]:
        """The columns of one run."""
        columns = self.columns if paths is None else paths
        return {c: run.label if c == LABEL else run.value(c) for c in columns}


def plan_of(scenario: Scenario) -> Plan:
    """Every combination of the scenario's axes, as checked scenarios.

    Raises:
        Refusal: nothing varies, there are too many runs, or a combination makes no sense.
    """
    if not scenario.sweep:
        raise Refusal(
            f"{scenario.name}: has no sweep; write what to vary, for example "
            "`sweep: {uplink.power.energy_per_round: [25, 100, 400], seed: [1, 2, 3]}`, or use "
            "laser-phy run."
        )
    count = count_of(scenario.sweep)  # before they are made, which may be more than fit in memory
    if count > MOST_RUNS:
        raise Refusal(
            f"sweep must have at most {MOST_RUNS:,} runs; its axes give {count:,}. Take "
            "values off, or list the combinations you want under `points`."
        )
    cells = cells_of(scenario.sweep)
    whole, short = scenario.to_config() | {"sweep": {}}, written(scenario)
    runs, refused = [], []
    for cell, name in zip(cells, cell_names(cells), strict=True):
        try:
            settings = Scenario.from_config(_changed(whole, cell))
            runs.append(
                PlannedRun(name, settings, _changed(short, cell), cell.label, cell.labelled)
            )
        except (SettingsError, source.SourceError) as error:
            refused.append(f"sweep: the combination {name} cannot be run: {_sentence(error)}")
    if refused:
        rest = [f"... and {len(refused) - _SHOWN} more."] if len(refused) > _SHOWN else []
        hint = "List the combinations you want under `points`, or move settings together in `zip`."
        raise Refusal("\n".join([*refused[:_SHOWN], *rest, hint]))
    return Plan(scenario, tuple(runs), _paths(cells))


def written(settings: BaseModel) -> dict[str, Any]:
    """What was written of the settings, defaults left out: the shortest that says the same."""
    return settings.model_dump(mode="json", exclude_unset=True)


def _changed(tree: Any, cell: Cell) -> Any:
    for path, value in ordered(cell.changes):
        tree = source.replaced(tree, tuple(path.split(".")), value, f"sweep.{path}")
    return tree


def _named(settings: BaseModel) -> dict[str, Any]:
    name = getattr(settings, "name", None)
    return ({"name": name} if name else {}) | settings.model_dump(exclude_defaults=True)


def _sentence(error: Refusal) -> str:
    return str(error).removeprefix("Scenario: ").replace("\nScenario: ", " ")


def _paths(cells: list[Cell]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(path for cell in cells for path in cell.changes))


def refuse_homeless(plan: Plan) -> None:
    """Refuse kinds that the runs, each a process of its own, would not find.

    Raises:
        Refusal: names one that this process alone knows.
    """
    for planned in plan.runs:
        if kind := homeless(used_by(planned.scenario)):
            raise Refusal(
                f"{kind} is known to this process alone, and every run of a sweep is a process of "
                "its own. Put its class into a file, and call laser_phy.load_plugin(FILE) before."
            )
