"""Draws the figures of the theory page.

    python docs/figures/theory.py [--out docs/figures] [--trials 5] [--rounds 800]

`influence.svg`: noise that the channel adds to a gradient, against the energy of a round.
`rates.svg`: Theorem 1 on a strongly convex quadratic, with simulated training.
"""

import argparse
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib import pyplot as plt

from laser_phy.theory import (
    Rate,
    influence_laser,
    influence_laser_bound,
    influence_z_sgd,
)
from laser_phy.theory.influence import send_laser, send_z_sgd
from laser_phy.theory.rates import Quadratic

ROWS, COLUMNS, RANK = 64, 96, 2
QUALITY = 0.15  # delta_r; the run says 0.16
ORANGE, BLUE = "#d95f02", "#1f77b4"


def influence(out: Path, trials: int) -> Path:
    """lambda of Z-SGD and LASER over the energy: formula, bound, simulation."""
    random = np.random.default_rng(0)
    gradient = random.standard_normal((ROWS, RANK)) @ random.standard_normal((RANK, COLUMNS))
    sigma = np.linalg.svd(gradient, compute_uv=False)[:RANK]
    energies = np.geomspace(10, 1e6, 60)
    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    z_sgd = [influence_z_sgd(ROWS, COLUMNS, p) for p in energies]
    laser = [influence_laser(ROWS, COLUMNS, sigma, p) for p in energies]
    bound = [influence_laser_bound(ROWS, COLUMNS, RANK, p) for p in energies]
    axes.loglog(energies, z_sgd, color=ORANGE, label="Z-SGD, Lemma 9")
    axes.loglog(energies, laser, color=BLUE, label=f"LASER rank {RANK}, Lemmas 7 and 8")
    axes.loglog(energies, bound, color=BLUE, ls=":", label="LASER, bound of Lemma 10")
    power = np.sum(gradient**2)
    for p in energies[4::9]:
        for color, send in (
            (ORANGE, lambda p: send_z_sgd(gradient, p, random)),
            (BLUE, lambda p: send_laser(gradient, RANK, p, random)[0]),
        ):
            errors = [np.sum((send(p) - gradient) ** 2) / power for _ in range(4 * trials)]
            axes.loglog(p, np.mean(errors), "o", color=color, ms=4)
    axes.set(xlabel="energy of a round", ylabel="channel influence factor")
    axes.set_title(f"A {ROWS} x {COLUMNS} gradient of rank {RANK} (dots: simulated)", fontsize=10)
    axes.legend(frameon=False, fontsize=9)
    return _save(figure, out / "influence.svg")


def rates(out: Path, trials: int, rounds: int) -> Path:
    """f along simulated training, and the bound of Theorem 1 for the same step."""
    task, energy = Quadratic(), 500.0
    size = (task.rows, task.columns)
    sigma = np.linalg.svd(task.start(), compute_uv=False)[: task.rank]
    schemes = {
        "Z-SGD": (ORANGE, None, Rate(task.smoothness, influence_z_sgd(*size, energy))),
        "LASER": (
            BLUE,
            task.rank,
            Rate(task.smoothness, influence_laser(*size, sigma, energy), quality=QUALITY),
        ),
    }
    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    time = np.arange(1, rounds + 1)
    for name, (color, rank, rate) in schemes.items():
        curves = [task.train(rate.step, energy, rounds, rank, seed)[0] for seed in range(trials)]
        axes.semilogy(np.mean(curves, axis=0), color=color, label=f"{name}, simulated")
        bound = rate.strongly_convex(time, 1.0, task.convexity)
        axes.semilogy(time, bound, color=color, ls=":", label=f"{name}, Theorem 1")
    axes.set(xlabel="round", ylabel="f - f*", ylim=(1e-5, None))
    axes.set_title(f"Quadratic of {size[0]} x {size[1]}, energy {energy:g} a round", fontsize=10)
    axes.legend(frameon=False, fontsize=9)
    return _save(figure, out / "rates.svg")


def _save(figure, path: Path) -> Path:
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--trials", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=800)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    print(influence(options.out, options.trials))
    print(rates(options.out, options.trials, options.rounds))


if __name__ == "__main__":
    main()
