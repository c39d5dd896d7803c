"""Draws the figures and prints the tables of the downlink's page, from sweeps that were run.

    python docs/figures/downlink.py SNR BASES RESNET GPT [--out docs/images]

The folders are those of the page's commands, in this order; one without a finished run is left out.
"""

import argparse
from pathlib import Path

import matplotlib
import pandas as pd

matplotlib.use("Agg")
from matplotlib import pyplot as plt

import laser_phy as lp
from laser_phy.experiments.report.drawing import COLOURS, MARKS

DOWN, UP = "downlink.power.snr_db", "uplink.power.snr_db"
SCHEME, PAYLOAD, RESYNC = "uplink.compressor", "downlink.payload", "downlink.resync_every"
BASIS, SPEED = "downlink.basis", "downlink.channel.speed_mps"
NAMES = {"laser rank 4": "LASER", "identity": "Z-SGD"}


def finished(folder: Path) -> pd.DataFrame | None:
    """A row a finished run; `score` is the last test metric, in percent if an accuracy."""
    if not folder.is_dir():
        return None
    runs = lp.load_sweep(folder).runs
    if not (runs["status"] == "done").any():
        return None
    runs = runs[runs["status"] == "done"].copy()
    percent = 100.0 if runs["metric"].iloc[0].endswith("accuracy") else 1.0
    return runs.assign(score=percent * runs["final"])


def table(runs: pd.DataFrame, rows: list[str], column: str) -> str:
    """Markdown: mean over seeds, and the lowest and highest where there are several."""
    runs = runs.assign(**{row: runs[row].map(_told) for row in rows})
    values = sorted(runs[column].unique())
    lines = ["| " + " | ".join([*(r.split(".")[-1] for r in rows), *(f"{v:g} dB" for v in values)])]
    lines.append("|" + "---|" * (len(rows) + len(values)))
    for key, part in runs.groupby(rows, sort=False):
        cells = [_cell(part[part[column] == value]["score"]) for value in values]
        lines.append("| " + " | ".join([*key, *cells]))
    return "\n".join(f"{line} |" if line[-1] != "|" else line for line in lines)


def _told(value: object) -> str:
    if pd.isna(value):
        return "never"
    return NAMES.get(str(value), f"{value:g}" if isinstance(value, int | float) else str(value))


def _cell(scores: pd.Series) -> str:
    if scores.empty:
        return ""
    spread = f" ({scores.min():.1f}-{scores.max():.1f})" if len(scores) > 1 else ""
    return f"{scores.mean():.1f}{spread}"


def _line(axes, runs: pd.DataFrame, x: str, label: str, index: int, **look: object) -> None:
    """Mean over seeds with a band from the lowest to the highest."""
    points = runs.groupby(DOWN if x != UP else UP).agg({x: "mean", "score": ["mean", "min", "max"]})
    color = COLOURS[index]
    axes.plot(
        points[x, "mean"], points["score", "mean"], color=color, marker=MARKS[index], ms=4,
        label=label, **look,
    )  # fmt: skip
    axes.fill_between(
        points[x, "mean"], points["score", "min"], points["score", "max"], color=color, alpha=0.12,
        lw=0,
    )  # fmt: skip


