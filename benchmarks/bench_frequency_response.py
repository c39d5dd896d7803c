"""PathResponse against Sionna's `cir_to_ofdm_channel`, both in graph mode, in one run.

TDL-C, 512 subcarriers, 14 OFDM symbols, 16 workers, 4 antennas. Required: at least 5 times faster,
and within 1e-5 of it.

    python benchmarks/bench_frequency_response.py
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from sionna.phy.channel import cir_to_ofdm_channel
from sionna.phy.channel.tr38901 import TDL

from laser_phy.channels.grid import Grid
from laser_phy.channels.paths import PathResponse

WORKERS, ANTENNAS, SYMBOLS, SUBCARRIERS = 16, 4, 14, 512
SPACING_HZ = 30e3
REPEATS = 25
FASTER, ERROR = 5.0, 1e-5


def main() -> int:
    """Print the ratio of medians and the largest error; 1 where a requirement is missed."""
    frequencies = (np.arange(SUBCARRIERS) - SUBCARRIERS // 2) * SPACING_HZ
    grid = Grid(frequencies, np.arange(SYMBOLS), SYMBOLS, 1 / SPACING_HZ)
    tdl = TDL("C", 100e-9, 3.5e9, min_speed=3.0, num_rx_ant=ANTENNAS)
    gains, delays = tdl(WORKERS, SYMBOLS, SPACING_HZ)
    one, response = tdl.delays.numpy(), PathResponse(grid)

    @tf.function
    def ours(gains: Any, delays: Any) -> Any:
        # worker by worker, as the uplink has it; the delays of a TDL are constants
        return tf.map_fn(lambda a: response(a[0, :, 0, 0], one), gains)

    @tf.function
    def sionna(gains: Any, delays: Any) -> Any:
        return cir_to_ofdm_channel(tf.constant(frequencies, tf.float32), gains, delays)

    expected = sionna(gains, delays).numpy().reshape(WORKERS, ANTENNAS, -1)
    error = np.abs(ours(gains, delays).numpy() - expected).max()
    seconds: dict[str, list[float]] = {"ours": [], "sionna": []}
    for _ in range(REPEATS):  # in turns, so that a busy machine is busy for both
        seconds["ours"].append(timed(ours, gains, delays))
        seconds["sionna"].append(timed(sionna, gains, delays))
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    ratio = medians["sionna"] / medians["ours"]
    print(f"PathResponse          {1e3 * medians['ours']:8.2f} ms (median of {REPEATS})")
    print(f"cir_to_ofdm_channel   {1e3 * medians['sionna']:8.2f} ms")
    print(f"ratio                 {ratio:8.1f}     (required >= {FASTER:g})")
    print(f"largest difference    {error:8.1e}     (required <= {ERROR:g})")
    return 0 if ratio >= FASTER and error <= ERROR else 1


def timed(function: Callable[..., Any], *inputs: Any) -> float:
    """Seconds of one call, to the end of its computation."""
    start = time.perf_counter()
    function(*inputs).numpy()
    return time.perf_counter() - start


if __name__ == "__main__":
    sys.exit(main())
