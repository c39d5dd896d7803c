"""What there is to choose from: the scenarios that ship, and the kinds that fields may have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, get_args, get_origin

from pydantic import BaseModel

from laser_phy.core import yaml_source as source
from laser_phy.core.errors import Path, Place, dotted
from laser_phy.experiments.scenario import Scenario, shipped


def shipped_descriptions() -> dict[str, str]:
    """A line about each scenario that ships, by name."""
    return {
        name: str(source.read(text, name).tree.get("description", ""))
        for name, text in shipped().items()
    }


def kinds_by_field() -> dict[str, list[str]]:
    """The names that a field may have, by the path of the field, where there is a choice."""
    return {dotted(path): names for path, names in _choices(Scenario, ())}


def _choices(settings: type[BaseModel], path: Path) -> Iterator[tuple[Path, list[str]]]:
    for key, field in settings.model_fields.items():
        place = Place((*path, key), field.annotation, field)
        if any(place.names):
            yield place.path, place.names
        elif place.kinds:
            yield from _choices(place.kinds[0], place.path)
        elif get_origin(field.annotation) is Literal:
            yield place.path, list(get_args(field.annotation))
