"""The report of a sweep: what is drawn, what the numbers say, and the page in a real browser."""

import contextlib
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from laser_phy.cli import main
from laser_phy.core.errors import Refusal
from laser_phy.experiments.report.figures import metric_against, pictures
from laser_phy.experiments.report.page import page
from laser_phy.experiments.report.power_needed import need, power_to_reach, score_table
from laser_phy.experiments.report.study import spread, study_of
from laser_phy.experiments.run.run_folder import FolderError
from laser_phy.experiments.scenario import Scenario
from laser_phy.experiments.sweep.plan import PlannedRun, plan_of
from laser_phy.experiments.sweep.results import load_sweep
from laser_phy.experiments.sweep.sweep_folder import SweepFolder

BASE: dict[str, Any] = {
    "description": "A law that is known, to see whether the report finds it",
    "task": {"dataset": "digits", "model": "linear"},
    "uplink": {"compressor": "laser", "channel": "rayleigh"},
}
ENERGY = "uplink.power.energy_per_round"
SCHEMES = [{"name": "laser", "rank": 4}, {"name": "identity"}]
ADVANTAGE = 16.0
"""What laser needs less of, in the law."""


def law(run: PlannedRun) -> float:
    """Accuracy: 50 % at energy 1 and 10 % more for each decade; laser as if it had 16 times it."""
    energy = run.scenario.uplink.power.energy_per_round
    gain = ADVANTAGE if run.scenario.uplink.compressor.name == "laser" else 1.0
    return float(0.5 + 0.1 * np.log10(gain * energy) + 0.002 * (run.scenario.seed - 2))


def written_sweep(
    folder: Path, name: str = "known", base: dict[str, Any] | None = None, **axes: Any
) -> Path:
    """A sweep's folder whose runs follow the law, three epochs each."""
    plan = plan_of(Scenario.from_config(BASE | (base or {}) | {"name": name, "sweep": axes}))
    sweep = SweepFolder(folder)
    sweep.make()
    sweep.prepare(plan)
    for planned in plan.runs:
        run = sweep.run(planned)
        score, energy = law(planned), planned.scenario.uplink.power.energy_per_round or 100.0
        link = {
            "air_time_ms": 0.1 if planned.scenario.uplink.compressor.name == "laser" else 1.2,
            "uplink_snr_db": float(10 * np.log10(energy)) - 20,
            "uplink_nmse_db": 10 - float(10 * np.log10(energy)),
            "gradient_nmse_db": 12 - float(10 * np.log10(energy)),
        }
        rows = [
            {"epoch": e, "rounds": 10 * (e + 1), "val_accuracy": score * (e + 1) / 3} | link
            for e in range(3)
        ]
        run.append(run.history, rows)
        summary = {
            "status": "done", "rounds": 30, "rounds_planned": 30, "energy_budget": energy,
            "wall_s": 1.0, "rounds_per_s": 30.0, "uplink": link, "downlink": {},
            "metric": {"name": "val_accuracy", "final": score, "best": score + 0.01},
        }  # fmt: skip
        run.summary.write_text(json.dumps(summary))
    return folder


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Path:
    axes = {ENERGY: [1, 10, 100, 1000], "uplink.compressor": SCHEMES, "seed": [1, 2, 3]}
    return written_sweep(tmp_path_factory.mktemp("study") / "s", **axes)


# ---- what the sweep says ----


def test_axes_schemes_and_seeds_are_told_apart(known: Path) -> None:
    study = study_of(load_sweep(known))
    assert (study.numeric, study.named, study.seeds) == ((ENERGY,), ("uplink.compressor",), 3)
    assert [line.name for line in study.lines(ENERGY)] == ["laser rank 4", "identity"]
    assert study.metric_label == "test accuracy (%)"


def test_the_ratio_between_schemes_is_found(known: Path) -> None:
    (row,) = power_to_reach(study_of(load_sweep(known)), [0.65])
    laser, plain = row.needs["laser rank 4"], row.needs["identity"]
    assert plain.value == pytest.approx(10**1.5)  # 0.5 + 0.1 log10(P) = 0.65
    assert laser.value == pytest.approx(10**1.5 / ADVANTAGE)
    assert row.ratios == {"laser rank 4": "1", "identity": "16"}


