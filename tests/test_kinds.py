"""Kinds answer for themselves: nobody else asks for a kind's name or class."""

import ast
import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_layout import modules

import laser_phy
from laser_phy.core.kinds import FAMILIES, Kind


@pytest.fixture(scope="module")
def kinds() -> dict[str, tuple[set[str], set[str]]]:
    """File that defines kinds -> their names and classes, bases of families aside."""
    for module in pkgutil.walk_packages(laser_phy.__path__, "laser_phy."):
        light = ("settings", "kinds", "participation", "csi", "model_settings", "data")
        if any(part in module.name for part in light):
            importlib.import_module(module.name)
    found: dict[str, tuple[set[str], set[str]]] = {}
    for family in FAMILIES:
        for kind in family.shipped:
            if kind.__module__.startswith("laser_phy."):
                names, classes = found.setdefault(kind.__module__, (set(), set()))
                names.add(str(kind.model_fields["name"].default))
                classes.add(kind.__name__)
    return found


def test_the_families_are_seen(kinds) -> None:
    words = {family.word for family in FAMILIES}
    assert words >= {
        "compressor", "channel", "power_control", "receiver", "participation", "power.allocation",
        "power.schedule", "csi.transmitter", "downlink", "dataset", "partition", "model",
        "optimizer",
    }  # fmt: skip
    assert all(issubclass(family.base, Kind) for family in FAMILIES)


def texts(node: ast.AST) -> set[str]:
    """The texts that a comparison holds something against."""
    parts = node.elts if isinstance(node, ast.Tuple | ast.List | ast.Set) else [node]
    return {part.value for part in parts if isinstance(part, ast.Constant)} & _all_texts(parts)


def _all_texts(parts: list[ast.AST]) -> set[str]:
    values = [part.value for part in parts if isinstance(part, ast.Constant)]
    return {value for value in values if isinstance(value, str)}


def asks_for_a_name(node: ast.AST) -> bool:
    """`x.name`, `x["name"]` or `x.get("name")`."""
    if isinstance(node, ast.Attribute):
        return node.attr == "name"
    if isinstance(node, ast.Subscript):
        return isinstance(node.slice, ast.Constant) and node.slice.value == "name"
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "get"
        and any(isinstance(part, ast.Constant) and part.value == "name" for part in node.args)
    )


def breaches(file: Path, names: set[str], classes: set[str]) -> Iterator[str]:
    """Lines of a file that ask for a name or a class of these."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            asked = set().union(*(texts(side) for side in sides)) & names
            if asked and any(asks_for_a_name(side) for side in sides):
                yield f"line {node.lineno}: {ast.unparse(node)}"
        elif isinstance(node, ast.Call) and len(node.args) == 2:
            tests = ast.unparse(node.func) in ("isinstance", "issubclass")
            wanted = {part.id for part in ast.walk(node.args[1]) if isinstance(part, ast.Name)}
            if tests and wanted & classes:
                yield f"line {node.lineno}: {ast.unparse(node)}"


def test_nobody_asks_for_a_name_or_a_class(kinds) -> None:
    found = []
    for module, file in modules():
        own_names, own_classes = kinds.get(module, (set(), set()))
        names = set().union(*(names for names, _ in kinds.values())) - own_names
        classes = set().union(*(classes for _, classes in kinds.values())) - own_classes
        found += [f"{module}, {text}" for text in breaches(file, names, classes)]
    assert found == []


@pytest.mark.parametrize(
    ("code", "count"),
    [
        ("if receiver.name == 'scale': pass", 1),
        ("if uplink['channel']['name'] in ('awgn', 'ideal'): pass", 1),
        ("if tree.get('name') != 'laser': pass", 1),
        ("isinstance(rule, (int, TruncatedInversion))", 1),
        ("if variable.name == 'learning_rate': pass", 0),
        ("isinstance(rule, PowerControl)", 0),
    ],
)
def test_the_reader_itself(kinds, tmp_path, code, count) -> None:
    (tmp_path / "code.py").write_text(code)
    names = set().union(*(names for names, _ in kinds.values()))
    classes = set().union(*(classes for _, classes in kinds.values()))
    assert len(list(breaches(tmp_path / "code.py", names, classes))) == count
