"""What varies in a sweep: axes, and the cells that every combination of them gives.

    sweep:
      uplink.power.energy_per_round: [25, 100]       an axis: a setting and its values
      zip:                                           settings that move together
        - uplink.channel.speed_mps: [1, 30]
          uplink.ofdm.subcarrier_spacing_hz: [15e3, 60e3]
      points:                                        a list of points, each with settings of its own
        - {label: blind, uplink.csi.transmitter: none, uplink.power_control: none}
        - {label: aware, uplink.power_control: inversion}

Axes, each group of `zip`, and the list of `points` are combined with each other: here 2 x 2 x 2.
Knows paths and values alone, not what a scenario is.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from laser_phy.core.errors import Path, shown

ZIP, POINTS, LABEL = "zip", "points", "label"
FIXED = ("name", "description", "expected", "sweep")
"""Parts of a scenario that name it, and do not change what it does."""

Changes = dict[str, Any]


class AxesError(ValueError):
    """Axes that make no sense; `path` says where below `sweep`."""

    def __init__(self, path: Path, sentence: str) -> None:
        self.path, self.sentence = path, sentence
        super().__init__(sentence)


@dataclass(frozen=True)
class Point:
    """One place on an axis: values by the path of their setting, and a name if it was given one."""

    changes: Changes
    label: str = ""
    where: Path = ()


@dataclass(frozen=True)
class Axis:
    """Places to try, and the paths of the settings that differ between them."""

    points: tuple[Point, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(path for point in self.points for path in point.changes))


@dataclass(frozen=True)
class Cell:
    """One combination.

    Attributes:
        changes: values by the path of their setting.
        label: of its point, empty where it has none.
        labelled: the changes that the label stands for.
    """

    changes: Changes
    label: str = ""
    labelled: frozenset[str] = frozenset()


def axes_of(sweep: Mapping[str, Sequence[Any]]) -> list[Axis]:
    """The axes that a scenario's `sweep` describes.

    Raises:
        AxesError: no values, lists of unequal length, a setting on two axes, and the like.
    """
    axes: list[Axis] = []
    for key, values in sweep.items():
        if not values:
            raise AxesError((key,), f"{key} has no values to try.")
        if key == ZIP:
            axes += [_zipped(group, (ZIP, index)) for index, group in enumerate(values)]
        elif key == POINTS:
            axes.append(_listed(values))
        else:
            points = [Point({key: v}, where=(key, index)) for index, v in enumerate(values)]
            axes.append(Axis(tuple(points)))
    for axis in axes:
        _refuse_repeats(axis)
    _refuse_overlap(axes)
    return axes


def count_of(sweep: Mapping[str, Sequence[Any]]) -> int:
    """How many combinations there are."""
    return math.prod(len(axis.points) for axis in axes_of(sweep))


def cells_of(sweep: Mapping[str, Sequence[Any]]) -> list[Cell]:
    """Every combination, the last axis moving fastest; one cell without changes for no axes."""
    return [_cell(points) for points in itertools.product(*(a.points for a in axes_of(sweep)))]


def ordered(changes: Changes) -> list[tuple[str, Any]]:
    """Changes in the order to apply them: a group before what is inside it."""
    return sorted(changes.items(), key=lambda item: item[0].count("."))


def _cell(points: Sequence[Point]) -> Cell:
    changes = {path: value for point in points for path, value in point.changes.items()}
    named = next((point for point in points if point.label), Point({}))
    return Cell(changes, named.label, frozenset(named.changes))


def _zipped(group: Any, where: Path) -> Axis:
    if not isinstance(group, Mapping) or not group:
        raise AxesError(
            where,
            f"zip must be a list of groups such as `- {{a.b: [1, 2], a.c: [3, 4]}}`; got "
            f"{shown(group)}.",
        )
    for path, values in group.items():
        if not isinstance(values, list | tuple) or not values:
            raise AxesError((*where, path), f"{path} must be a list; got {shown(values)}.")
    lengths = {path: len(values) for path, values in group.items()}
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"{path} has {count}" for path, count in lengths.items())
        raise AxesError(where, f"zip must have lists of one length; {counts}.")
    rows = zip(*group.values(), strict=True)
    return Axis(tuple(Point(dict(zip(group, row, strict=True)), where=where) for row in rows))


def _listed(points: Sequence[Any]) -> Axis:
    found: list[Point] = []
    for index, point in enumerate(points):
        where: Path = (POINTS, index)
        if not isinstance(point, Mapping) or not set(point) - {LABEL}:
            raise AxesError(
                where,
                "points must be a list of mappings such as `- {label: near, a.b: 1, a.c: 3}`, each "
                f"with a setting at least; got {shown(point)}.",
            )
        label = point.get(LABEL, "")
        if not isinstance(label, str):
            raise AxesError((*where, LABEL), f"label must be text; got {shown(label)}.")
        changes = {path: value for path, value in point.items() if path != LABEL}
        found.append(Point(changes, label, where))
    labels = [point.label for point in found]
    if any(labels) and not all(labels):
        raise AxesError((POINTS, labels.index("")), "points must all have a label, or none.")
    for label in filter(None, labels):
        if labels.count(label) > 1:
            raise AxesError((POINTS,), f"points must have different labels; {label!r} is on two.")
    return Axis(tuple(found))


def _refuse_repeats(axis: Axis) -> None:
    seen: set[str] = set()
    for point in axis.points:
        text = json.dumps([point.label, point.changes], sort_keys=True, default=str)
        if text in seen:
            values = ", ".join(f"{path} {shown(value)}" for path, value in point.changes.items())
            raise AxesError(point.where, f"{values} is there twice; keep one of them.")
        seen.add(text)


def _refuse_overlap(axes: Sequence[Axis]) -> None:
    paths = [(path, axis) for axis in axes for path in axis.paths]
    for path, axis in paths:
        if path.split(".")[0] in FIXED:
            raise AxesError(
                axis.points[0].where,
                f"{path} cannot vary: it names the scenario. Vary a setting of task, uplink or "
                "downlink, or the seed.",
            )
        if any(other == path and elsewhere is not axis for other, elsewhere in paths):
            raise AxesError(
                axis.points[0].where, f"{path} stands on two axes of the sweep; keep one of them."
            )
