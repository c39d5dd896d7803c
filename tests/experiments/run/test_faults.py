"""Ctrl-C, full and read-only disks, a second process: a clear message, and nothing is lost."""

import json
import re
import resource
import signal
import subprocess
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
from run_tools import fingerprint, quick, rows, start
from sweep_tools import wait_for

import laser_phy as lp
from laser_phy.cli import main
from laser_phy.experiments.run.folder_lock import LockedError, locked
from laser_phy.experiments.run.interrupt import Interruption
from laser_phy.experiments.run.run_folder import FolderError


def ended(process: subprocess.Popen[str], status: int) -> tuple[str, str]:
    """What a process said, and its errors, which hold no traceback; its exit status is `status`."""
    said, errors = process.communicate(timeout=120)
    assert process.returncode == status, said + errors
    assert "Traceback" not in errors
    return said, errors


def wait_for_line(stream: IO[str] | None, words: str) -> None:
    """Until a process has said so."""
    assert stream is not None
    while words not in (line := stream.readline()):
        assert line, f"never said {words!r}"


class TestCtrlC:
    def test_stops_after_the_round_and_goes_on_bit_for_bit(self, tmp_path: Path) -> None:
        tree, out = quick(task__epochs=100_000), tmp_path / "run"
        process = start(tree, out)
        wait_for(lambda: rows(out) > 0)
        process.send_signal(signal.SIGINT)
        said, errors = ended(process, 130)
        assert "Stopping after this round" in errors
        rounds = json.loads((out / "summary.json").read_text())["rounds"]
        assert json.loads((out / "summary.json").read_text())["status"] == "interrupted"
        assert rows(out) == rounds
        again = f"laser-phy run {out.with_suffix('.yaml')} --out {out}"
        assert f"To go on from round {rounds}: {again}" in said
        runs = [
            lp.run(tree, out=folder, rounds=rounds + 10, quiet=True)
            for folder in (out, tmp_path / "straight")
        ]
        assert len({json.dumps(fingerprint(run.path)) for run in runs}) == 1

    def test_while_loading_it_stops_at_once(self, tmp_path: Path) -> None:
        process = start(quick(), tmp_path / "run")
        wait_for_line(process.stdout, "Loading TensorFlow")
        process.send_signal(signal.SIGINT)
        _, errors = ended(process, 130)
        assert "Stopped at once. The same command goes on from the last checkpoint" in errors

    def test_twice_it_stops_at_once(self, tmp_path: Path) -> None:
        out = tmp_path / "run"
        process = start(quick(task__epochs=100_000), out)
        wait_for_line(process.stdout, "Tracing")
        process.send_signal(signal.SIGINT)
        wait_for_line(process.stderr, "Stopping after this round")
        process.send_signal(signal.SIGINT)
        _, errors = ended(process, 130)
        assert "Stopped at once." in errors
        assert not (out / "summary.json").exists()

    def test_a_library_that_fails_for_it_is_an_interruption_too(self) -> None:
        def load() -> None:
            try:
                signal.raise_signal(signal.SIGINT)
            except KeyboardInterrupt:
                raise ImportError("cannot import name 'half'") from None

        with pytest.raises(KeyboardInterrupt), Interruption():
            load()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    def test_between_rounds_it_is_only_a_mark(self) -> None:
        with Interruption(quiet=True) as interruption:
            with interruption.between_rounds():
                signal.raise_signal(signal.SIGINT)
                assert interruption.requested
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)

    def test_somebody_elses_handler_is_left_alone(self) -> None:
        seen: list[int] = []
        before = signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))
        try:
            with Interruption() as interruption, interruption.between_rounds():
                signal.raise_signal(signal.SIGINT)
                assert not interruption.requested
        finally:
            signal.signal(signal.SIGINT, before)
        assert seen == [signal.SIGINT]


class TestDisk:
    def test_one_that_takes_no_more(self, tmp_path: Path) -> None:
        """A limit on a file's size stands for it: the system fails the same calls."""
        tree, out = quick(), tmp_path / "run"
        limit = 20_000  # bytes: the tables fit, the weights do not
        process = start(
            tree, out, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        )
        _, errors = ended(process, 1)
        assert re.search(r"run/checkpoints/round_0+21.json: cannot be written: File too", errors)
        assert "Make room" in errors
        assert [file.name for file in (out / "checkpoints").iterdir()] == []
        whole = lp.run(tree, out=tmp_path / "whole", quiet=True)
        lp.run(tree, out=out, quiet=True)
        assert fingerprint(out) == fingerprint(whole.path)

    def test_a_folder_that_cannot_be_written_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Permissions do not bind everybody, so the answer of the system is given by hand."""
        monkeypatch.setattr("os.access", lambda path, mode: False)
        with pytest.raises(FolderError, match=r"--out .*run: cannot be written: .* Give another"):
            lp.run(quick(), out=tmp_path / "run", quiet=True)


class TestLock:
    def test_a_second_process_is_told_who_is_there(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        out = tmp_path / "run"
        out.mkdir()
        scenario = tmp_path / "quick.yaml"
        scenario.write_text(json.dumps(quick()))
        with locked(out, "run"), pytest.raises(SystemExit) as end:
            main(["run", str(scenario), "--out", str(out)])
        assert end.value.code == 2
        assert "is at work on the run in this folder. Wait until" in capsys.readouterr().err
        assert not (out / "scenario.yaml").exists()

    def test_it_can_wait(self, tmp_path: Path) -> None:
        with locked(tmp_path, "run"), pytest.raises(LockedError), locked(tmp_path, "run", 0.3):
            pass
        with locked(tmp_path, "run", 0.3):
            pass


def with_a_bad_example(folder: Path) -> dict[str, Any]:
    """A scenario with one example of 240 whose gradient's energy is infinite in float32."""
    random = np.random.default_rng(0)
    x = random.normal(size=(340, 8, 8, 1)).astype(np.float32)
    y = np.arange(340) % 10
    x[17] = 1e25
    file = folder / "bad.npz"
    np.savez(file, x_train=x[:240], y_train=y[:240], x_test=x[240:], y_test=y[240:])
    dataset = {"name": "npz", "path": str(file), "normalize": {"mean": [0.0], "std": [1.0]}}
    return quick(task__dataset=dataset)


class TestBadGradients:
    def test_stop_says_who_and_when(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        run = lp.run(with_a_bad_example(tmp_path), out=tmp_path / "run")
        said = " ".join(capsys.readouterr().out.split())
        assert run.summary["status"] == "diverged"
        assert run.summary["metric"]["final"] is None
        ((worker, count),) = run.summary["excluded_rounds"].items()
        first = int(np.flatnonzero(run.rounds["excluded_workers"])[0])
        assert f"1 of 4 workers ({worker}) had NaN or infinite gradients in round {first}." in said
        assert len(run.rounds) == run.summary["rounds"] < 21
        assert count == run.rounds["excluded_workers"].sum()

    def test_exclude_goes_on_and_tells(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        tree = with_a_bad_example(tmp_path)
        tree["task"]["bad_gradients"] = "exclude"
        run = lp.run(tree, out=tmp_path / "run")
        assert run.summary["status"] == "done"
        assert np.isfinite(run.history.to_numpy()).all()
        ((worker, count),) = run.summary["excluded_rounds"].items()
        assert count == run.rounds["excluded_workers"].sum() > 0
        said = " ".join(capsys.readouterr().out.split())
        assert f"not finite: worker {worker} in {count} rounds." in said