def test_targets_are_chosen_where_several_schemes_reach_them(known: Path) -> None:
    rows = power_to_reach(study_of(load_sweep(known)))
    assert [row.target for row in rows] == [0.6, 0.7, 0.75, 0.8, 0.85][: len(rows)]
    assert all(not one.bound for one in rows[1].needs.values())


CURVE = pd.Series([0.5, 0.6, 0.8], index=[1.0, 10.0, 100.0])


@pytest.mark.parametrize(
    ("target", "text"), [(0.4, "≤ 1"), (0.6, "10"), (0.7, "31.6"), (0.81, "> 100")]
)
def test_what_lies_outside_is_a_bound(target: float, text: str) -> None:
    assert need(CURVE, target, higher=True, decibel=False).text("") == text


def test_a_bound_below_the_least_need_says_nothing(tmp_path: Path) -> None:
    folder = written_sweep(tmp_path, **{ENERGY: [1, 10, 100], "uplink.compressor": SCHEMES})
    for energy in (10, 100):  # not run yet
        (folder / f"runs/energy_per_round={energy},compressor=identity/summary.json").unlink()
    (row,) = power_to_reach(study_of(load_sweep(folder)), [0.65])
    assert row.needs["identity"].text("") == "> 1"
    assert row.ratios == {"laser rank 4": "1", "identity": "?"}


def test_lower_is_better_and_decibels_are_linear() -> None:
    falling = pd.Series([4.0, 3.0, 2.0], index=[-30.0, -20.0, -10.0])
    assert need(falling, 2.5, higher=False, decibel=True).value == pytest.approx(-15.0)


def test_best_instead_of_final(known: Path) -> None:
    final, best = (study_of(load_sweep(known), score) for score in ("final", "best"))
    assert np.allclose(best.runs["score"] - final.runs["score"], 0.01)
    assert best.metric_label == "test accuracy, best epoch (%)"


def test_tuned_every_scheme_has_its_best_value(tmp_path: Path) -> None:
    axes = {ENERGY: [1, 10], "uplink.compressor": SCHEMES, "seed": [2]}
    sweep = load_sweep(written_sweep(tmp_path, **axes))
    study = study_of(sweep, tune=[ENERGY])
    assert study.runs[ENERGY].tolist() == [10, 10]
    with pytest.raises(Refusal, match=r"--tune task\.epochs: does not vary in this sweep"):
        study_of(sweep, tune=["task.epochs"])


def test_every_scheme_has_a_score_at_every_power(known: Path) -> None:
    table = score_table(study_of(load_sweep(known)))
    assert table is not None
    assert table.columns == ["1", "10", "100", "1000"]
    # 100 (0.5 + 0.1 log10(16 P)), and 0.2 between the three seeds
    laser = ["62.0 ± 0.2", "72.0 ± 0.2", "82.0 ± 0.2", "92.0 ± 0.2"]
    assert table.rows["laser rank 4"] == laser
    assert table.rows["identity"][0] == "50.0 ± 0.2"
    lines = table.in_lines()
    assert lines[1].startswith("laser rank 4 ")
    assert lines[1].endswith("  62.0 ± 0.2  72.0 ± 0.2  82.0 ± 0.2  92.0 ± 0.2")
    assert "deviation over the seeds of a cell, at most 3" in lines[-1]


def test_scores_of_what_was_tuned_say_what_is_best(tmp_path: Path) -> None:
    axes = {ENERGY: [1, 10], "uplink.compressor": SCHEMES, "seed": [2]}
    sweep = load_sweep(written_sweep(tmp_path, **axes))
    table = score_table(study_of(sweep, tune=["uplink.compressor"]))
    assert table is not None
    assert table.rows == {"known": ["62.0 (laser rank 4)", "72.0 (laser rank 4)"]}
    assert table.note.endswith("in brackets the best compressor.")
    assert score_table(study_of(sweep, tune=[ENERGY])) is None


