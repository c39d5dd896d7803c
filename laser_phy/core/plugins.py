"""Kinds that do not ship: announced by installed packages, or in a file that the user names.

A package announces a module by an entry point of the group `laser_phy.kinds`; it should import
nothing heavy. A file is executed because the person at the command line said so (`--plugin`), or
called `load_plugin`, and never because a scenario or a folder did. Either way, all subclasses of
families' bases that the module defines are registered, and the functions that it registers itself.
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
import sys
import traceback
from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from laser_phy.core import kinds
from laser_phy.core.errors import Refusal
from laser_phy.core.kinds import FAMILIES, Kind, kinds_in, register, ships

GROUP = "laser_phy.kinds"

_files: dict[str, Path] = {}
_failed: dict[str, str] = {}
_asked: list[bool] = []
_adopted: set[str] = set()
"""Origins of kinds that a process started by this one finds again."""


class PluginError(Refusal):
    """A file of kinds that cannot be used; the message says why."""


def load_plugin(path: str | Path) -> list[str]:
    """Execute a Python file, and register the kinds that it defines.

    Args:
        path: of the file.

    Returns:
        Names of its kinds.

    Raises:
        PluginError: there is no such file, it fails, or has no kind.
        KindError: one of its names is taken.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise PluginError(f"--plugin {path}: there is no such file. Give a Python file.")
    where = hashlib.sha256(str(file.resolve()).encode()).hexdigest()[:6]
    name = f"laser_phy_plugin_{re.sub(r'[^0-9a-zA-Z]', '_', file.stem)}_{where}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise PluginError(f"--plugin {path}: is not a Python file; its name must end in .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise PluginError(f"--plugin {path}{_line(error, file)}: {_in_words(error)}") from error
    names = _adopt(module, file.name)
    if not names:
        bases = ", ".join(dict.fromkeys(family.base.__name__ for family in FAMILIES))
        raise PluginError(
            f"--plugin {path}: defines no kind. A kind is a class with one of the bases {bases}."
        )
    _files[str(file.resolve())] = file
    return names


def loaded_files() -> list[Path]:
    """The files of `load_plugin` in this process, which processes that it starts load too."""
    return list(_files.values())


def load_packages() -> None:
    """Register what installed packages announce, once a process.

    One that fails is remembered: it is an error only where a kind is asked for that is not known.
    """
    if _asked:
        return
    _asked.append(True)
    for point in entry_points(group=GROUP):
        try:
            module = point.load()
            _adopt(module, _distribution(point))
        except Exception as error:
            _failed[_distribution(point)] = _in_words(error)


def failures() -> Mapping[str, str]:
    """Packages whose kinds could not be loaded, and why."""
    load_packages()
    return _failed


def origins() -> dict[str, dict[str, str]]:
    """{word of the family: {name of the kind: where it comes from}} of all that do not ship."""
    load_packages()
    return {
        family.word: {name: one.origin for name, one in family.brought.items()}
        for family in FAMILIES
        if family.brought
    }


def used_by(settings: BaseModel) -> list[dict[str, str | None]]:
    """The kinds in a scenario that do not ship, each with what tells whether it is the same again.

    Returns:
        For each `kind`, `origin` and `sha256` of the file that defines it, None where there is
        none (a class of a notebook).
    """
    found = {}
    for kind in _kinds_within(settings):
        family = next((one for one in FAMILIES if isinstance(kind, one.base)), None)
        if family is None or ships(type(kind)):
            continue
        brought = family.brought.get(kind.name)
        module = type(kind).__module__
        label = f"{family.word} {kind.name}"
        found[label] = {
            "kind": label,
            "origin": brought.origin if brought else f"module {module}",
            "sha256": _digest(module),
        }
    return [found[label] for label in sorted(found)]


def homeless(used: list[dict[str, str | None]]) -> str | None:
    """A kind, of those that `used_by` gives, which other processes would not find; None if none."""
    return next((str(one["kind"]) for one in used if one["origin"] not in _adopted), None)


def adopt(settings: BaseModel) -> None:
    """Register the kinds of a scenario that was given in Python, so that its files can be read."""
    for kind in _kinds_within(settings):
        if not ships(type(kind)):
            for family in FAMILIES:
                if isinstance(kind, family.base) and type(kind) is not family.kinds.get(kind.name):
                    family.add(type(kind), f"module {type(kind).__module__}")


def changed(before: list[dict[str, str | None]], now: list[dict[str, str | None]]) -> str | None:
    """What of the kinds of a run is not as it was, in words; None if all is."""
    present = {one["kind"]: one for one in now}
    for one in before:
        other = present.get(one["kind"])
        if other is None:
            return f"{one['kind']} of {one['origin']}, which is not in it now"
        if one["sha256"] != other["sha256"]:
            old, new = (str(each["sha256"])[:8] for each in (one, other))
            return f"{one['kind']} of {one['origin']}, which has changed (SHA-256 {old}, now {new})"
    return None


def _kinds_within(value: Any) -> Iterator[Kind]:
    if isinstance(value, Kind):
        yield value
    if isinstance(value, BaseModel):
        for field in type(value).model_fields:
            yield from _kinds_within(getattr(value, field))
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _kinds_within(item)


def _adopt(module: Any, origin: str) -> list[str]:
    """Register a module's kinds as those of `origin`; their names."""
    _adopted.add(origin)
    for kind in kinds_in(module):
        register(kind, origin=origin)
    names = []
    for family in FAMILIES:
        for name, brought in family.brought.items():
            if brought.kind.__module__ == module.__name__:
                brought.origin = origin
                names.append(name)
    return list(dict.fromkeys(names))


def _distribution(point: EntryPoint) -> str:
    if point.dist is None:
        return str(point.value)
    return f"{point.dist.name} {point.dist.version}"


def _digest(module: str) -> str | None:
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None or not Path(file).is_file():
        return None
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()


def _in_words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _line(error: Exception, file: Path) -> str:
    """`, line N` of the file, where the error tells."""
    if isinstance(error, SyntaxError):
        return f", line {error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if Path(frame.filename) == file]
    return f", line {lines[-1]}" if lines else ""


kinds.DISCOVERERS.append(load_packages)
kinds.FAILURES.append(lambda: _failed)
