"""YAML text as plain Python values that remember where they were written.

YAML 1.2 as ruamel.yaml reads it: `1e-3` is a number, `off` is text. Its nodes are turned into dicts
and lists here rather than by its constructors, because every value keeps its line, duplicate keys
are refused with both lines, and dates, tags and merges, which mean nothing in a scenario, are not
silently something else.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode
from ruamel.yaml.representer import RoundTripRepresenter

from laser_phy.core.errors import Path, Refusal, dotted

_MAX_VALUES = 10_000


class SourceError(Refusal):
    """Text that could not be read; the message says where and why."""


@dataclass(frozen=True)
class Source:
    """A tree of plain values, and where each of them was written.

    Attributes:
        label: the file, as messages name it.
        tree: dicts, lists, text, numbers, true, false and None.
        where: place in words for the keys of the tree (`file:line`, or the `--set` that gave it).
    """

    label: str
    tree: Any
    where: dict[Path, str]

    def locate(self, path: Path) -> str:
        """Where the value at `path` was written, or what is nearest above it."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.where:
                return self.where[path[:end]]
        return self.label


def read(text: str, label: str, lines: bool = True) -> Source:
    """The values of a YAML text; `label` names it in messages, with the line unless told not to."""
    try:
        node = YAML(typ="rt", pure=True).compose(io.StringIO(text))
        if node is None:
            raise SourceError(f"{label}: is empty; a scenario has at least task and uplink.")
        reader = _Reader(label, lines)
        tree = reader.value(node, ())
    except MarkedYAMLError as error:
        raise SourceError(_syntax(error, text, label, lines)) from None
    except YAMLError:
        raise SourceError(f"{label}: is not text; a scenario is a YAML file.") from None
    except RecursionError:
        raise SourceError(f"{label}: lists and mappings are nested too deeply.") from None
    return Source(label, tree, reader.where)


def override(source: Source, assignment: str) -> Source:
    """The source with `KEY=VALUE` in it: VALUE is read as YAML and replaces what was there."""
    label = f"--set {assignment}"
    key, equals, text = assignment.partition("=")
    path = tuple(key.strip().split("."))
    if path[0] == "sweep" and len(path) > 2:  # its keys have dots in them
        path = ("sweep", ".".join(path[1:]))
    if not equals or not all(path):
        raise SourceError(
            f"{label}: must be KEY=VALUE with dots between keys, "
            "such as uplink.power.energy_per_round=1."
        )
    if not text.strip():
        raise SourceError(f"{label}: has no value; write {key}=null to leave it out.")
    tree = replaced(source.tree, path, read(text, label, lines=False).tree, label)
    where = {at: place for at, place in source.where.items() if at[: len(path)] != path}
    made = [path[:end] for end in range(1, len(path)) if path[:end] not in where]
    return Source(source.label, tree, where | dict.fromkeys([*made, path], label))


class _Representer(RoundTripRepresenter):
    """Writes nothing as `null`, where ruamel.yaml would leave the place empty."""

    def represent_none(self, data: None) -> ScalarNode:
        return self.represent_scalar("tag:yaml.org,2002:null", "null")


_Representer.add_representer(type(None), _Representer.represent_none)


def write(tree: Mapping[str, Any]) -> str:
    """YAML text that `read` turns back into the same values; short groups on one line."""
    yaml = YAML(typ="rt", pure=True)
    yaml.Representer = _Representer
    yaml.width = 4096  # ruamel.yaml breaks lines in the middle of a group
    stream = io.StringIO()
    yaml.dump(_styled(tree), stream)
    return stream.getvalue()


def _styled(value: Any) -> Any:
    if not isinstance(value, dict | list):
        return value
    parts = value.values() if isinstance(value, dict) else value
    innermost = not any(isinstance(part, dict | list) and part for part in parts)
    styled: Any
    if isinstance(value, dict):
        styled = CommentedMap({key: _styled(part) for key, part in value.items()})
    else:
        styled = CommentedSeq([_styled(part) for part in value])
    if innermost and len(str(value)) < 100:
        styled.fa.set_flow_style()
    return styled


