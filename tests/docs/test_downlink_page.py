"""The page on the downlink: its commands are sweeps of the size it says, its script draws them."""

import importlib.util
import itertools
import re
import shlex

import pandas as pd
import pytest
from paths import ROOT

import laser_phy as lp
from laser_phy.core.yaml_source import read
from laser_phy.experiments.scenario import load_scenario
from laser_phy.experiments.sweep.plan import plan_of

PAGE = (ROOT / "docs" / "downlink.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def script():
    path = ROOT / "docs" / "figures" / "downlink.py"
    spec = importlib.util.spec_from_file_location("downlink_figures", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_commands_are_sweeps_of_the_size_that_is_said():
    commands = re.findall(r"^laser-phy sweep (.*?) +# (\d+) runs", PAGE, re.MULTILINE)
    assert len(commands) >= 4
    for command, count in commands:
        name, *rest = shlex.split(command)
        overrides = [value for key, value in itertools.pairwise(rest) if key == "--set"]
        assert len(plan_of(load_scenario(name, overrides)).runs) == int(count), command


def test_figures_that_are_shown_are_there():
    shown = re.findall(r"!\[.*?\]\((.*?)\)", PAGE, re.DOTALL)
    assert shown
    for name in shown:
        assert (ROOT / "docs" / name).stat().st_size > 5_000


def test_its_settings_are_a_downlink():
    [text] = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    lp.Downlink.from_config(read(text, "downlink.md").tree["downlink"])


def runs(**columns):
    rows = [
        {"seed": seed, "metric": "val_accuracy", "score": 90.0 + seed + snr_db / 10,
         "downlink_energy": 10.0**snr_db, "downlink.power.snr_db": snr_db, **columns}
        for seed in (1, 3)
        for snr_db in (0, 10)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_a_table_has_means_and_the_range_over_seeds(script):
    frame = pd.concat(
        [
            runs(**{script.SCHEME: "laser rank 4", script.RESYNC: float("nan")}),
            runs(**{script.SCHEME: "identity", script.RESYNC: 10}).query("seed == 1"),
        ]
    )
    assert script.table(frame, [script.SCHEME, script.RESYNC], script.DOWN).splitlines() == [
        "| compressor | resync_every | 0 dB | 10 dB |",
        "|---|---|---|---|",
        "| LASER | never | 92.0 (91.0-93.0) | 93.0 (92.0-94.0) |",
        "| Z-SGD | 10 | 91.0 | 92.0 |",
    ]


def test_lines_are_means_with_a_band(script):
    frame = runs(
        **{script.SCHEME: "identity", script.PAYLOAD: "update", script.RESYNC: float("nan")}
    )
    left, right = script.against_downlink(frame).axes
    for axes, x in ((left, [0, 10]), (right, [1, 10.0**10])):
        [line] = axes.lines
        assert list(line.get_xdata()) == x
        assert list(line.get_ydata()) == [92.0, 93.0]
        assert axes.collections[0].get_datalim(axes.transData).ymin < 92.0
    ways = pd.concat(
        [runs(**{script.SPEED: speed, script.UP: up}) for speed in (1, 30) for up in (-30, -10)]
    )
    [axes] = script.both_ways({"ResNet18": ways}).axes
    assert axes.lines[0].get_label() == "1 m/s, downlink 0 dB"
    assert [list(line.get_xdata()) for line in axes.lines] == [[-30, -10]] * 4
