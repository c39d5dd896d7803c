"""`laser-phy channel` and `laser-phy cost` from a process of their own."""

import subprocess
import sys

import numpy as np
import pytest
from matplotlib.image import imread

from laser_phy.experiments import channel_figure as channel_pictures
from laser_phy.experiments.scenario import load_scenario

SMALL = ["uplink.ofdm={fft_size: 64, guard_carriers: [6, 5], cyclic_prefix: 4}", "task.workers=2"]


@pytest.mark.parametrize("name", ["slow_fading", "no_csi"])
def test_pictures_of_a_scenario(name, tmp_path):
    """Every panel that has something to show is drawn: no part of the picture is blank."""
    path = channel_pictures.channel_pictures(load_scenario(name, SMALL), tmp_path / "channel.png")
    picture = imread(path)[:, :, :3]
    rows, columns = picture.shape[0] // 3, picture.shape[1] // 3
    for row in range(3):
        panel = picture[row * rows : (row + 1) * rows, :columns]
        assert np.mean(np.any(panel < 0.5, axis=2)) > 0.005, row


def test_only_rules_that_fit_the_knowledge_are_drawn():
    blind = load_scenario("blind_server", SMALL).uplink
    assert channel_pictures.fitting_rules(blind) == ["none"]
    assert set(channel_pictures.fitting_rules(load_scenario("slow_fading").uplink)) == set(
        channel_pictures.RULES
    )


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "laser_phy.cli", *arguments], capture_output=True, text=True
    )


def test_channel_refuses_what_it_cannot_write(tmp_path):
    done = command("channel", "slow_fading", "--out", str(tmp_path / "channel.txt"))
    assert done.returncode == 2
    assert "--out must be a .png, .svg or .pdf file" in done.stderr
    assert "Traceback" not in done.stderr


def test_cost_prints_numbers_whole():
    done = command("cost", "cifar10_resnet18")
    assert done.returncode == 0, done.stderr
    for number in ("11,173,962", "44.70", "82,260", "0.329", "154,910", "0.6196"):
        assert number in done.stdout