def replaced(tree: Any, path: tuple[str, ...], value: Any, label: str) -> Any:
    """The tree with `value` at `path`; a name on the way is short for `{name: ...}`."""
    if not path:
        return value
    if isinstance(tree, str):
        tree = {"name": tree}
    if isinstance(tree, list):
        raise SourceError(f"{label}: {path[0]!r} is inside a list; give the whole list.")
    if tree is not None and not isinstance(tree, dict):
        raise SourceError(f"{label}: {path[0]!r} is below {tree!r}, which has no keys.")
    branch = dict(tree or {})
    branch[path[0]] = replaced(branch.get(path[0]), path[1:], value, label)
    return branch


class _Reader:
    """Turns nodes into values, and notes their lines."""

    def __init__(self, label: str, lines: bool) -> None:
        self.label = label
        self.lines = lines
        self.where: dict[Path, str] = {}
        self._open: list[int] = []
        self._values = 0

    def value(self, node: Any, path: Path) -> Any:
        self._values += 1
        if id(node) in self._open or self._values > _MAX_VALUES:
            raise self._refusal(node, "an alias that contains itself, or too many values.")
        self.where.setdefault(path, self._place(node))
        self._open.append(id(node))
        try:
            if isinstance(node, MappingNode):
                return self._mapping(node, path)
            if isinstance(node, SequenceNode):
                return [self.value(item, (*path, i)) for i, item in enumerate(node.value)]
            return self._scalar(node)
        finally:
            self._open.pop()

    def _mapping(self, node: MappingNode, path: Path) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode):
                raise self._refusal(key_node, "a key must be a word, not a list or mapping.")
            key = str(key_node.value)
            at = (*path, key)
            if str(key_node.tag).endswith(":merge"):
                raise self._refusal(key_node, "`<<` is not part of YAML 1.2; write the keys out.")
            if key in mapping:
                first = f", first at {self.where[at]}" if self.lines else ""
                raise self._refusal(key_node, f"{dotted(at)} is given twice{first}; keep one.")
            self.where[at] = self._place(key_node)
            mapping[key] = self.value(value_node, at)
        return mapping

    def _scalar(self, node: ScalarNode) -> Any:
        tag, text = str(node.tag), str(node.value)
        kind = tag.rpartition(":")[2]
        if kind not in ("str", "int", "float", "bool", "null", "timestamp"):
            raise self._refusal(node, f"tags such as {tag} are not used in scenarios.")
        plain = text.replace("_", "")
        if kind == "null":
            return None
        if kind == "bool":
            return plain.lower() == "true" if plain.lower() in ("true", "false") else text
        if kind == "float":
            return float(plain.lower().replace(".inf", "inf").replace(".nan", "nan"))
        if kind == "int":
            try:
                return int(plain, {"0x": 16, "0o": 8}.get(plain.lstrip("+-")[:2].lower(), 10))
            except ValueError:  # Python reads no whole number of more than 4,300 digits
                raise self._refusal(node, f"{text[:20]}... is not a usable number.") from None
        return text

    def _place(self, node: Any) -> str:
        return f"{self.label}:{node.start_mark.line + 1}" if self.lines else self.label

    def _refusal(self, node: Any, why: str) -> SourceError:
        return SourceError(f"{self._place(node)}: {why}")


def _syntax(error: MarkedYAMLError, text: str, label: str, lines: bool) -> str:
    mark = error.problem_mark
    line = mark.line if mark is not None else 0
    written = text.splitlines()
    seen = written[line].strip() if line < len(written) else ""
    place = f"{label}:{line + 1}: is not YAML" if lines else f"{label}: is not YAML"
    if "\\t" in str(error.problem):
        return f"{place}: a tab; indent with spaces. The line reads {seen!r}."
    if "another document" in str(error.problem):
        return f"{place} of one document: a second one begins here with `---`; keep one."
    reason = ", ".join(part for part in (error.context, error.problem) if part)
    return f"{place}: {reason}. The line reads {seen!r}."
