"""`overview.png`: a run's learning curve, its channel, and the error of its link, in one figure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from laser_phy.core.figures import BLUE, GREEN, GREY, ORANGE, VERMILION, new_figure, plain
from laser_phy.core.metric_names import is_share
from laser_phy.experiments.run.results import Run, load_run
from laser_phy.experiments.run.run_folder import FolderError, RunFolder

# Okabe and Ito's colours, told apart by every kind of colour vision.
WORKERS_SHOWN = 4


def overview(path: str | Path) -> Path:
    """Draw `overview.png` from the files of a run's folder.

    Raises:
        FolderError: no run ended there.
    """
    run = load_run(path)
    folder = RunFolder(run.path)
    figure = new_figure(13, 7.5)
    axes = figure.subplots(2, 3)
    figure.suptitle(_title(run), fontsize=12)
    _metric(axes[0, 0], run)
    _loss(axes[1, 0], run)
    snapshot = _snapshot(folder)
    threshold = getattr(run.scenario.uplink.power_control, "threshold", 0.0)
    _gain(axes[0, 1], snapshot, threshold)
    _power(axes[1, 1], snapshot)
    _errors(axes[0, 2], run.rounds)
    _snr_and_energy(axes[1, 2], run)
    for axis in axes.flat:
        plain(axis)
    try:
        figure.savefig(folder.overview)
    except OSError as error:
        raise FolderError(f"{folder.overview}: cannot be written: {error.strerror}.") from None
    return folder.overview


def _title(run: Run) -> str:
    uplink = run.scenario.uplink
    budget = run.summary["energy_budget"]
    return (
        f"{run.summary['name']}: {run.scenario.task.workers} workers, "
        f"{uplink.compressor.name} over {uplink.channel.name}, {uplink.power_control.name} power "
        f"control, energy {budget:g} a worker and round"
    )


def _snapshot(folder: RunFolder) -> dict[str, Any] | None:
    try:
        with np.load(folder.snapshot) as arrays:
            return dict(arrays)
    except (OSError, ValueError):
        return None


def _curves(axis: Any, history: pd.DataFrame, curves: dict[str, tuple[str, str]]) -> None:
    for column, (label, colour) in curves.items():
        if column in history:
            axis.plot(history["rounds"], history[column], "o-", ms=3, color=colour, label=label)
    axis.set_xlabel("rounds")
    axis.legend(frameon=False, fontsize=8)


def _metric(axis: Any, run: Run) -> None:
    metric = run.summary["metric"]["name"].removeprefix("val_")
    curves = {
        metric: ("training, mean over the epoch", BLUE),
        f"val_{metric}": ("test", ORANGE),
        f"ema_val_{metric}": ("test, running mean of the weights", GREEN),
    }
    percent = 100.0 if is_share(metric) else 1.0
    history = run.history.copy()
    for column in curves:
        if column in history:
            history[column] *= percent
    _curves(axis, history, curves)
    axis.set_ylabel(f"{metric} (%)" if percent > 1 else metric)
    axis.set_title("Learning")


def _loss(axis: Any, run: Run) -> None:
    rounds = run.rounds
    if len(rounds):
        axis.plot(rounds["round"], rounds["loss"], color=BLUE, alpha=0.25, lw=0.8, label="a round")
    curves = {
        "loss": ("training", BLUE),
        "val_loss": ("test", ORANGE),
        "ema_val_loss": ("test, running mean of the weights", GREEN),
    }
    _curves(axis, run.history, curves)
    axis.set_ylabel("loss")


def _none(axis: Any, why: str) -> None:
    axis.text(0.5, 0.5, why, ha="center", va="center", transform=axis.transAxes, color=GREY)


def _at_least(axis: Any, span: float) -> None:
    """Do not blow a constant up to fill the axis."""
    low, high = axis.get_ylim()
    if high - low < span:
        middle = (low + high) / 2
        axis.set_ylim(middle - span / 2, middle + span / 2)


def _workers(axis: Any, carriers: Any, values: Any) -> None:
    """A line for each of the first workers, told apart by colour and by dashes."""
    styles = zip((BLUE, ORANGE, GREEN, VERMILION), ("-", "--", "-.", ":"), strict=True)
    for worker, (line, (colour, style)) in enumerate(zip(values, styles, strict=False)):
        axis.plot(carriers, line, style, color=colour, lw=1.2, label=f"worker {worker}")
    axis.set_xlabel("subcarrier (0 is the centre)")
    _at_least(axis, 6.0)


def _gain(axis: Any, snapshot: dict[str, Any] | None, threshold: float) -> None:
    axis.set_title("Channel and power, one round")
    axis.set_ylabel("channel gain |h|² (dB)")
    if snapshot is None:
        _none(axis, "not recorded")
        return
    _workers(axis, _carriers(snapshot), np.asarray(snapshot["gain_db"]))
    if threshold > 0:
        axis.axhline(10 * np.log10(threshold), color=GREY, ls="--", lw=1, label="silent below")
    axis.legend(frameon=False, ncols=2, fontsize=8)


def _power(axis: Any, snapshot: dict[str, Any] | None) -> None:
    axis.set_ylabel("transmit power (dB over its mean)")
    if snapshot is None:
        _none(axis, "not recorded")
        return
    carriers, silent = _carriers(snapshot), np.asarray(snapshot["truncated"], bool)
    power = np.where(silent, np.nan, np.asarray(snapshot["power_db"]))
    _workers(axis, carriers, power)
    if silent[:WORKERS_SHOWN].any():
        bottom, top = axis.get_ylim()
        step = (top - bottom) / 30
        for row, mask in enumerate(silent[:WORKERS_SHOWN], start=1):
            where = carriers[mask]
            axis.plot(where, np.full(len(where), bottom - row * step), "|", color=GREY, ms=4)
        label = "silent, the channel being too weak (a row a worker)"
        axis.plot([], [], "|", color=GREY, ms=4, label=label)
        handles, labels = axis.get_legend_handles_labels()
        axis.set_ylim(top=top + 3 * step)
        axis.legend(handles[-1:], labels[-1:], frameon=False, fontsize=8, loc="upper right")


def _carriers(snapshot: dict[str, Any]) -> Any:
    count = np.shape(snapshot["gain_db"])[1]
    return np.asarray(snapshot.get("subcarrier", np.arange(count)))


def _errors(axis: Any, rounds: pd.DataFrame) -> None:
    axis.set_title("Link over rounds")
    axis.axhline(0, color=GREY, lw=0.8)
    for column, label, colour in (
        ("gradient_nmse_db", "decoded against the true mean gradient", VERMILION),
        ("uplink_nmse_db", "decoded against what was sent", BLUE),
    ):
        if column in rounds:
            _line(axis, rounds, column, label, colour)
    axis.set_xlabel("rounds")
    axis.set_ylabel("NMSE (dB)")
    axis.legend(frameon=False, fontsize=8)


def _snr_and_energy(axis: Any, run: Run) -> None:
    rounds, budget = run.rounds, run.summary["energy_budget"]
    _line(axis, rounds, "energy_mean_worker", "mean worker", BLUE)
    _line(axis, rounds, "energy_max_worker", "largest of the workers", ORANGE)
    axis.axhline(budget, color=GREY, ls="--", lw=1, label=f"budget ({run.summary['budget_rule']})")
    axis.set_ylim(bottom=0)
    axis.set_xlabel("rounds")
    axis.set_ylabel("energy a round (noise 1 a real)")
    axis.legend(frameon=False, fontsize=8)


def _line(axis: Any, rounds: pd.DataFrame, column: str, label: str, colour: str) -> None:
    """Single rounds pale, and their running mean over a tenth of the run; dB as powers."""
    decibel = column.endswith("_db")
    values = 10 ** (rounds[column] / 10) if decibel else rounds[column]
    window = max(2, len(rounds) // 20 * 2)  # even: kinds of round that alternate count alike
    smooth = values.rolling(window, center=True, min_periods=1).mean()
    axis.plot(rounds["round"], rounds[column], color=colour, alpha=0.25, lw=0.8)
    shown = 10 * np.log10(smooth) if decibel else smooth
    axis.plot(rounds["round"], shown, color=colour, lw=1.6, label=label)
