"""Runs from the command line and from Python: their files, their resume, their end."""

import contextlib
import io
import json
import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from run_tools import fingerprint, quick, small

import laser_phy as lp
from laser_phy.cli import main
from laser_phy.experiments.run.run_folder import RunFolder
from laser_phy.experiments.scenario import Scenario, load_scenario

DIAGNOSTICS = {
    "uplink_nmse_db", "gradient_nmse_db", "uplink_snr_db", "energy_max_worker",
    "energy_mean_worker", "symbols_per_round", "air_time_ms", "truncated_fraction",
    "control_bytes_per_round",
}  # fmt: skip


class Told(NamedTuple):
    """A run, its scenario, and what it said."""

    run: Any
    tree: dict[str, Any]
    said: str


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """One run from beginning to end, read by many tests; its model has dropout."""
    from keras import Input, Sequential, layers

    folder = tmp_path_factory.mktemp("whole")
    parts = [Input((8, 8, 1)), layers.Flatten(), layers.Dropout(0.1), layers.Dense(10)]
    Sequential(parts).save(folder / "model.keras")
    tree = small(task__model={"name": "keras", "path": str(folder / "model.keras")})
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        run = lp.run(tree, out=folder / "run")
    return Told(run, tree, said.getvalue())


@pytest.fixture(scope="module")
def whole(told: Told) -> Any:
    """That run alone."""
    return told.run


def test_summary_has_what_is_promised(whole: Any) -> None:
    summary = whole.summary
    assert (summary["name"], summary["seed"], summary["status"]) == ("small", 3, "done")
    assert (summary["rounds"], summary["rounds_planned"], summary["epochs"]) == (21, 21, 3)
    assert set(summary["uplink"]) >= DIAGNOSTICS
    assert summary["downlink"] == {}
    assert (summary["energy_budget"], summary["budget_rule"]) == (100.0, "mean")
    assert summary["wall_s"] > 0
    assert summary["rounds_per_s"] > 0
    assert {"laser_phy", "tensorflow", "keras", "sionna"} <= set(summary["versions"])
    assert json.loads((whole.path / "summary.json").read_text()) == summary


def test_metric_is_that_of_the_history(whole: Any) -> None:
    metric, history = whole.summary["metric"], whole.history
    for found, column in ((metric, "val_accuracy"), (metric["ema"], "ema_val_accuracy")):
        assert found["final"] == history[column].iloc[-1]
        assert found["best"] == history[column].max()
    assert metric["best"] > 0.5  # chance is 0.1


def test_history_has_a_row_an_epoch_and_all_logs(whole: Any) -> None:
    assert whole.history["epoch"].tolist() == [0, 1, 2]
    assert whole.history["rounds"].tolist() == [7, 14, 21]
    tests = {"val_loss", "val_accuracy", "ema_val_loss", "ema_val_accuracy"}
    assert {"loss", "accuracy"} | tests | DIAGNOSTICS <= set(whole.history.columns)
    assert np.isfinite(whole.history.to_numpy()).all()


def test_rounds_has_a_row_a_round(whole: Any) -> None:
    assert whole.rounds["round"].tolist() == list(range(21))
    assert {"loss"} | DIAGNOSTICS <= set(whole.rounds.columns)
    assert np.isfinite(whole.rounds.to_numpy()).all()


def test_link_means_are_those_of_the_rounds(whole: Any) -> None:
    uplink, rounds = whole.summary["uplink"], whole.rounds
    for name in ("energy_mean_worker", "symbols_per_round", "air_time_ms", "truncated_fraction"):
        # float32 sums of 21 numbers: 21 roundings of 6e-8
        assert uplink[name] == pytest.approx(rounds[name].mean(), rel=21 * 6e-8)
    assert uplink["energy_max_worker"] == rounds["energy_max_worker"].max()
    # a ratio of sums lies between the extremes of the ratios
    for name in ("uplink_nmse_db", "gradient_nmse_db", "uplink_snr_db"):
        assert rounds[name].min() <= uplink[name] <= rounds[name].max()


def test_scenario_is_written_resolved(told: Told) -> None:
    assert told.run.scenario == Scenario.from_config(told.tree)
    assert load_scenario(told.run.path / "scenario.yaml") == told.run.scenario


def test_load_run_gives_it_all_back(whole: Any) -> None:
    again = lp.load_run(whole.path)
    assert again.summary == whole.summary
    assert again.history.equals(whole.history)
    assert again.rounds.equals(whole.rounds)


def test_report_draws_the_figure_again(whole: Any, capsys: pytest.CaptureFixture[str]) -> None:
    figure = whole.path / "overview.png"
    figure.unlink()
    with pytest.raises(SystemExit) as end:
        main(["report", str(whole.path)])
    assert end.value.code == 0
    said = capsys.readouterr().out
    assert f"Figure: {figure}" in said
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_a_run_cut_short_goes_on_and_equals_the_whole_one(told: Told, tmp_path: Path) -> None:
    whole = told.run
    first = lp.run(told.tree, out=tmp_path / "run", rounds=9, quiet=True)
    assert first.summary["status"] == "done"
    assert first.summary["rounds"] == 9
    assert first.history["rounds"].tolist() == [7, 9]
    # Nine rounds are run one by one, and seven in one call of the training step: no difference.
    assert first.rounds.equals(whole.rounds.head(9))
    lp.run(told.tree, out=tmp_path / "run", quiet=True)
    assert fingerprint(tmp_path / "run") == fingerprint(whole.path)