def test_a_label_stands_for_its_settings(tmp_path: Path) -> None:
    points = [
        {"label": "slow", "uplink.channel": "tdl", "uplink.power_control": "none"},
        {"label": "flat", "uplink.channel": "rayleigh", "uplink.power_control": "none"},
    ]
    study = study_of(load_sweep(written_sweep(tmp_path, points=points, **{ENERGY: [1, 10]})))
    assert [line.name for line in study.lines(ENERGY)] == ["slow", "flat"]


def test_settings_are_called_with_their_units(tmp_path: Path) -> None:
    base = {"uplink": BASE["uplink"] | {"channel": "tdl"}}
    axes = {"uplink.channel.speed_mps": [3, 30], ENERGY: [1, 10], "seed": [1, 2]}
    study = study_of(load_sweep(written_sweep(tmp_path, base=base, **axes)))
    assert [line.name for line in study.lines(ENERGY)] == ["speed 3 m/s", "speed 30 m/s"]
    titles = {picture.name: picture.title for picture in pictures(study)}
    assert titles["metric_against_speed_mps"] == "Test accuracy against speed"
    text = page(study, [], [])
    differ = "energy per round (2 values), speed (2 values), seed (2 values)"
    assert f"8 runs that differ in {differ}." in text
    assert "speed (m/s)</button>" in text


def test_schemes_alone_are_drawn_too(tmp_path: Path) -> None:
    points = [{"label": name, "seed": seed} for seed, name in enumerate("abc")]
    study = study_of(load_sweep(written_sweep(tmp_path, points=points, **{ENERGY: [10]})))
    assert study.numeric == ()
    picture = next(iter(pictures(study)))
    assert picture.name == "metric_by_scheme"
    assert "a: 71.6 % at one setting" in picture.alt


def test_too_many_lines_are_thinned_out(tmp_path: Path) -> None:
    axes = {"uplink.power_control.threshold": [0.01 * i for i in range(1, 21)], ENERGY: [1, 10]}
    study = study_of(load_sweep(written_sweep(tmp_path, **axes)))
    assert [line.name for line in study.lines(ENERGY)] == [
        "threshold 0.01", "threshold 0.11", "threshold 0.2",
    ]  # fmt: skip
    assert spread([1, 2, 3, 4, 5], 3) == [1, 3, 5]


# ---- what is written ----


@pytest.fixture(scope="module")
def reported(known: Path) -> tuple[Path, str]:
    """The page that the command wrote, and what it said."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        main_ends(["report", str(known), "--target", "0.65", "--target", "0.7"])
    return known / "report.html", said.getvalue()


def test_the_command_says_the_power_of_targets(reported: tuple[Path, str]) -> None:
    page, said = reported
    assert "laser rank 4                                  62.0 ± 0.2" in said
    assert "Score of every scheme" in page.read_text(encoding="utf-8")
    assert "To reach 65.0 %: laser rank 4 1.98 (ratio 1); identity 31.6 (ratio 16)" in said
    assert f"Page: {page}" in said


def test_every_figure_is_there_as_png_and_svg(reported: tuple[Path, str]) -> None:
    files = list((reported[0].parent / "figures").iterdir())
    stems = (
        "metric_against_energy_per_round", "metric_against_air_time", "nmse_against_snr",
        "metric_map",
    )  # fmt: skip
    assert {f.name for f in files} == {f"{stem}{end}" for stem in stems for end in (".png", ".svg")}
    assert all(path.stat().st_size > 5_000 for path in files)


def test_the_same_numbers_give_the_same_picture(known: Path) -> None:
    first, second = (metric_against(study_of(load_sweep(known)), ENERGY) for _ in range(2))
    assert first.svg == second.svg


def test_what_people_wrote_is_no_markup(tmp_path: Path) -> None:
    points = [{"label": "<script>alert(1)</script>", ENERGY: 1}, {"label": "b & c", ENERGY: 10}]
    text = page(study_of(load_sweep(written_sweep(tmp_path, points=points))), [], [])
    assert "<script>alert" not in text
    assert "b &amp; c" in text


def set_summary(folder: Path, run: str, **changes: Any) -> None:
    """Change what a run's summary says."""
    file = folder / "runs" / run / "summary.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_a_run_in_part_is_not_drawn_and_the_page_says_so(tmp_path: Path) -> None:
    folder = written_sweep(tmp_path, **{ENERGY: [1, 10, 100, 1000]})
    set_summary(folder, "energy_per_round=1", rounds=20)  # the short run that tells the time
    set_summary(folder, "energy_per_round=10", status="interrupted")
    set_summary(folder, "energy_per_round=100", status="diverged")
    (folder / "runs" / "energy_per_round=1000" / "summary.json").unlink()
    sweep = load_sweep(folder)
    assert sweep.runs["status"].tolist() == ["unfinished", "interrupted", "diverged", "unfinished"]
    study = study_of(sweep)
    assert study.runs[ENERGY].tolist() == [100]
    text = page(study, [], [])
    assert "1 run. Not drawn: 2 unfinished, 1 interrupted." in text
    assert "1 diverged, and count with their score after that." in text


