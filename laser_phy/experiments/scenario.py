"""A scenario: everything a run depends on, from a YAML file or in Python.

Importing this file, and reading and checking a scenario, imports neither TensorFlow nor Sionna.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib import resources
from pathlib import Path as FilePath
from typing import Any, Self

from pydantic import ValidationError, field_validator, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from laser_phy.core import yaml_source as source
from laser_phy.core.error_messages import problems_of
from laser_phy.core.errors import Path, Refusal, nearest, place_of, shown
from laser_phy.core.plugins import adopt
from laser_phy.core.settings import Settings, plain, setting
from laser_phy.core.yaml_source import Source, SourceError
from laser_phy.downlink.settings import DownlinkSettings, IdealDownlink
from laser_phy.experiments.sweep_axes import AxesError, Changes, axes_of, ordered
from laser_phy.experiments.task import Task
from laser_phy.uplink.settings import UplinkSettings

_MAX_BYTES = 1_000_000


class ScenarioError(Refusal):
    """A scenario that cannot be run; one line a problem, each with file and line."""


class Scenario(Settings):
    """Everything a run depends on. Only `task` and `uplink` have parts without a default."""

    name: str = "scenario"
    """Name of the scenario, and of the folder its runs are written to."""
    description: str = ""
    """One line that says what the scenario is for."""
    expected: str = ""
    """Time and memory to expect and where; said before a run begins."""
    seed: int = setting(0, ge=0, le=2**31 - 1)
    """The one source of randomness."""
    task: Task = setting(example="{dataset: {name: digits}, model: {name: resnet18}}")
    """What is learnt, by whom, and with which optimizer."""
    uplink: UplinkSettings = setting(example="{compressor: {name: laser, rank: 4}}")
    """From the workers to the server."""
    downlink: DownlinkSettings = setting(IdealDownlink())
    """From the server to the workers."""
    sweep: dict[str, tuple[Any, ...]] = setting({})
    """Values to try, by the path of a setting; every combination is one run. `zip` holds groups of
    settings that move together, `points` a list of points with settings of their own."""

    @field_validator("name")
    @classmethod
    def _names_a_folder(cls, name: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
            raise ValueError(
                "name must be at most 100 letters, digits, '.', '_' and '-', as it names a folder; "
                f"got {shown(name)}."
            )
        return name

    @model_validator(mode="after")
    def _sweep_is_valid(self) -> Self:
        faults = []
        if self.sweep:
            adopt(self)  # of kinds that were given in Python, values are read by name below
        base = self.to_config() | {"sweep": {}} if self.sweep else {}
        try:
            axes = axes_of(self.sweep)
        except AxesError as error:
            axes = []
            faults.append(_fault(("sweep", *error.path), error.sentence, self.sweep))
        for point in (point for axis in axes for point in axis.points):
            sentence = _objection(base, point.changes)
            if sentence:
                faults.append(_fault(("sweep", *point.where), sentence, point.changes))
        if faults:
            raise ValidationError.from_exception_data("Scenario", faults)
        return self


def load_scenario(name: str | FilePath, overrides: Iterable[str] = ()) -> Scenario:
    """Read and check a scenario.

    Args:
        name: a file, or the name of a scenario that ships.
        overrides: `KEY=VALUE` texts as `--set` takes them.

    Raises:
        ScenarioError: what is wrong, with file, line, the value seen and what is allowed.
    """
    try:
        origin = read_source(name)
        for assignment in overrides:
            origin = source.override(origin, assignment)
    except SourceError as error:
        raise ScenarioError(str(error)) from None
    return from_source(origin)


def from_source(origin: Source) -> Scenario:
    """The scenario that a YAML source describes; its name is the file's unless it has one."""
    tree = origin.tree
    if isinstance(tree, dict):
        stem = re.sub(r"[^A-Za-z0-9._-]", "_", FilePath(origin.label).stem)
        tree = {"name": stem.lstrip("._-") or "scenario"} | tree
    try:
        return Scenario.model_validate(plain(tree))
    except ValidationError as error:
        problems = problems_of(error, Scenario)
    lines = (f"{origin.locate(problem.path)}: {problem.text}" for problem in problems)
    raise ScenarioError("\n".join(dict.fromkeys(lines)))


def to_yaml(scenario: Scenario) -> str:
    """The resolved scenario as YAML, every default filled in; reading it gives an equal one."""
    return source.write(scenario.to_config())


def shipped() -> dict[str, str]:
    """Text of the scenarios that ship, by name."""
    folder = resources.files("laser_phy.scenarios")
    files = [item for item in folder.iterdir() if item.name.endswith(".yaml")]
    return {
        item.name.removesuffix(".yaml"): item.read_text(encoding="utf-8")
        for item in sorted(files, key=lambda item: item.name)
    }


def read_source(name: str | FilePath) -> Source:
    """The values of a file, or of the scenario of that name that ships."""
    path = FilePath(name)
    if not path.is_file():
        texts = shipped()
        if str(name) in texts:
            return source.read(texts[str(name)], f"{name}.yaml")
        raise SourceError(_not_there(path, list(texts)))
    try:
        data = path.read_bytes()[: _MAX_BYTES + 1]
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}.") from None
    if len(data) > _MAX_BYTES:
        raise SourceError(f"{path}: is larger than {_MAX_BYTES // 1000} kB: not a scenario.")
    try:
        return source.read(data.decode("utf-8"), str(path))
    except UnicodeDecodeError:
        raise SourceError(f"{path}: is not text; a scenario is a YAML file in UTF-8.") from None


def _not_there(path: FilePath, names: list[str]) -> str:
    known = f"Shipped scenarios: {', '.join(names)}."
    if path.is_dir():
        return f"{path}: is a folder; give a YAML file, or the name of a scenario. {known}"
    if path.suffix in (".yaml", ".yml") or len(path.parts) > 1:
        return f"{path}: there is no such file{nearest(path.stem, names) or '.'} {known}"
    return f"{path}: no such file or scenario{nearest(path.name, names) or '.'} {known}"


def _fault(path: Path, sentence: str, value: Any) -> InitErrorDetails:
    error = PydanticCustomError("sentence", "{sentence}", {"sentence": sentence})
    return InitErrorDetails(type=error, loc=path, input=value)


def _objection(base: dict[str, Any], changes: Changes) -> str:
    """Why these values cannot stand where they are to, empty if they can.

    Rules between fields are left to the combination that is run: another axis may satisfy them.
    """
    tree: Any = base
    try:
        for key, value in ordered(changes):
            tree = source.replaced(tree, tuple(key.split(".")), value, f"sweep.{key}")
        Scenario.model_validate(plain(tree))
    except SourceError as error:
        return str(error)
    except ValidationError as error:
        depth = max(len(key.split(".")) for key in changes)
        found = zip(problems_of(error, Scenario), error.errors(), strict=True)
        for problem, item in found:
            inside = len(place_of(item["loc"], Scenario).path) >= depth
            if item["type"] != "value_error" or inside:
                return problem.sentence
    return ""
