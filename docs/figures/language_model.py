"""Draws the figure of the language model's page, and prints its table, from the three runs.

    python docs/figures/language_model.py IDEAL LASER ZSGD [--out docs/images]

The folders are those of the page's commands, in this order.
"""

import argparse
import json
import math
from pathlib import Path

import matplotlib
import pandas as pd

matplotlib.use("Agg")
from matplotlib import pyplot as plt

from laser_phy.experiments.report.drawing import COLOURS

NAMES = ("ideal channel, no compression", "LASER", "Z-SGD")
SMOOTHED = 200  # rounds


def draw(runs: dict[str, Path]) -> plt.Figure:
    """Mean training loss of the last rounds against the round."""
    figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
    for colour, (name, folder) in zip(COLOURS, runs.items(), strict=False):
        loss = pd.read_csv(folder / "rounds.csv")["loss"].rolling(SMOOTHED).mean()
        axes.plot(loss.index, loss, color=colour, label=name)
    axes.set(xlabel="round", ylabel=f"training loss (nats a byte, mean of {SMOOTHED} rounds)")
    axes.set_ylim(top=3.0)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    return figure


def row(name: str, folder: Path) -> str:
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    error = summary["uplink"]["gradient_nmse_db"]
    perplexity = summary["metric"]["final"]
    cells = [name, f"{math.log(perplexity):.3f}", f"{perplexity:.2f}", f"{error:.1f}"]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs=3, type=Path)
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    chosen = parser.parse_args()
    runs = dict(zip(NAMES, chosen.folders, strict=True))
    print("| | nats a byte | perplexity | NMSE, dB |\n|---|--:|--:|--:|")
    for name, folder in runs.items():
        print(row(name, folder))
    draw(runs).savefig(chosen.out / "language_model.png", dpi=100)


if __name__ == "__main__":
    main()