def test_runs_cut_short_on_purpose_are_drawn(tmp_path: Path) -> None:
    folder = written_sweep(tmp_path, **{ENERGY: [1, 10]})
    for run in ("energy_per_round=1", "energy_per_round=10"):
        set_summary(folder, run, rounds=20)
    (folder / "sweep.json").write_text(json.dumps({"rounds": 20}))  # as `--rounds 20` leaves it
    assert load_sweep(folder).runs["status"].tolist() == ["done", "done"]


def test_scores_of_different_kinds_are_not_mixed(tmp_path: Path) -> None:
    folder = written_sweep(tmp_path, **{ENERGY: [1, 10]})
    metric = {"name": "val_perplexity", "final": 4.0, "best": 4.0}
    set_summary(folder, "energy_per_round=1", metric=metric)
    with pytest.raises(Refusal, match=r"metrics \(val_accuracy, val_perplexity\), which cannot"):
        study_of(load_sweep(folder))


def test_a_sweep_of_one_run_has_a_page(tmp_path: Path) -> None:
    folder = written_sweep(tmp_path, **{ENERGY: [10]})
    main_ends(["report", str(folder)])
    assert "<p>1 run.</p>" in (folder / "report.html").read_text()
    assert (folder / "figures" / "metric_by_scheme.png").is_file()


def test_schemes_without_room_are_counted(tmp_path: Path) -> None:
    points = [
        {"label": f"scheme {i}", "uplink.power_control.threshold": i / 100} for i in range(1, 16)
    ]
    study = study_of(load_sweep(written_sweep(tmp_path, points=points, **{ENERGY: [1, 10]})))
    drawn = {picture.name: picture for picture in pictures(study)}
    caption = drawn["metric_against_energy_per_round"].caption
    assert caption == "One seed. 12 of 15 schemes are drawn."
    assert "schemes are drawn" not in drawn["metric_by_scheme"].caption  # it has a row for each
    assert "scheme 15: " not in drawn["metric_against_energy_per_round"].alt
    assert list(power_to_reach(study, [0.6])[0].needs) == [point["label"] for point in points]


def test_what_differs_between_two_sweeps_is_a_setting(tmp_path: Path) -> None:
    axes = {ENERGY: [1, 10]}
    one = written_sweep(tmp_path / "a", **axes)
    uplink = BASE["uplink"] | {"compressor": {"name": "laser", "rank": 2}}
    other = written_sweep(tmp_path / "b", base={"uplink": uplink, "seed": 4}, **axes)
    third = written_sweep(tmp_path / "c", base={"task": BASE["task"] | {"model": "mlp"}}, **axes)
    sweep = load_sweep(one, other, third)
    assert sweep.settings == (ENERGY, "seed", "uplink.compressor.rank", "task.model")
    assert sweep.runs["uplink.compressor.rank"].tolist() == [4, 4, 2, 2, 4, 4]
    assert sweep.runs["task.model"].tolist() == ["linear"] * 4 + ["mlp"] * 2
    assert sweep.runs["sweep"].tolist() == [str(f) for f in (one, one, other, other, third, third)]
    assert len(study_of(sweep).epochs) == 6 * 3  # runs of the same name are not mixed up
    with pytest.raises(FolderError, match="is given twice; name each sweep once"):
        load_sweep(one, other, one)


