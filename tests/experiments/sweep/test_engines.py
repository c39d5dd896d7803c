"""Sweeps that run: subprocesses here, Dask workers, and what is left when either is killed."""

import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from sweep_tools import (
    SMALL,
    all_gone,
    descendants,
    kill,
    scenario_file,
    start,
    table,
    wait_for,
)

import laser_phy as lp
from laser_phy.experiments.scenario import Scenario
from laser_phy.experiments.sweep.engine import environment
from laser_phy.experiments.sweep.gpus import Gpus
from laser_phy.experiments.sweep.local_engine import LocalEngine
from laser_phy.experiments.sweep.plan import plan_of
from laser_phy.experiments.sweep.sweep_folder import SweepFolder

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL and SIGINT")


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small sweep that nobody disturbed."""
    folder = tmp_path_factory.mktemp("reference") / "s"
    lp.sweep(SMALL, out=folder, jobs=2, estimate=False, quiet=True)
    return folder


def test_a_sweep_leaves_one_tidy_table(reference: Path) -> None:
    found = table(reference)
    assert len(found) == 2 * SMALL["task"]["epochs"]
    assert found["uplink.power.energy_per_round"].tolist() == [1] * 4 + [10] * 4
    assert set(found["status"]) == {"done"}
    assert {"epoch", "val_accuracy", "uplink_nmse_db", "air_time_ms", "run"} <= set(found)
    pd.testing.assert_frame_equal(found, pd.read_csv(reference / "results.csv"), check_dtype=False)


def test_each_run_equals_the_run_command(reference: Path, tmp_path: Path) -> None:
    alone = {key: value for key, value in SMALL.items() if key != "sweep"}
    alone["uplink"] = SMALL["uplink"] | {"power": {"energy_per_round": 10}}
    run = lp.run(alone, out=tmp_path / "r", quiet=True)
    swept = lp.load_run(reference / "runs" / "energy_per_round=10")
    assert run.scenario == swept.scenario
    # this process has more threads, and sums in another order
    pd.testing.assert_frame_equal(run.history, swept.history, rtol=1e-3)


def test_loading_and_joining(reference: Path, tmp_path: Path) -> None:
    other = Scenario.from_config(SMALL | {"name": "other", "sweep": {"seed": [3]}})
    folder = SweepFolder(tmp_path / "s")
    folder.make()
    folder.prepare(plan_of(other))
    for name in ("history.csv", "summary.json"):  # it takes a while to run
        done = reference / "runs" / "energy_per_round=1" / name
        shutil.copy(done, folder.path / "runs" / "seed=3" / name)
    both = lp.load_sweep(reference, tmp_path / "s")
    assert both.settings == ("uplink.power.energy_per_round", "seed")
    assert both.runs["sweep"].tolist() == ["small", "small", "other"]
    assert both.runs["seed"].tolist() == [0, 0, 3]
    assert both.results["uplink.power.energy_per_round"].isna().sum() == 4  # it has a default
    assert len(both.results) == 12
    assert both.runs["final"].between(0, 1).all()


def test_done_runs_are_left_as_they_are(reference: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (reference / "runs").rglob("*.csv")}
    began = time.monotonic()
    again = lp.sweep(SMALL, out=reference, quiet=True)
    assert time.monotonic() - began < 5
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert again.runs["status"].tolist() == ["done", "done"]


def test_killed_and_started_again_the_table_is_the_same(reference: Path, tmp_path: Path) -> None:
    axes = {"uplink.power.energy_per_round": [10]}
    file, out, log = scenario_file(tmp_path, sweep=axes), tmp_path / "s", tmp_path / "log"
    first = start(file, "--out", out, "--jobs", "2", log=log)
    wait_for(lambda: any(out.glob("runs/*/checkpoints/round_*.json")))
    children = descendants(first.pid)
    assert len(children) == 1
    kill(first)
    wait_for(lambda: all_gone(children), 5)
    second = start(file, "--out", out, "--jobs", "2", log=log)
    assert second.wait() == 0
    assert f"An earlier sweep here (process {first.pid}) was cut short." in log.read_text()
    log = out / "runs" / "energy_per_round=10" / "output.log"
    assert "Going on after epoch" in log.read_text()
    whole = table(reference)
    half = whole[whole["run"] == "energy_per_round=10"].reset_index(drop=True)
    pd.testing.assert_frame_equal(table(out), half, check_exact=True)


def test_two_at_once_one_says_why_not(tmp_path: Path) -> None:
    file, out = scenario_file(tmp_path), tmp_path / "s"
    logs = {start(file, "--out", out, log=tmp_path / name): tmp_path / name for name in "ab"}
    wait_for(lambda: any(process.poll() is not None for process in logs))
    (refused,) = (process for process in logs if process.poll() is not None)
    (working,) = (process for process in logs if process is not refused)
    assert refused.returncode == 2
    said = logs[refused].read_text()
    assert re.match(rf"{out}: (process {working.pid} on|another process) ", said)
    assert "is at work on the sweep in this folder." in said
    assert "Traceback" not in said
    third = start(file, "--out", out, log=tmp_path / "c")  # by now it is known who works there
    assert third.wait() == 2
    assert f"{out}: process {working.pid} on " in (tmp_path / "c").read_text()
    children = descendants(working.pid)
    working.send_signal(signal.SIGINT)  # and Ctrl-C stops it cleanly
    assert working.wait(300) == 130
    assert all_gone(children)
    assert "started again, each goes on from where it was" in logs[working].read_text()


@pytest.mark.long
def test_a_run_that_fails_is_tried_twice_and_reported(tmp_path: Path) -> None:
    scenario = SMALL | {"sweep": {"seed": [1]}, "task": SMALL["task"] | {"epochs": 1}}
    folder = tmp_path / "s" / "runs" / "seed=1"
    folder.mkdir(parents=True)
    (folder / "history.csv").mkdir()  # cannot be written
    result = lp.sweep(scenario, out=tmp_path / "s", estimate=False, quiet=True)
    assert list(result.failed) == ["seed=1"]
    assert "history.csv" in result.failed["seed=1"]
    assert (folder / "output.log").read_text().count("Traceback") == 2
    assert result.runs["status"].tolist() == ["failed"]


def test_threads_are_shared_out() -> None:
    engine = LocalEngine(jobs=1)
    assert engine.threads >= 1
    variables = environment(3, base={"PYTHONPATH": "/a"})
    assert variables["TF_NUM_INTRAOP_THREADS"] == variables["OMP_NUM_THREADS"] == "3"
    assert variables["PYTHONPATH"].startswith("/a")
    assert "CUDA_VISIBLE_DEVICES" not in variables


def test_gpus_are_dealt_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,GPU-7f,3")
    gpus = Gpus()
    taken = [gpus.take() for _ in range(4)]
    assert taken == ["0", "GPU-7f", "3", "0"]
    gpus.give_back("3")
    assert gpus.take() == "3"
    assert environment(1, "3")["CUDA_VISIBLE_DEVICES"] == "3"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert Gpus().take() is None


def test_so_many_runs_have_a_gpu_at_a_time() -> None:
    gpus, waited = Gpus(["4"], most=1), threading.Event()

    def second() -> None:
        with gpus.one() as name:
            assert name == "4"
            waited.set()

    with gpus.one():
        thread = threading.Thread(target=second)
        thread.start()
        assert not waited.wait(0.2)
    thread.join()
    assert waited.is_set()


# ---- longer ----


EPOCHS = 20
LONGER = {
    "task": SMALL["task"] | {"epochs": EPOCHS},
    "sweep": {"uplink.power.energy_per_round": [1, 10, 100]},
}
"""Three runs, each long enough to be hit while it trains."""


@pytest.fixture(scope="module")
def longer_reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep with LONGER that nobody disturbed, begun by the short run as the others are."""
    folder = tmp_path_factory.mktemp("longer") / "s"
    lp.sweep(SMALL | LONGER, out=folder, jobs=2, quiet=True)
    return folder


