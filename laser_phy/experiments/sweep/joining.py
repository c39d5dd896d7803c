"""Several sweeps as one study: what differs between them is a setting that varies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

from laser_phy.experiments.run.run_folder import FolderError
from laser_phy.experiments.sweep.plan import Plan
from laser_phy.experiments.sweep.sweep_folder import SweepFolder
from laser_phy.experiments.sweep_axes import FIXED


def refuse_twice(folders: Sequence[SweepFolder]) -> None:
    """Refuse a folder that stands there twice: its runs would count double.

    Raises:
        FolderError: it does.
    """
    seen: set[Any] = set()
    for folder in folders:
        place = folder.path.resolve()
        if place in seen:
            raise FolderError(f"{folder.path}: is given twice; name each sweep once.")
        seen.add(place)


def titles(plans: Sequence[Plan], folders: Sequence[SweepFolder]) -> list[str]:
    """What to call each sweep: its name, or its folder where names are alike."""
    names = [plan.scenario.name for plan in plans]
    return [
        name if names.count(name) == 1 else str(folder.path)
        for name, folder in zip(names, folders, strict=True)
    ]


def columns_of(plans: Sequence[Plan]) -> tuple[str, ...]:
    """What tells the runs of all sweeps apart: the axes of each, and what differs between them.

    A kind that differs is one column, its value as it was written; where an axis is inside of it,
    the column has the kind's name alone.
    """
    swept = tuple(dict.fromkeys(column for plan in plans for column in plan.columns))
    configs = [_fixed(plan) for plan in plans]
    differ = dict.fromkeys(path for pair in combinations(configs, 2) for path in _differ(*pair))
    covered = [path for path in differ if any(_inside(path, column) for column in swept)]
    named = [
        f"{path}.name" if any(_inside(column, path) for column in swept) else path
        for path in differ
        if path not in covered
    ]
    return (*swept, *named)


def _fixed(plan: Plan) -> dict[str, Any]:
    config = plan.scenario.to_config()
    return {key: value for key, value in config.items() if key not in FIXED}


def _differ(one: Any, other: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    if one == other:
        return
    groups = isinstance(one, Mapping) and isinstance(other, Mapping)
    if not groups or one.get("name") != other.get("name"):
        yield ".".join(path)
        return
    for key in dict.fromkeys((*one, *other)):
        yield from _differ(one.get(key), other.get(key), (*path, key))


def _inside(path: str, group: str) -> bool:
    return path == group or path.startswith(f"{group}.")
