"""The tables of docs/mnist_table.md: printed by `python docs/mnist_table.py`.

Given the folders of sweeps of `mnist_table`, it first writes docs/mnist_table.csv anew from them: a
row a run, with the best accuracy over epochs of the running mean of the weights.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

CSV = Path(__file__).with_suffix(".csv")
COLUMNS = {
    "uplink.compressor": "compressor",
    "uplink.power.energy_per_round": "energy",
    "task.optimizer.learning_rate": "learning_rate",
    "seed": "seed",
    "ema_best": "accuracy",
}
PAPERS_RATE = 0.01
# Makkuva et al., ICML 2024, at energies 0.1, 1 and 10, read off its figure; LASER from its table.
PAPER = {
    "identity": (81.3, 87.9, 91.9),
    "signum": (76.7, 83.2, 85.4),
    "random_k": (86.1, 89.3, 91.5),
    "sketch": (81.9, 88.2, 91.65),
    "a_dsgd, pseudo-inverse": (81.6, 86.9, 87.35),
    "a_dsgd, message passing": None,
    "laser, rank 2": (84.3, 89.9, 92.3),
}
ENERGIES = (0.1, 1.0, 10.0)


def collect(sweeps: list[Path]) -> pd.DataFrame:
    """A row a run that ended."""
    from laser_phy.experiments.sweep.results import load_sweep

    runs = load_sweep(*sweeps).runs
    rows = runs[runs["status"].isin(["done", "diverged"])][list(COLUMNS)].rename(columns=COLUMNS)
    rows["compressor"] = [_name(value) for value in rows["compressor"]]
    rows["accuracy"] = (100 * rows["accuracy"]).round(2)
    return rows.drop_duplicates(subset=list(COLUMNS.values())[:4])


def _name(compressor: str) -> str:
    """`random_k factor 0.1`, as a sweep calls it, in short."""
    name = compressor.split()[0]
    if name == "a_dsgd":
        return (
            f"a_dsgd, {'pseudo-inverse' if 'decoder linear' in compressor else 'message passing'}"
        )
    return "laser, rank 2" if name == "laser" else name


def at_the_papers_rate(rows: pd.DataFrame) -> str:
    """Mean and standard deviation over seeds at the paper's learning rate, beside the paper."""
    lines = ["| scheme | P = 0.1 | paper | P = 1 | paper | P = 10 | paper |", "|---|" + 6 * "--:|"]
    for name, paper in PAPER.items():
        cells = []
        for energy, theirs in zip(ENERGIES, paper or (None,) * 3, strict=True):
            cells += [
                _cell(rows, name, energy, PAPERS_RATE),
                "" if theirs is None else f"{theirs:g}",
            ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def tuned(rows: pd.DataFrame) -> str:
    """The learning rate of the best seed-1 run of every cell, and the cell with it."""
    lines = ["| scheme | P = 0.1 | rate | P = 1 | rate | P = 10 | rate |", "|---|" + 6 * "--:|"]
    for name in PAPER:
        cells = []
        for energy in ENERGIES:
            of = rows[(rows.compressor == name) & (rows.energy == energy) & (rows.seed == 1)]
            if of.learning_rate.nunique() < 3:
                cells += ["", ""]
                continue
            rate = of.loc[of.accuracy.idxmax(), "learning_rate"]
            cells += [_cell(rows, name, energy, rate), f"{rate:g}"]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(rows: pd.DataFrame, name: str, energy: float, rate: float) -> str:
    here = (rows.compressor == name) & (rows.energy == energy) & (rows.learning_rate == rate)
    found = rows.accuracy[here]
    if found.empty:
        return ""
    spread = f" ± {found.std(ddof=1):.1f}" if len(found) > 1 else ""
    return f"{found.mean():.1f}{spread}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sweeps", nargs="*", type=Path)
    options = parser.parse_args()
    if options.sweeps:
        collect(options.sweeps).to_csv(CSV, index=False)
    rows = pd.read_csv(CSV)
    print(at_the_papers_rate(rows), tuned(rows), sep="\n\n")


if __name__ == "__main__":
    main()
