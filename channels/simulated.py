"""Laws of the gain without a closed form, from simulated draws."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from laser_phy.channels.base import UNSEEN
from laser_phy.channels.gain_law import Empirical, GainLaw
from laser_phy.channels.grid import Grid
from laser_phy.core.lazy import tf

if TYPE_CHECKING:
    from laser_phy.channels.moving import PathFading

DRAWS = 64
PLACES = 32  # a draw is looked at in
CARRIERS = 16
STRIDE_WAVELENGTHS = 17.3  # between two places: far apart for fading, and no multiple of one


def simulated_laws(fading: PathFading, workers: int, draws: int = DRAWS) -> list[GainLaw]:
    """`Empirical` laws of |w^H h|^2, w = 1/sqrt(M), of the first `workers` workers.

    A twin of the channel is driven along a straight line and sampled where its fading is
    independent: a draw of directions and powers gives 32 places times 16 subcarriers. The samples
    of a law are [draw, place * subcarrier].
    """
    grid, settings = fading.grid, fading.settings
    carriers = np.linspace(0, len(grid.frequencies_hz) - 1, CARRIERS).round().astype(int)
    sparse = Grid(
        frequencies_hz=grid.frequencies_hz[np.unique(carriers)],
        times=np.arange(PLACES),
        ofdm_symbols=PLACES,
        symbol_duration_s=STRIDE_WAVELENGTHS * settings.wavelength_m,  # at 1 m/s
    )
    twin = fading.twin(sparse)

    @tf.function
    def gains(realisation: Any) -> Any:
        state = twin.draw(realisation, tf.constant(1.0))

        def of_worker(worker: Any) -> Any:
            beam = tf.reduce_sum(twin.response(state, worker), axis=0)
            return tf.square(tf.abs(beam)) / settings.antennas

        return tf.map_fn(of_worker, tf.range(workers), fn_output_signature=tf.float32)

    samples = np.stack([gains(tf.constant(UNSEEN + i, tf.int64)).numpy() for i in range(draws)])
    return [Empirical(samples[:, worker]) for worker in range(workers)]
