"""Pydantic's errors in sentences: name, bound, unit, the value seen, what to write instead."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError

from laser_phy.core.errors import Place, Problem, nearest, place_of, shown, tag

Say = Callable[[Place, Any, Mapping[str, Any]], str]


def problems_of(error: ValidationError, settings: type[BaseModel]) -> list[Problem]:
    """What validating `settings` found, a sentence each."""
    return [_problem(dict(item), settings) for item in error.errors(include_url=False)]


def _problem(item: dict[str, Any], settings: type[BaseModel]) -> Problem:
    place = place_of(item["loc"], settings)
    if item["type"] == "extra_forbidden":
        return Problem(place.path, _unknown_key(place, place_of(item["loc"][:-1], settings)))
    sentence = _SENTENCES.get(item["type"], _other)(place, item["input"], item.get("ctx") or {})
    # A rule between fields sits at their group; if it begins with one of them, that is the place.
    key = sentence.split(maxsplit=1)[0]
    if (
        item["type"] == "value_error"
        and len(place.kinds) == 1
        and key in place.kinds[0].model_fields
    ):
        return Problem((*place.path, key), sentence)
    return Problem(place.path, sentence)


def _unknown_key(place: Place, parent: Place) -> str:
    kind = parent.kinds[0]
    allowed = list(kind.model_fields)
    owners = [tag(other) for other in parent.union if place.name in other.model_fields]
    if owners:
        verdict = f"is a key of {_listed(owners)}, not of {tag(kind)!r}."
    else:
        verdict = f"is not a known key{nearest(place.name, allowed) or '.'}"
    return f"{place.name} {verdict} Allowed here: {', '.join(allowed)}."


def _unknown_kind(place: Place, seen: Any, context: Mapping[str, Any]) -> str:
    name = seen.get("name") if isinstance(seen, Mapping) else getattr(seen, "name", seen)
    label = repr(name) if isinstance(name, str) else shown(name)
    end = nearest(str(name), place.names) or "."
    known = f"{place.name} cannot be {label}{end} Known: {', '.join(place.names)}."
    if not isinstance(name, str) or ";" in end:
        return known
    return f"{known} One of your own must be known first: laser_phy.register, or --plugin FILE."


def _no_kind(place: Place, seen: Any, context: Mapping[str, Any]) -> str:
    names = place.names
    return f"{place.name} needs a name, one of {', '.join(names)}; write {{name: {names[0]}, ...}}."


def _mapping(place: Place, seen: Any, context: Mapping[str, Any]) -> str:
    if any(place.names):
        wanted = f"a name, or a mapping with one, such as {{name: {place.names[0]}}}"
        known = f"Known: {', '.join(place.names)}."
    else:
        wanted = "a mapping"
        known = f"Its keys: {', '.join(place.kinds[0].model_fields)}." if place.kinds else ""
    return f"{place.name} must be {wanted}; got {shown(seen)}. {known}".rstrip()


def _missing(place: Place, seen: Any, context: Mapping[str, Any]) -> str:
    if isinstance(place.path[-1], int):
        return f"{place.name} is missing: the list is too short; got {shown(seen)}."
    meaning = (place.field.description or "" if place.field else "").rstrip(".")
    what = f" ({meaning[0].lower()}{meaning[1:]})" if meaning else ""
    return f"{place.name} is missing{what}; write for example `{place.name}: {_example(place)}`."


def _example(place: Place) -> str:
    if place.extra("example") is not None:
        return str(place.extra("example"))
    if any(place.names):
        return f"{{name: {place.names[0]}}}"
    if get_origin(place.annotation) is Literal:
        return str(get_args(place.annotation)[0])
    return {int: "1", float: "1.0", bool: "true"}.get(place.annotation, "...")


def _literal(place: Place, seen: Any, context: Mapping[str, Any]) -> str:
    known = list(_literals(place.annotation))
    words = [word for word in known if isinstance(word, str)]
    end = nearest(seen, words) if isinstance(seen, str) else ""
    return f"{place.name} must be {_listed(known)}; got {shown(seen)}{end or '.'}"


def _literals(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) is Literal:
        yield from get_args(annotation)
    else:
        for part in get_args(annotation):
            yield from _literals(part)


def _listed(words: Iterable[Any]) -> str:
    *first, last = [repr(word) for word in words]
    return f"{', '.join(first)} or {last}" if first else last


def _bound(sign: str, key: str) -> Say:
    def say(place: Place, seen: Any, context: Mapping[str, Any]) -> str:
        limit = context[key]
        bound = f"{limit:.0f}" if abs(limit) < 1e9 and float(limit).is_integer() else f"{limit:g}"
        return f"{place.name} must be {sign} {bound}{place.unit}; got {shown(seen)}."

    return say


def _wanted(wanted: str, read: Callable[[str], Any] | None = None) -> Say:
    def say(place: Place, seen: Any, context: Mapping[str, Any]) -> str:
        if read and isinstance(seen, int) and not isinstance(seen, bool):
            return f"{place.name} must be a number below 1.8e308{place.unit}; got {shown(seen)}."
        instead = _instead(place, seen, read) if read else ""
        return f"{place.name} must be {wanted}{place.unit}; got {shown(seen)}{instead}."

    return say


def _instead(place: Place, seen: Any, read: Callable[[str], Any]) -> str:
    """What to write for a number that was given in another form, where that can be told."""
    if isinstance(seen, float) and seen.is_integer():
        return f": write {int(seen)}"
    if not isinstance(seen, str):
        return ""
    converted = _si(seen, str(place.extra("unit") or ""))
    if converted is not None:
        return f": write {converted!r} (units stand in the names of keys, not in values)"
    try:
        return f": write {read(seen)} without quotes"
    except (ValueError, OverflowError):
        return ""


_PREFIXES = {"p": -12, "n": -9, "u": -6, "µ": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9}


def _si(text: str, unit: str) -> float | None:
    """`100 ns` in seconds, `3.5 GHz` in Hz; None where the text is not a number of that unit."""
    found = re.fullmatch(r"\s*([-+]?[\d.]+)\s*([^\d\s.].*?)\s*", text)
    if not found or not unit or not found[2].lower().endswith(unit.lower()):
        return None
    prefix = _PREFIXES.get(found[2][: len(found[2]) - len(unit)])
    try:
        return None if prefix is None else float(f"{found[1]}e{prefix}")
    except ValueError:
        return None


def _length(sign: str, key: str) -> Say:
    def say(place: Place, seen: Any, context: Mapping[str, Any]) -> str:
        return f"{place.name} must have {sign} {context[key]} entries; got {shown(seen)}."

    return say


def _rule(place: Place, seen: Any, context: Mapping[str, Any]) -> str:
    """What a validator of ours said: already a sentence."""
    return str(context["error"])


def _other(place: Place, seen: Any, context: Mapping[str, Any]) -> str:
    return f"{place.name} cannot be {shown(seen)}."


_SENTENCES: dict[str, Say] = {
    "missing": _missing,
    "union_tag_invalid": _unknown_kind,
    "union_tag_not_found": _no_kind,
    "model_attributes_type": _mapping,
    "model_type": _mapping,
    "dict_type": _mapping,
    "literal_error": _literal,
    "greater_than": _bound(">", "gt"),
    "greater_than_equal": _bound(">=", "ge"),
    "less_than": _bound("<", "lt"),
    "less_than_equal": _bound("<=", "le"),
    "multiple_of": _bound("a multiple of", "multiple_of"),
    "finite_number": _wanted("a finite number"),
    "int_type": _wanted("a whole number", int),
    "float_type": _wanted("a number", float),
    "bool_type": _wanted("true or false"),
    "string_type": _wanted("text"),
    "tuple_type": _wanted("a list"),
    "too_short": _length("at least", "min_length"),
    "too_long": _length("at most", "max_length"),
    "string_too_short": _wanted("text that is not empty"),
    "value_error": _rule,
    "sentence": lambda place, seen, context: str(context["sentence"]),
}
