"""The page on kinds of one's own is one script, it runs, and its classes are as short as said."""

import ast
import re
from typing import Any

import pytest
from paths import ROOT

from laser_phy.core.kinds import for_a_while

PAGE = ROOT / "docs" / "own_kinds.md"
LINES = {"TopK": 25, "SoftInversion": 10, "Strongest": 15, "Measured": 15, "TwoRays": 15}
"""Lines of code that a kind takes at most, blank ones and docstrings aside."""


def blocks() -> list[str]:
    text = PAGE.read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


def test_the_page_runs(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "page"}
    with for_a_while():
        for block in blocks():
            exec(compile(block, PAGE.name, "exec"), names)
    assert names["losses"][-1] < 0.3 * names["losses"][0]
    assert "val_mean_absolute_error" in capsys.readouterr().out


@pytest.mark.parametrize("name", LINES)
def test_a_kind_is_short(name: str) -> None:
    tree = ast.parse("\n".join(blocks()))
    classes = [
        node
        for node in tree.body
        if isinstance(node, ast.ClassDef) and node.name in (name, f"{name}Fading")
    ]
    assert classes
    lines = ast.unparse(ast.Module(classes, [])).splitlines()
    code = [line for line in lines if line.strip() and not line.strip().startswith('"""')]
    assert len(code) <= LINES[name]
