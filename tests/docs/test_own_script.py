"""The page for people with a training script of their own: its code is one script, and it runs."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paths import ROOT

PAGE = ROOT / "docs" / "your_own_script.md"


def test_the_page_is_a_script_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    text = PAGE.read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    assert len(blocks) == 7
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, PAGE.name, "exec"), names)
    printed = capsys.readouterr().out
    accuracy = re.search(r"test accuracy (\S+)", printed)
    assert accuracy
    assert float(accuracy[1]) > 0.5  # of ten classes
    assert "air_time_ms: " in printed
    assert np.isfinite(names["loss"].numpy())