def test_rows_after_the_last_epoch_are_forgotten(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.append(folder.history, [{"epoch": 0, "loss": 2.5}, {"epoch": 1, "loss": 1.5}])
    folder.append(folder.rounds, [{"round": t, "loss": 0.1, "snr": t / 3} for t in range(9)])
    with folder.rounds.open("a") as file:  # a run that was killed as it wrote
        file.write("9,0.")
    folder.forget_after(1, 7)
    assert folder.read_rows(folder.history) == [{"epoch": 0, "loss": 2.5}]
    rows = folder.read_rows(folder.rounds)
    assert rows == [{"round": t, "loss": 0.1, "snr": t / 3} for t in range(7)]
    folder.append(folder.rounds, [{"round": 7, "loss": 0.2, "snr": 0.0}])
    assert [row["round"] for row in folder.read_rows(folder.rounds)] == list(range(8))


def test_a_finished_run_is_not_run_again(told: Told, capsys: pytest.CaptureFixture[str]) -> None:
    path = told.run.path
    before = {file: file.stat().st_mtime_ns for file in path.glob("*.csv")}
    again = lp.run(told.tree, out=path)
    assert again.summary == told.run.summary
    assert {file: file.stat().st_mtime_ns for file in path.glob("*.csv")} == before
    said = capsys.readouterr().out
    assert "it is finished. To run it again, give another folder with --out" in said


def test_a_folder_of_another_scenario_is_refused(told: Told) -> None:
    changed = told.tree | {"uplink": told.tree["uplink"] | {"compressor": "laser"}}
    with pytest.raises(ValueError, match=r"uplink\.compressor\.rank is 2 there and 4 now") as error:
        lp.run(changed, out=told.run.path, quiet=True)
    assert "Give another folder with --out, or remove this one." in str(error.value)


def test_the_description_does_not_make_another_scenario(told: Told) -> None:
    changed = told.tree | {"description": "told better"}
    assert lp.run(changed, out=told.run.path, quiet=True).summary == told.run.summary


def test_a_run_that_diverges_says_so_and_has_null_for_what_is_not_finite(tmp_path: Path) -> None:
    tree = quick(
        task__optimizer={"name": "sgd", "learning_rate": 1000.0, "momentum": 0.99},
        task__model={"name": "mlp", "hidden": [16, 16, 16]},
        task__epochs=60,
        uplink__channel={"name": "ideal"},
        uplink__compressor={"name": "identity"},
    )
    result = lp.run(tree, out=tmp_path / "run", quiet=True)
    assert result.summary["status"] == "diverged"
    assert result.summary["rounds"] < result.summary["rounds_planned"]
    assert result.summary["metric"]["final"] is None
    text = (tmp_path / "run" / "summary.json").read_text()
    assert "NaN" not in text
    assert "Infinity" not in text


def test_too_few_examples_of_a_file_are_refused_at_the_start(tmp_path: Path) -> None:
    x = np.zeros((40, 8, 8), np.uint8)
    y = np.arange(40) % 10
    np.savez(tmp_path / "few.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    tree = small(task__dataset={"name": "npz", "path": str(tmp_path / "few.npz")}, task__workers=8)
    with pytest.raises(ValueError, match=r"batch_size must be <= 5, .*; got 8"):
        lp.run(tree, out=tmp_path / "run", quiet=True)


def test_words_and_next_steps(told: Told) -> None:
    said = " ".join(told.said.split())
    assert "4 workers, 8 examples each a round; keras with 650 parameters" in said
    assert "epoch 1/3 round 7 loss " in said
    assert "Finished after 21 rounds" in said
    assert "Test accuracy: " in said
    assert "Energy: of a budget of 100 a worker and round" in said
    assert "Uplink SNR: " in said
    assert f"Figure: {told.run.path / 'overview.png'}" in said
    again = f"laser-phy run {told.run.path / 'scenario.yaml'}"
    assert f"{again} --set 'uplink.compressor={{name: identity}}' --out " in said


def test_text_is_judged_by_its_perplexity(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("to be or not to be, that is the question. " * 40)
    tree = quick(
        task__dataset={"name": "text", "path": str(tmp_path / "text.txt"), "context": 8},
        task__model={"name": "gpt", "layers": 1, "heads": 1, "embedding": 8},
        task__ema=None,
    )
    run = lp.run(tree, out=tmp_path / "run", rounds=2, quiet=True)
    assert run.summary["metric"]["name"] == "val_perplexity"
    assert run.summary["metric"]["best"] == run.history["val_perplexity"].min()
    loss, perplexity = run.history["val_loss"].iloc[0], run.history["val_perplexity"].iloc[0]
    assert perplexity == pytest.approx(math.exp(loss))