def test_two_sweeps_are_drawn_together(known: Path, tmp_path: Path) -> None:
    axes = {"uplink.channel": ["awgn"], ENERGY: [1, 10]}
    other = written_sweep(tmp_path / "o", "other", **axes)
    study = study_of(load_sweep(other, known))
    assert study.title == "other and known"
    assert len(study.runs) == 2 + 24
    assert {"awgn", "rayleigh"} == set(study.runs["uplink.channel"])


def main_ends(arguments: list[str], status: int = 0) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == status


def test_nothing_to_draw_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = SweepFolder(tmp_path / "s")
    folder.make()
    folder.prepare(plan_of(Scenario.from_config(BASE | {"name": "e", "sweep": {"seed": [1, 2]}})))
    main_ends(["report", str(folder.path)], status=2)
    assert "there is nothing to draw: no run of it has ended." in capsys.readouterr().err
    with pytest.raises(Refusal, match="have no ema_best value"):
        study_of(load_sweep(written_sweep(tmp_path / "t", **{ENERGY: [1, 2]})), "ema_best")


def test_a_target_needs_a_power(tmp_path: Path) -> None:
    folder = written_sweep(tmp_path, **{"task.workers": [4, 8], ENERGY: [1]})
    with pytest.raises(Refusal, match=r"--target needs a sweep over uplink\.power\.energy_per"):
        power_to_reach(study_of(load_sweep(folder)), [0.9])


# ---- the page, in a browser ----


def browser_path() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    return next((found for found in map(shutil.which, names) if found), None)


def why_no_browser() -> str:
    """Empty where a page can be opened."""
    try:
        import playwright  # noqa: F401
    except ImportError:
        return "playwright is not installed: pip install playwright"
    if browser_path() is None:
        return "no chromium is on the PATH: apt-get install chromium"
    return ""


@pytest.fixture
def browser() -> Iterator[Any]:
    if why_no_browser():
        pytest.skip(why_no_browser())
    from playwright.sync_api import sync_playwright

    with sync_playwright() as engine:
        opened = engine.chromium.launch(executable_path=browser_path(), args=["--no-sandbox"])
        yield opened
        opened.close()


def test_why_the_browser_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert "chromium" in why_no_browser() or "playwright" in why_no_browser()


def test_the_page_in_a_browser(reported: tuple[Path, str], browser: Any) -> None:
    file, _ = reported
    context = browser.new_context(offline=True)
    tab = context.new_page()
    complaints: list[str] = []
    requests: list[str] = []
    tab.on("console", lambda message: complaints.append(message.text))
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("request", lambda request: requests.append(request.url.split(":")[0]))
    tab.goto(file.as_uri())
    images = tab.evaluate("[...document.images].map(i => [i.complete && i.naturalWidth, i.alt])")
    assert len(images) == 4
    assert all(width > 100 for width, _ in images)
    assert all("laser rank 4" in alt and "identity" in alt for _, alt in images)
    assert "80 % at 1000" in images[0][1]  # the curve in words

    button = tab.get_by_role("button", name="final", exact=True)
    column = tab.evaluate(
        "[...document.querySelectorAll('.sortable th')].findIndex(h => h.innerText.trim()"
        ".startsWith('final'))"
    )

    def scores() -> list[float]:
        cells = tab.locator(f".sortable tbody td:nth-child({column + 1})").all_inner_texts()
        return [float(text.removesuffix(" %")) for text in cells]

    button.click()
    assert scores() == sorted(scores())
    button.click()
    assert scores() == sorted(scores(), reverse=True)
    assert len(scores()) == 24
    assert complaints == []
    assert set(requests) <= {"file", "data"}


@pytest.mark.parametrize("width", [360, 390, 1200])
def test_the_page_fits_a_phone(reported: tuple[Path, str], browser: Any, width: int) -> None:
    file, _ = reported
    tab = browser.new_page(viewport={"width": width, "height": 800})
    tab.goto(file.as_uri())
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    size = tab.evaluate("parseFloat(getComputedStyle(document.querySelector('td')).fontSize)")
    assert size >= 14