def epochs_done(run: Path) -> int:
    """Rows of a run's history."""
    history = run / "history.csv"
    return history.read_text().count("\n") - 1 if history.is_file() else 0


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_killed_at_five_random_moments(longer_reference: Path, tmp_path: Path) -> None:
    file, out, log = scenario_file(tmp_path, **LONGER), tmp_path / "s", tmp_path / "log"
    moments = random.Random(1)

    def epochs() -> int:
        return sum(map(epochs_done, out.glob("runs/*")))

    # One while the first run starts, the others somewhere in what is still to do.
    for left in range(5, 0, -1):
        process = start(file, "--out", out, "--jobs", "2", log=log, quick=False)
        if left == 5:
            wait_for(lambda pid=process.pid: descendants(pid))
        else:
            still = 3 * EPOCHS - epochs()
            target = epochs() + moments.randint(1, max(1, still // left))
            wait_for(lambda target=target: epochs() >= target, 300)
        time.sleep(moments.uniform(0, 0.5))
        children = descendants(process.pid)
        assert children
        kill(process)
        wait_for(lambda gone=children: all_gone(gone), 30)
    assert epochs() < 3 * EPOCHS
    assert start(file, "--out", out, "--jobs", "2", log=log, quick=False).wait() == 0
    said = "".join(one.read_text() for one in out.glob("runs/*/output.log"))
    assert said.count("Going on after epoch") >= 3
    pd.testing.assert_frame_equal(table(out), table(longer_reference), check_exact=True)


@contextlib.contextmanager
def cluster_of(
    folder: Path, workers: int, options: list[str], gpus: str = "-1"
) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler and workers, each a process of its own: its address, and the processes."""
    pytest.importorskip("distributed", reason="pip install 'laser-phy[cluster]'")
    address_file = folder / "scheduler.json"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", "0",
             "--no-dashboard", "--scheduler-file", str(address_file)], **quiet,
        )
    ]  # fmt: skip
    wait_for(address_file.exists, 60)
    processes += [
        subprocess.Popen(
            [sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file",
             str(address_file), "--no-nanny", "--no-dashboard", *options,
             "--local-directory", str(folder / f"worker{index}")],
            env=os.environ | {"CUDA_VISIBLE_DEVICES": gpus},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),  # as `dask worker &`
            **quiet,
        )
        for index in range(workers)
    ]  # fmt: skip
    try:
        yield json.loads(address_file.read_text())["address"], processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    with cluster_of(tmp_path, 2, ["--nthreads", "1"]) as found:
        yield found


@pytest.mark.long
def test_dask_gives_the_same_table(
    cluster: tuple[str, list[subprocess.Popen[bytes]]], reference: Path, tmp_path: Path
) -> None:
    file, out, log = scenario_file(tmp_path), tmp_path / "s", tmp_path / "log"
    sweep = start(file, "--out", out, "--scheduler", cluster[0], "--threads", "1", log=log)
    assert sweep.wait(900) == 0, log.read_text()
    pd.testing.assert_frame_equal(table(out), table(reference), check_exact=True)


PLUGIN = """
import laser_phy as lp


class Whole(lp.compressors.VectorCompressor):
    def compress(self, vector):
        return vector
"""


@pytest.mark.long
def test_dask_workers_know_a_file_of_kinds(
    cluster: tuple[str, list[subprocess.Popen[bytes]]], tmp_path: Path
) -> None:
    """The file travels: the workers do not read it where it lies."""
    address, _ = cluster
    plugin, out, log = tmp_path / "whole.py", tmp_path / "s", tmp_path / "log"
    plugin.write_text(PLUGIN)
    uplink = SMALL["uplink"] | {"compressor": "whole"}
    arguments = (scenario_file(tmp_path, uplink=uplink), "--plugin", plugin, "--rounds", "2")
    process = start(*arguments, "--scheduler", address, "--out", out, log=log)
    assert process.wait(180) == 0, log.read_text()
    for run in (out / "runs").iterdir():
        (kind,) = json.loads((run / "summary.json").read_text())["kinds"]
        assert kind["kind"] == "compressor whole"
        assert (run / "plugins" / "whole.py").read_text() == PLUGIN


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_killed_worker_s_run_is_taken_up_elsewhere(
    cluster: tuple[str, list[subprocess.Popen[bytes]]], longer_reference: Path, tmp_path: Path
) -> None:
    address, (_, victim, _) = cluster
    file, out, log = scenario_file(tmp_path, **LONGER), tmp_path / "s", tmp_path / "log"
    sweep = start(file, "--out", out, "--scheduler", address, "--threads", "1", log=log)
    wait_for(lambda: descendants(victim.pid))
    (run,) = descendants(victim.pid)
    folder = next(Path(word) for word in run.cmdline() if Path(word).parent.name == "runs")
    wait_for(lambda: epochs_done(folder) >= 3, 300)
    kill(victim)
    assert epochs_done(folder) < EPOCHS  # it was hit mid-run
    wait_for(lambda: all_gone([run]), 30)
    assert sweep.wait(900) == 0, log.read_text()
    assert "Going on after epoch" in (folder / "output.log").read_text()
    pd.testing.assert_frame_equal(table(out), table(longer_reference), check_exact=True)


@pytest.mark.long
def test_a_worker_s_gpus_are_dealt_out(tmp_path: Path) -> None:
    options = ["--nthreads", "4", "--resources", "GPU=2"]
    with cluster_of(tmp_path, 1, options, gpus="4,5") as (address, (_, worker)):
        task = SMALL["task"] | {"epochs": 100_000}
        file = scenario_file(tmp_path, task=task, sweep=LONGER["sweep"])
        sweep = start(file, "--out", tmp_path / "s", "--scheduler", address, log=tmp_path / "log")
        wait_for(lambda: len(descendants(worker.pid)) == 2)
        time.sleep(2.0)  # a third run would have started by now, as there are four threads,
        # and the sweep may have handed them in before it knew of any worker and its GPUs
        runs = descendants(worker.pid)
        assert sorted(run.environ()["CUDA_VISIBLE_DEVICES"] for run in runs) == ["4", "5"]
        sweep.send_signal(signal.SIGINT)
        assert sweep.wait(120) == 130
        assert all_gone(runs)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_killed_client_s_runs_end(
    cluster: tuple[str, list[subprocess.Popen[bytes]]], tmp_path: Path
) -> None:
    task = SMALL["task"] | {"epochs": 100_000}
    file, out = scenario_file(tmp_path, task=task), tmp_path / "s"
    sweep = start(file, "--out", out, "--scheduler", cluster[0], log=tmp_path / "log")
    wait_for(lambda: any(out.glob("runs/*/history.csv")), 300)
    runs = [child for worker in cluster[1][1:] for child in descendants(worker.pid)]
    trained = [history.parent for history in out.glob("runs/*/history.csv")]
    assert runs
    kill(sweep)
    wait_for(lambda: all_gone(runs), 150)
    for folder in trained:  # told to stop, and not killed
        assert lp.load_run(folder).summary["status"] == "interrupted"


@pytest.mark.long
def test_no_scheduler_there_is_said(tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason="pip install 'laser-phy[cluster]'")
    file, log = scenario_file(tmp_path), tmp_path / "log"
    sweep = start(file, "--out", tmp_path / "s", "--scheduler", "tcp://127.0.0.1:1", log=log)
    assert sweep.wait(120) == 2
    assert "no Dask scheduler answered within 15 s" in log.read_text()
    assert "Traceback" not in log.read_text()