def against_downlink(runs: pd.DataFrame) -> plt.Figure:
    """Accuracy against SNR and against energy of a broadcast, schemes and payloads."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained", sharey=True)
    for index, ((scheme, payload), part) in enumerate(runs.groupby([SCHEME, PAYLOAD])):
        for resync, own in part.groupby(RESYNC, dropna=False):
            never = pd.isna(resync)
            label = f"{NAMES[scheme]}, {payload}, " + ("no resync" if never else "resync")
            for axes, x in ((left, DOWN), (right, "downlink_energy")):
                _line(axes, own, x, label, index, ls="-" if never else ":")
    left.set(xlabel="SNR of the broadcast (dB a symbol)", ylabel="test accuracy (%)")
    right.set(xlabel="energy of a broadcast (noise is 1 a real)", xscale="log")
    figure.legend(*left.get_legend_handles_labels(), loc="outside right center", frameon=False,
                  fontsize=8)  # fmt: skip
    return figure


def drift(folder: Path, runs: pd.DataFrame, snr_db: float = 30) -> plt.Figure:
    """Spread of the replicas over the rounds of LASER's runs at one SNR."""
    figure, axes = plt.subplots(figsize=(5, 3.6), layout="constrained")
    chosen = runs[(runs[DOWN] == snr_db) & (runs[SCHEME] == "laser rank 4") & (runs["seed"] == 1)]
    for index, ((payload, resync), part) in enumerate(
        chosen.groupby([PAYLOAD, RESYNC], dropna=False)
    ):
        if payload == "weights" and not pd.isna(resync):
            continue  # as without
        rounds = lp.load_run(folder / "runs" / part["run"].iloc[0]).rounds
        label = f"{payload}, resync " + ("never" if pd.isna(resync) else f"every {resync:g}")
        axes.plot(rounds["round"], rounds["replica_spread_db"], color=COLOURS[index], label=label)
    axes.set(xlabel="round", ylabel="spread of the replicas (dB)")
    axes.legend(frameon=False, fontsize=9)
    return figure


def against_bases(runs: pd.DataFrame) -> plt.Figure:
    """Accuracy against SNR, a line a basis."""
    figure, axes = plt.subplots(figsize=(5, 3.6), layout="constrained")
    for index, (basis, part) in enumerate(runs.groupby(BASIS)):
        _line(axes, part, DOWN, str(basis), index)
    axes.set(xlabel="SNR of the broadcast (dB a symbol)", ylabel="test accuracy (%)")
    axes.legend(frameon=False, fontsize=9, title="basis")
    return figure


def both_ways(studies: dict[str, pd.DataFrame]) -> plt.Figure:
    """Metric against SNR of the uplink, a line a downlink SNR and speed; a panel a model."""
    width = 4.2 * len(studies) + 1.6
    figure, panels = plt.subplots(1, len(studies), figsize=(width, 3.6), layout="constrained",
                                  squeeze=False)  # fmt: skip
    for axes, (name, runs) in zip(panels[0], studies.items(), strict=True):
        for index, ((speed, down), part) in enumerate(runs.groupby([SPEED, DOWN])):
            label = f"{speed:g} m/s, downlink {down:g} dB"
            _line(axes, part, UP, label, index, ls="-" if speed == min(runs[SPEED]) else "--")
        axes.set(title=name, xlabel="SNR of the uplink (dB a symbol)")
        text = runs["metric"].iloc[0].endswith("perplexity")
        axes.set_ylabel("test perplexity" if text else "test accuracy (%)")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right center", frameon=False,
                  fontsize=8)  # fmt: skip
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs=4, metavar="SWEEP")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent.parent / "images")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    snr, bases, resnet, gpt = [finished(folder) for folder in options.folders]
    drawn = {}
    if snr is not None:
        print(table(snr, [SCHEME, PAYLOAD, RESYNC], DOWN))
        drawn["downlink_snr"] = against_downlink(snr)
        drawn["downlink_drift"] = drift(options.folders[0], snr)
    if bases is not None:
        print(table(bases, [BASIS], DOWN))
        drawn["downlink_bases"] = against_bases(bases)
    studies = {
        name: runs for name, runs in (("ResNet18", resnet), ("GPT", gpt)) if runs is not None
    }
    for runs in studies.values():
        print(table(runs, [SPEED, DOWN], UP))
    if studies:
        drawn["both_ways"] = both_ways(studies)
    for name, figure in drawn.items():
        path = options.out / f"{name}.png"
        figure.savefig(path, dpi=110)
        print(path)


if __name__ == "__main__":
    main()
