"""What is wrong with settings, and where: the keys as they stand in a scenario, and a sentence.

Pydantic finds the faults. Its locations hold the tags of unions (`uplink.compressor.laser.rank`),
which nobody wrote; they are followed through the fields here, so that each fault knows the field,
its unit and its neighbours. The words are in `laser_phy.core.error_messages`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

Path = tuple[str | int, ...]


class Refusal(ValueError):
    """What was asked for cannot be done; the message is for the person who asked."""


def at_least(name: str, value: float, bound: float = 1, unit: str = "") -> None:
    """Refuse a number below its bound.

    Args:
        name: of the argument, as it is written.
        value: what was given.
        bound: the least that it may be.
        unit: of both, or what is counted.

    Raises:
        ValueError: it is smaller; names all of them. A `Refusal`, so that a command says it too.
    """
    if value < bound:
        raise Refusal(f"{name} must be >= {bound:g}{f' ({unit})' if unit else ''}; got {value:g}.")


class Problem(NamedTuple):
    """One thing that is wrong: the keys that lead to it, and a sentence that names the last."""

    path: Path
    sentence: str

    @property
    def text(self) -> str:
        """The sentence, after the keys that lead to it where there is more than one."""
        above = dotted(self.path[:-1])
        return f"{above}: {self.sentence}" if above else self.sentence


def dotted(path: Path) -> str:
    """The keys as `--set` takes them."""
    return ".".join(str(key) for key in path)


def nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean ...?` for the known word that is spelt most like this one, or nothing."""
    known = list(known)
    close = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    if not close and len(word) > 3:
        close = [other for other in known if other.startswith(word.lower())]
    return f"; did you mean {close[0]!r}?" if close else ""


def shown(value: Any) -> str:
    """A value as a person would write it in YAML, with what it is where that is the trouble."""
    if value is None:
        return "null (nothing)"
    if isinstance(value, bool):
        return f"{str(value).lower()} (yes or no)"
    if isinstance(value, str):
        return f"{_cut(repr(value))} (text)"
    if isinstance(value, list | tuple):
        return f"{_cut(repr(list(value)))} (a list)"
    if isinstance(value, Mapping):
        return f"{_cut(repr(dict(value)))} (a mapping)"
    return _cut(repr(value))


def _cut(text: str, width: int = 60) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."


@dataclass(frozen=True)
class Place:
    """Where a fault sits: the keys, the type expected there, and the field that says so.

    `union` holds the kinds of which one was chosen by its name.
    """

    path: Path
    annotation: Any
    field: FieldInfo | None = None
    union: tuple[type[BaseModel], ...] = ()

    @property
    def name(self) -> str:
        """The last key; an entry of a list is `key[index]`."""
        if not self.path:
            return "the settings"
        if isinstance(self.path[-1], int) and len(self.path) > 1:
            return f"{self.path[-2]}[{self.path[-1]}]"
        return str(self.path[-1])

    @property
    def kinds(self) -> tuple[type[BaseModel], ...]:
        """The settings classes that may stand here, in order."""
        ours = tuple(_classes(self.annotation))
        if self.field is None or self.union or self.annotation is not self.field.annotation:
            return ours
        return ours + tuple(kind for part in self.field.metadata for kind in _brought(part))

    @property
    def names(self) -> list[str]:
        """What `name` may be here."""
        return [tag(kind) for kind in self.kinds]

    @property
    def unit(self) -> str:
        """` (unit)`, or nothing."""
        unit = self.extra("unit")
        return f" ({unit})" if unit else ""

    def extra(self, key: str) -> Any:
        """What `setting(...)` was told about this field."""
        extra = self.field.json_schema_extra if self.field else None
        return extra.get(key) if isinstance(extra, dict) else None


def tag(kind: type[BaseModel]) -> str:
    """The `name` that selects this kind, empty where it has none."""
    field = kind.model_fields.get("name")
    names = get_args(field.annotation) if field is not None else ()
    return names[0] if names and isinstance(names[0], str) else ""


def place_of(location: Path, settings: type[BaseModel]) -> Place:
    """Follow pydantic's location, which has the tags of unions in it, through the fields."""
    place = Place((), settings)
    for key in location:
        kinds = place.kinds
        chosen = [kind for kind in kinds if tag(kind) == key] if len(kinds) > 1 else []
        if chosen:
            place = Place(place.path, chosen[0], place.field, kinds)
            continue
        field = kinds[0].model_fields.get(str(key)) if len(kinds) == 1 else None
        if field is not None:
            place = Place((*place.path, key), field.annotation, field)
        else:
            place = Place((*place.path, key), _element(place.annotation), place.field)
    return place


def _classes(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) not in (dict, tuple, list, Literal):
        for part in get_args(annotation):
            yield from _classes(part)
            yield from _brought(part)


def _brought(annotation: Any) -> Iterator[type[BaseModel]]:
    """Kinds of users, of a field that is open to them (`laser_phy.core.kinds.Open`)."""
    for brought in getattr(getattr(annotation, "family", None), "brought", {}).values():
        yield brought.kind


def _element(annotation: Any) -> Any:
    """The type of an entry of a list or mapping, which may be one of several alternatives."""
    for part in (annotation, *get_args(annotation)):
        if get_origin(part) in (tuple, list):
            return get_args(part)[0]
        if get_origin(part) is dict:
            return get_args(part)[1]
    return Any
