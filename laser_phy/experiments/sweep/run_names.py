"""Names of cells: short, readable, safe as folders everywhere, and the same every time.

A cell's name says what it changes and nothing else, so that values added to an axis later leave the
names of the others as they are.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from laser_phy.experiments.sweep_axes import Cell

LONGEST = 120
_UNSAFE = re.compile(r"[^A-Za-z0-9._+-]+")


def cell_names(cells: Sequence[Cell]) -> list[str]:
    """A name for each cell, such as `energy_per_round=25,compressor=laser-rank4,seed=1`."""
    keys = short_keys([path for cell in cells for path in cell.changes])
    names = [_name(cell, keys) for cell in cells]
    alike = Counter(name.lower() for name in names)  # some file systems do not tell cases apart
    return [
        name if alike[name.lower()] == 1 and len(name) <= LONGEST else _hashed(name, cell)
        for name, cell in zip(names, cells, strict=True)
    ]


def short_keys(paths: Sequence[str]) -> dict[str, str]:
    """The last key of every path, with as many keys before it as it takes to tell them apart."""
    distinct = list(dict.fromkeys(paths))
    short = {}
    for path in distinct:
        parts = path.split(".")
        for count in range(1, len(parts) + 1):
            tail = parts[-count:]
            rivals = [o for o in distinct if o != path and o.split(".")[-count:] == tail]
            if not rivals:
                break
        short[path] = ".".join(tail)
    return short


def in_short(value: Any) -> str:
    """A value as a person would call it: `laser rank 4` for {name: laser, rank: 4}."""
    if isinstance(value, Mapping):
        parts = [str(value["name"])] if "name" in value else []
        parts += [f"{key} {in_short(item)}" for key, item in value.items() if key != "name"]
        return " ".join(parts)
    if isinstance(value, list | tuple):
        return " ".join(in_short(item) for item in value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return _number(value) if isinstance(value, int | float) else str(value)


def _number(value: float) -> str:
    """The shortest text that reads as the same number: 3.5e9 and not 3500000000.0."""
    plain = str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)
    digits, _, exponent = f"{value:.6e}".partition("e")
    short = f"{digits.rstrip('0').rstrip('.')}e{int(exponent)}"
    shorter = "e" in plain or len(short) < len(plain) - 2
    return short if shorter and float(short) == value else plain


def _slug(text: str) -> str:
    return _UNSAFE.sub("-", text).strip("-.") or "x"


def _value_slug(value: Any) -> str:
    if isinstance(value, Mapping):
        parts = [str(value["name"])] if "name" in value else []
        parts += [f"{key}{in_short(item)}" for key, item in value.items() if key != "name"]
        return _slug("-".join(parts))
    text = in_short(value)
    return text if isinstance(value, int | float) else _slug(text)


def _name(cell: Cell, keys: Mapping[str, str]) -> str:
    parts = [_slug(cell.label)] if cell.label else []
    parts += [
        f"{_slug(keys[path])}={_value_slug(value)}"
        for path, value in cell.changes.items()
        if path not in cell.labelled
    ]
    return ",".join(parts) or "base"


def _hashed(name: str, cell: Cell) -> str:
    text = json.dumps([cell.changes, cell.label], sort_keys=True, default=str)
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{name[: LONGEST - 9].rstrip('-.,=')}-{digest}"
