"""The page on architecture names what is there."""

import importlib.util
import re
import subprocess
import sys

from paths import ROOT
from test_layout import LAYERS

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_every_file_it_names_is_there() -> None:
    named = re.findall(r"`([a-z_]+(?:/[a-z_]+)+\.py)`", PAGE)
    assert len(named) > 20
    missing = [
        name
        for name in named
        if not (ROOT / "laser_phy" / name).is_file() and not (ROOT / name).is_file()
    ]
    assert missing == []


def test_every_room_has_its_row() -> None:
    rows = set(re.findall(r"`([a-z_]+)`", " ".join(re.findall(r"^\| (.*?) \|", PAGE, flags=re.M))))
    assert set().union(*LAYERS) - {"__main__", "scenarios"} <= rows


def test_the_picture_has_every_room_on_its_layer() -> None:
    script = ROOT / "docs" / "figures" / "rooms.py"
    spec = importlib.util.spec_from_file_location("rooms", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    drawn = [set(names) for names, _ in module.LAYERS]
    undrawn = {"__main__", "scenarios"}  # an entry to `cli`, and a folder of YAML files
    assert drawn == [layer - undrawn for layer in LAYERS if layer - undrawn]


def test_the_picture_is_drawn_by_its_script(tmp_path) -> None:
    file = tmp_path / "rooms.png"
    command = [sys.executable, str(ROOT / "docs" / "figures" / "rooms.py"), "--out", str(file)]
    subprocess.run(command, check=True, cwd=ROOT)
    assert file.stat().st_size > 20_000
    assert (ROOT / "docs" / "images" / "rooms.png").is_file()
