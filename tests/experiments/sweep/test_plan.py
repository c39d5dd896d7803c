"""What a sweep will run: axes, names, and every combination checked before anything starts."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from laser_phy.cli import main
from laser_phy.core.errors import Refusal
from laser_phy.core.numbers import size
from laser_phy.core.settings import SettingsError
from laser_phy.core.yaml_source import read
from laser_phy.experiments.run.folder_lock import LockedError, locked
from laser_phy.experiments.run.run_folder import FolderError
from laser_phy.experiments.scenario import Scenario, ScenarioError, from_source, load_scenario
from laser_phy.experiments.sweep.conductor import sweep
from laser_phy.experiments.sweep.plan import plan_of
from laser_phy.experiments.sweep.run_names import LONGEST, cell_names, in_short, short_keys
from laser_phy.experiments.sweep.sweep_folder import SweepFolder
from laser_phy.experiments.sweep.time_estimate import trial_rounds
from laser_phy.experiments.sweep_axes import AxesError, cells_of

SMALL: dict[str, Any] = {
    "task": {"dataset": "digits", "model": "linear"},
    "uplink": {"compressor": {"name": "laser", "rank": 2}, "channel": "rayleigh"},
}
ENERGY, SPEED, CARRIER = (
    "uplink.power.energy_per_round",
    "uplink.channel.speed_mps",
    "uplink.channel.carrier_hz",
)


def scenario(**sweep_axes: Any) -> Scenario:
    return Scenario.from_config(SMALL | {"name": "small", "sweep": sweep_axes})


# ---- axes ----


def test_every_combination_the_last_axis_fastest() -> None:
    cells = cells_of({"seed": [1, 2], ENERGY: [3, 4]})
    assert [tuple(cell.changes.values()) for cell in cells] == [(1, 3), (1, 4), (2, 3), (2, 4)]


def test_zipped_settings_move_together() -> None:
    cells = cells_of({"seed": [1, 2], "zip": [{SPEED: [3, 4], CARRIER: [5, 6]}]})
    seen = [tuple(cell.changes.values()) for cell in cells]
    assert seen == [(1, 3, 5), (1, 4, 6), (2, 3, 5), (2, 4, 6)]


def test_points_have_settings_of_their_own() -> None:
    points = [{"label": "slow", SPEED: 1}, {"label": "high", CARRIER: 28e9, SPEED: 2}]
    cells = cells_of({"points": points, "seed": [7]})
    assert [cell.changes for cell in cells] == [
        {SPEED: 1, "seed": 7},
        {CARRIER: 28e9, SPEED: 2, "seed": 7},
    ]
    assert [cell.label for cell in cells] == ["slow", "high"]


BAD_AXES = {
    "no values": ({"seed": []}, "seed has no values to try."),
    "unequal": (
        {"zip": [{"seed": [1, 2], ENERGY: [1]}]},
        f"zip must have lists of one length; seed has 2, {ENERGY} has 1.",
    ),
    "no group": (
        {"zip": ["seed"]},
        "zip must be a list of groups such as `- {a.b: [1, 2], a.c: [3, 4]}`; got 'seed' (text).",
    ),
    "no list": ({"zip": [{"seed": 1}]}, "seed must be a list; got 1."),
    "empty point": (
        {"points": [{"label": "x"}]},
        "points must be a list of mappings such as `- {label: near, a.b: 1, a.c: 3}`, each with a "
        "setting at least; got {'label': 'x'} (a mapping).",
    ),
    "some labels": (
        {"points": [{"label": "x", "seed": 1}, {"seed": 2}]},
        "points must all have a label, or none.",
    ),
    "label twice": (
        {"points": [{"label": "x", "seed": 1}, {"label": "x", "seed": 2}]},
        "points must have different labels; 'x' is on two.",
    ),
    "number as label": (
        {"points": [{"label": 3, "seed": 1}]},
        "label must be text; got 3.",
    ),
    "two axes": (
        {"seed": [1], "points": [{"seed": 2}]},
        "seed stands on two axes of the sweep; keep one of them.",
    ),
    "value twice": (
        {"uplink.compressor": ["identity", {"name": "laser"}, {"name": "laser"}]},
        "uplink.compressor {'name': 'laser'} (a mapping) is there twice; keep one of them.",
    ),
    "row twice": (
        {"zip": [{"seed": [1, 2, 1], ENERGY: [1, 2, 1]}]},
        f"seed 1, {ENERGY} 1 is there twice; keep one of them.",
    ),
    "name": (
        {"name": ["a", "b"]},
        "name cannot vary: it names the scenario. Vary a setting of task, uplink or downlink, or "
        "the seed.",
    ),
}


@pytest.mark.parametrize("name", sorted(BAD_AXES))
def test_axes_that_make_no_sense_are_refused(name: str) -> None:
    axes, sentence = BAD_AXES[name]
    with pytest.raises(AxesError) as refused:
        cells_of(axes)
    assert str(refused.value) == sentence
    with pytest.raises(SettingsError) as also_refused:
        Scenario.from_config(SMALL | {"sweep": axes})
    assert sentence in str(also_refused.value)


def test_a_bad_value_has_its_line() -> None:
    text = (
        "task: {dataset: digits, model: linear}\n"
        "uplink: {compressor: laser}\n"
        "sweep:\n"
        "  points:\n"
        "    - {uplink.power.energy_per_round: 1}\n"
        "    - {uplink.power.energy_per_round: -1}\n"
    )
    with pytest.raises(ScenarioError, match=r"trial\.yaml:6: .*energy_per_round must be > 0"):
        from_source(read(text, "trial.yaml"))


# ---- names ----


def names(**axes: Any) -> list[str]:
    return cell_names(cells_of(axes))


def test_names_say_what_varies() -> None:
    assert names(**{ENERGY: [0.5, 100], "uplink.compressor": [{"name": "laser", "rank": 4}]}) == [
        "energy_per_round=0.5,compressor=laser-rank4",
        "energy_per_round=100,compressor=laser-rank4",
    ]


def test_a_label_stands_for_its_settings() -> None:
    points = [{"label": "no CSI / anywhere", SPEED: 1}, {"label": "phase", SPEED: 2}]
    assert names(points=points, seed=[1]) == ["no-CSI-anywhere,seed=1", "phase,seed=1"]


def test_names_stay_when_values_are_added() -> None:
    assert set(names(seed=[1, 2], **{SPEED: [3.5]})) < set(
        names(seed=[1, 2, 9], **{SPEED: [3.5, 4]})
    )


def test_names_are_unique_and_safe_as_folders() -> None:
    values = ["a/b", "a b", "A/B", "../..", "", "x" * 500, "x" * 501, 1, 1.5, None, [1, 2], True]
    found = names(**{"uplink.thing": values, "downlink.thing": ["é", "ü"]})
    assert len({name.lower() for name in found}) == len(found) == 2 * len(values)
    assert all(len(name) <= LONGEST for name in found)
    assert all(set(name) <= set("=,._+-") | set(map(chr, range(48, 123))) for name in found)
    assert not any(name.startswith(".") for name in found)


def test_keys_are_as_short_as_they_can_be() -> None:
    keys = short_keys(["uplink.csi.transmitter.age_s", "uplink.csi.receiver.age_s", "seed"])
    assert list(keys.values()) == ["transmitter.age_s", "receiver.age_s", "seed"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3.5e9, "3.5e9"),
        (100.0, "100"),
        (0.1, "0.1"),
        (1e-7, "1e-7"),
        (None, "null"),
        (True, "true"),
    ],
)
def test_values_in_short(value: Any, text: str) -> None:
    assert in_short(value) == text


# ---- the plan ----


def test_runs_have_scenarios_of_their_own() -> None:
    plan = plan_of(scenario(**{ENERGY: [1, 2.5], "uplink.compressor": ["identity", "laser"]}))
    assert [run.scenario.uplink.power.energy_per_round for run in plan.runs] == [1, 1, 2.5, 2.5]
    assert all(run.scenario.sweep == {} for run in plan.runs)
    assert plan.values(plan.runs[2]) == {ENERGY: 2.5, "uplink.compressor": "identity"}


def test_a_group_is_set_before_what_is_inside_it() -> None:
    axes = {"uplink.compressor.rank": [3], "uplink.compressor": [{"name": "laser"}]}
    (run,) = plan_of(scenario(**axes)).runs
    assert run.scenario.uplink.compressor.rank == 3


def test_what_does_not_vary_has_the_scenario_s_value() -> None:
    (run, _) = plan_of(scenario(seed=[1, 2])).runs
    assert run.value("uplink.compressor") == "laser rank 2"
    assert run.value("uplink.channel") == "rayleigh"
    assert run.value("uplink.compressor.rank") == 2
    assert run.value("uplink.channel.no_such") is None


def test_combinations_are_checked_before_anything_starts(tmp_path: Path) -> None:
    axes = {"uplink.power_control": ["inversion", "truncated_inversion"], "seed": [1]}
    with pytest.raises(Refusal) as refused:
        sweep(scenario(**axes), out=tmp_path / "s")
    said = str(refused.value)
    assert said.startswith("sweep: the combination power_control=inversion,seed=1 cannot be run: ")
    assert "has no mean power on the fading channel" in said
    assert said.endswith("move settings together in `zip`.")
    assert not (tmp_path / "s").exists()


def test_nothing_to_vary_and_too_much_are_refused() -> None:
    with pytest.raises(Refusal, match="small: has no sweep; write what to vary"):
        plan_of(scenario())
    with pytest.raises(Refusal, match=r"at most 10,000 runs; its axes give 10,201\."):
        plan_of(scenario(seed=list(range(101)), **{ENERGY: list(range(1, 102))}))
    many = list(range(1, 201))  # 320 billion, which would not fit in memory
    axes = {
        "seed": many,
        ENERGY: many,
        "task.workers": many,
        "task.epochs": many,
        "task.batch_size": many,
    }
    with pytest.raises(Refusal, match=r"its axes give 320,000,000,000\."):
        plan_of(scenario(**axes))


def test_the_plan_is_printed_without_tensorflow() -> None:
    code = (
        "import sys; from laser_phy.cli import main\n"
        "main(['sweep', 'quickstart', '--set', 'sweep={seed: [1, 2]}', '--plan'])"
    )
    checked = (
        f"import atexit, sys\natexit.register(lambda: print('tensorflow' in sys.modules))\n{code}"
    )
    done = subprocess.run(
        [sys.executable, "-c", checked], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["quickstart:", "2", "runs.", "seed", "1", "2", "False"]


def test_shipped_scenarios_that_sweep_have_a_plan() -> None:
    for name in ("laser_vs_zsgd",):
        assert len(plan_of(load_scenario(name)).runs) == 12


# ---- the folder ----


def test_another_scenario_s_folder_is_refused(tmp_path: Path) -> None:
    folder = SweepFolder(tmp_path / "s")
    folder.make()
    folder.prepare(plan_of(scenario(seed=[1])))
    folder.prepare(plan_of(scenario(seed=[1, 2])))  # other values of an axis are fine
    other = Scenario.from_config(
        SMALL | {"name": "small", "uplink": {"compressor": "identity"}, "sweep": {"seed": [1]}}
    )
    with pytest.raises(FolderError, match=r"holds the sweep of another scenario \(uplink\."):
        folder.prepare(plan_of(other))


def test_the_folder_of_a_run_and_a_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FolderError, match="is a file; give a folder"):
        SweepFolder(tmp_path / "file").make()
    with pytest.raises(FolderError, match=r"cannot be written: Not a directory\."):
        SweepFolder(tmp_path / "file" / "s").make()
    with pytest.raises(FolderError, match=r"cannot be written: File name too long\."):
        SweepFolder(tmp_path / ("x" * 300)).make()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "scenario.yaml").write_text("")
    with pytest.raises(FolderError, match="holds a single run; give a sweep another folder"):
        SweepFolder(tmp_path / "run").make()


def test_one_process_at_a_time(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path\n"
        "from laser_phy.experiments.run.folder_lock import locked\n"
        f"with locked(Path({str(tmp_path)!r}), 'sweep'):\n"
        "    print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(LockedError) as refused, locked(tmp_path, "sweep"):
            pass
        assert f"{tmp_path}: process {other.pid} on " in str(refused.value)
        assert "is at work on the sweep in this folder. Wait until it has ended, or give" in str(
            refused.value
        )
        other.kill()
        other.wait()
        with locked(tmp_path, "sweep"):  # a lock whose holder was killed is free
            pass


BAD_CALLS = {
    "jobs": (["--jobs", "0"], "--jobs must be >= 1; got 0."),
    "both": (
        ["--jobs", "1", "--scheduler", "tcp://127.0.0.1:1"],
        "--jobs and --scheduler exclude each other: the cluster's workers count.",
    ),
    "no sweep": ([], "small: has no sweep; write what to vary, for example"),
}


@pytest.mark.parametrize("name", sorted(BAD_CALLS))
def test_refusals_on_the_command_line(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, sentence = BAD_CALLS[name]
    file = tmp_path / "small.yaml"
    axes = {} if name == "no sweep" else {"seed": [1, 2]}
    file.write_text(json.dumps(SMALL | {"sweep": axes}))
    with pytest.raises(SystemExit) as end:
        main(["sweep", str(file), "--out", str(tmp_path / "s"), *arguments])
    output = capsys.readouterr()
    assert end.value.code == 2
    assert sentence in output.err
    assert "Traceback" not in output.err


# ---- the estimate ----


def test_the_short_run_is_two_epochs_where_they_are_short() -> None:
    settings = scenario(seed=[1])
    task = settings.task
    assert trial_rounds(settings) == 2 * (1437 // task.workers // task.batch_size)


@pytest.mark.parametrize(
    ("count", "text"),
    [(12, "12 bytes"), (1234, "1.2 kB"), (45e6, "45.0 MB"), (2.5e9, "2.5 GB"), (3e12, "3.0 TB")],
)
def test_bytes_as_people_read_them(count: float, text: str) -> None:
    assert size(count) == text
