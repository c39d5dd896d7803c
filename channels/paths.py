"""Frequency response of a set of paths, as a matrix product."""

from __future__ import annotations

from typing import Any

import numpy as np

from laser_phy.channels.grid import Grid
from laser_phy.lazy import tf


class PathResponse:
    """H[m, t, f] = sum_p a[m, p, t] e^(-j 2 pi f tau_p) for delays that do not change.

    The steering matrix E[p, f] is made once, in double precision. Sionna's `cir_to_ofdm_channel`
    computes the same and materialises [antenna, path, time, subcarrier] on the way.

    Args:
        grid: resource elements of one round.
        delays_s: [path].
    """

    def __init__(self, grid: Grid, delays_s: Any) -> None:
        phase = np.outer(np.asarray(delays_s, np.float64), grid.frequencies_hz)  # path, subcarrier
        self._steering = tf.constant(np.exp(-2j * np.pi * phase), tf.complex64)
        self._times = None if len(grid.times) == grid.ofdm_symbols else grid.times

    def __call__(self, gains: Any) -> Any:
        """Responses [antenna, time * subcarrier] from path gains [antenna, path, OFDM symbol]."""
        if self._times is not None:
            gains = tf.gather(gains, self._times, axis=2)
        response = tf.matmul(gains, self._steering, transpose_a=True)  # antenna, time, subcarrier
        return tf.reshape(response, [tf.shape(gains)[0], -1])
