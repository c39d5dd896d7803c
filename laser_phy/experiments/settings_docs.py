"""What there is to set and to choose from: the page of every setting, scenarios, kinds."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from laser_phy.core import yaml_source
from laser_phy.core.errors import Path, Place, dotted, tag
from laser_phy.experiments.scenario import Scenario, shipped

_INTRODUCTION = """\
# Settings

Every field of a scenario, with its default, unit and bounds. This page is made by a command:

```bash
laser-phy schema --markdown > docs/settings.md
```

A field that has kinds takes a mapping with a `name`, such as `channel: {name: rayleigh}`; the name
alone is short for it: `channel: rayleigh`. `laser-phy check SCENARIO` prints a scenario with every
default filled in. Editors that know the YAML language server complete and check a scenario whose
first line says where the schema is (`laser-phy schema > scenario.schema.json` writes it):

```yaml
# yaml-language-server: $schema=scenario.schema.json
```
"""
_BOUNDS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


def settings_page() -> str:
    """The page as Markdown."""
    lines = [_INTRODUCTION, *_section("Scenario", Scenario, "", {})]
    return "\n".join(lines).rstrip() + "\n"


def _section(title: str, kind: type[BaseModel], path: str, seen: dict[type, str]) -> Iterator[str]:
    """A table of one group of fields, and then the sections of the groups inside it."""
    seen[kind] = title
    yield f"## {title}\n"
    yield f"{_said(kind)}\n"
    fields = {
        name: field for name, field in kind.model_fields.items() if name != "name" or not path
    }
    if not fields:
        yield "No fields.\n"
        return
    yield "| field | default | unit, bounds or choices | meaning |\n|---|---|---|---|"
    for name, field in fields.items():
        cells = (f"`{name}`", _default(field), _range(name, field), _text(field.description or ""))
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
    yield ""
    for name, field in fields.items():
        yield from _below(
            Place((*path.split("."), name) if path else (name,), field.annotation), seen
        )


def _below(place: Place, seen: dict[type, str]) -> Iterator[str]:
    path = ".".join(map(str, place.path))
    for kind in place.kinds:
        title = f"{path}: {tag(kind)}" if tag(kind) else path
        if kind not in seen:
            yield from _section(title, kind, path, seen)
        elif seen[kind] != title:
            yield f"## {title}\n\nAs `{seen[kind]}`.\n"


def _said(kind: type[BaseModel]) -> str:
    """The docstring, formulas and all, as text."""
    text = inspect.getdoc(kind) or ""
    return "\n\n".join(_text(part) for part in text.split("\n\n") if not part.startswith("Args:"))


def _text(text: str) -> str:
    """On one line; what Markdown would take for emphasis or HTML is kept as it was written."""
    flat = " ".join(text.split())
    parts = flat.split("`")
    for index in range(0, len(parts), 2):  # outside of code
        for sign in "\\*_<":
            parts[index] = parts[index].replace(sign, f"\\{sign}")
    return "`".join(parts)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "needed"
    return f"`{_yaml(field.get_default(call_default_factory=True))}`"


def _yaml(value: Any) -> str:
    if isinstance(value, BaseModel):
        changed = value.model_dump(exclude_defaults=True)
        if isinstance(changed, str):  # a kind that is written as its name
            return changed
        name = tag(type(value))
        parts = [f"name: {name}"] if name else []
        parts += [f"{key}: {_yaml(item)}" for key, item in changed.items() if key != "name"]
        return f"{{{', '.join(parts)}}}" if parts else "{}"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_yaml, value))}]"
    if value == "":
        return '""'
    return f"{value:g}" if isinstance(value, float) else str(value)


def _range(name: str, field: FieldInfo) -> str:
    place = Place((name,), field.annotation, field)
    if any(place.names):
        return "a kind: " + ", ".join(f"`{one}`" for one in place.names)
    parts = [str(place.extra("unit"))] if place.extra("unit") else []
    for bound in field.metadata:
        for attribute, sign in _BOUNDS.items():
            if (limit := getattr(bound, attribute, None)) is not None:
                parts.append(f"{sign} {limit if isinstance(limit, int) else f'{limit:g}'}")
    parts += [f"`{_yaml(choice)}`" for choice in _choices(field.annotation)]
    return ", ".join(parts)


def _choices(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) is Literal:
        yield from get_args(annotation)
    elif get_origin(annotation) not in (dict, tuple, list):
        for part in get_args(annotation):
            yield from _choices(part)


def shipped_descriptions() -> dict[str, str]:
    """A line about each scenario that ships, by name."""
    return {
        name: str(yaml_source.read(text, name).tree.get("description", ""))
        for name, text in shipped().items()
    }


def kinds_by_field() -> dict[str, list[str]]:
    """The names that a field may have, by the path of the field, where there is a choice."""
    return {dotted(path): names for path, names in _with_choice(Scenario, ())}


def _with_choice(settings: type[BaseModel], path: Path) -> Iterator[tuple[Path, list[str]]]:
    for key, field in settings.model_fields.items():
        place = Place((*path, key), field.annotation, field)
        if any(place.names):
            yield place.path, place.names
        elif place.kinds:
            yield from _with_choice(place.kinds[0], place.path)
        elif get_origin(field.annotation) is Literal:
            yield place.path, list(get_args(field.annotation))
