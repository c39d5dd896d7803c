"""The command line: its help, its answers, and what it leaves behind."""

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from paths import ROOT
from rich.console import Console

from laser_phy.cli import main
from laser_phy.core.numbers import clock
from laser_phy.experiments.run.console import Progress
from laser_phy.experiments.scenario import load_scenario


def call(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """Standard output and error of a command that ends well."""
    with pytest.raises(SystemExit) as end:
        main(arguments)
    output = capsys.readouterr()
    assert end.value.code == 0, output
    return output.out, output.err


COMMANDS = ["run", "check", "list", "schema", "report"]


def test_help_names_every_command_and_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = call(["--help"], capsys)
    for command in COMMANDS:
        assert f"\n  {command} " in out
    assert "laser-phy run quickstart" in out


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_has_examples(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out, _ = call([command, "--help"], capsys)
    assert f"laser-phy {command}" in out


def test_check_prints_the_scenario_it_would_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, err = call(["check", "quickstart", "--set", "seed=42"], capsys)
    assert err == "quickstart: fine.\n"
    file = tmp_path / "mine.yaml"
    file.write_text(out)
    assert load_scenario(file) == load_scenario("quickstart", ["seed=42"])


def test_list_has_scenarios_with_a_line_each_and_kinds(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = call(["list"], capsys)
    lines = {line.split()[0]: line for line in out.splitlines() if line.startswith("  ")}
    assert load_scenario("quickstart").description in lines["quickstart"]
    assert load_scenario("mnist_awgn").description in lines["mnist_awgn"]
    assert "laser, identity" in lines["uplink.compressor"]


def test_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = call(["schema"], capsys)
    assert json.loads(out)["properties"]["uplink"]


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    import laser_phy

    assert call(["--version"], capsys)[0] == f"{laser_phy.__version__}\n"


def test_no_command_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([])
    output = capsys.readouterr()
    assert end.value.code == 2
    assert "laser-phy run quickstart" in output.out + output.err


def test_the_quick_start_in_a_process_of_its_own(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "laser_phy.cli", "run", "quickstart", "--rounds", "3"]
    done = subprocess.run(
        [*command, "--out", str(tmp_path / "q")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    # TensorFlow's own noise is kept away, and what takes long is said before it begins.
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[1] == "Loading TensorFlow and Sionna, about 10 s ..."
    assert any(line.startswith("Tracing the training step, about ") for line in lines)
    assert "\x1b" not in done.stdout
    (epoch,) = [line for line in lines if line.startswith("epoch  1/26  round 3  loss ")]
    for part in ("accuracy", "test accuracy", "uplink SNR", "gradient NMSE"):
        assert part in epoch
    names = {file.name for file in (tmp_path / "q").iterdir() if not file.name.startswith(".")}
    assert names == {
        "scenario.yaml", "history.csv", "rounds.csv", "summary.json", "checkpoints",
        "overview.png", "snapshot.npz",
    }  # fmt: skip


def test_the_mnist_scenario_with_a_file_in_place_of_a_download(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (2148, 28, 28), dtype=np.uint8)
    labels = rng.integers(0, 10, 2148)
    file = tmp_path / "mnist.npz"
    np.savez(file, x_train=images[:2048], y_train=labels[:2048], x_test=images[2048:],
             y_test=labels[2048:])  # fmt: skip
    dataset = f"{{name: npz, path: {file}, normalize: {{mean: [0.1307], std: [0.3081]}}}}"
    arguments = ["--set", f"task.dataset={dataset}", "--rounds", "3", "--out", str(tmp_path / "m")]
    call(["run", "mnist_awgn", *arguments], capsys)
    summary = json.loads((tmp_path / "m" / "summary.json").read_text())
    assert (summary["status"], summary["rounds"]) == ("done", 3)
    assert summary["rounds_planned"] == 50  # 2048 examples are one batch of 128 for each of 16
    assert set(summary["metric"]) == {"name", "final", "best", "ema"}


def test_the_live_line_of_a_terminal() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=80, color_system=None)
    with Progress(console) as progress:
        row = {"round": 29, "loss": 0.589, "accuracy": 0.825, "uplink_snr_db": 14.9,
               "gradient_nmse_db": 1.1}  # fmt: skip
        progress.round(row, planned=200, seconds_left=80.4)
    line = "round 30/200  1:20 left  loss 0.589  accuracy 82.5 %  SNR 14.9 dB  NMSE 1.1 dB"
    assert line in screen.getvalue()


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0:00"), (61, "1:01"), (3661, "1:01:01"), (float("nan"), "?")]
)
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text
