"""What watching costs: a fit with `LinkMonitor` against the same fit without it.

The limit is 1. The model is linear and a round short, so that whatever is done beside it shows; the
fits take turns in one process, because this machine's speed drifts.

    python benchmarks/bench_monitor.py [--every 64] [--rounds 256] [--repeats 7]
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import laser_phy as lp

WORKERS, EXAMPLES = 16, 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    random = np.random.default_rng(1)
    batch = WORKERS * EXAMPLES
    x = random.normal(size=(batch * arguments.rounds, 28, 28, 1)).astype(np.float32)
    y = random.integers(10, size=len(x))
    uplink = lp.Uplink.from_config({"compressor": {"name": "laser", "rank": 4}})
    model = lp.OverTheAir(lp.models.linear((28, 28, 1), 10, seed=1), WORKERS, uplink, seed=1)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.01, 0.9), loss)

    def timed(callbacks: list[keras.callbacks.Callback]) -> float:
        start = time.perf_counter()
        model.fit(x, y, batch_size=batch, verbose=0, shuffle=False, callbacks=callbacks)
        return time.perf_counter() - start

    timed([])
    pairs = []
    with tempfile.TemporaryDirectory() as folder:
        for i in range(arguments.repeats):
            table = Path(folder) / f"{i}.csv"
            watched = timed([lp.callbacks.LinkMonitor(every=arguments.every, csv=table)])
            pairs.append((watched, timed([])))
    ratios = sorted(watched / alone for watched, alone in pairs)
    print(
        f"ratio of times, with LinkMonitor(every={arguments.every}, csv=...) / without: median "
        f"{statistics.median(ratios):.2f}, {ratios[0]:.2f} to {ratios[-1]:.2f} in "
        f"{arguments.repeats} pairs of {arguments.rounds} rounds"
    )


if __name__ == "__main__":
    main()
