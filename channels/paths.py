"""Frequency response of a set of paths, as a matrix product."""

from __future__ import annotations

from typing import Any

import numpy as np

from laser_phy.channels.grid import Grid
from laser_phy.core.lazy import tf


class PathResponse:
    """H[m, t, f] = sum_p a[m, p, t] e^(-j 2 pi f tau_p), a matrix product with E[p, f].

    Sionna's `cir_to_ofdm_channel` computes the same and materialises [antenna, path, time,
    subcarrier] on the way; here nothing is larger than the result.

    Args:
        grid: resource elements of one round.
    """

    def __init__(self, grid: Grid) -> None:
        self._frequencies = np.asarray(grid.frequencies_hz, np.float64)
        every = np.array_equal(grid.times, np.arange(grid.ofdm_symbols))
        self._times = None if every else grid.times

    def __call__(self, gains: Any, delays_s: Any, times: Any = None) -> Any:
        """Responses [antenna, time * subcarrier] of one round.

        Args:
            gains: [antenna, path, OFDM symbol] complex64.
            delays_s: [path]; an array makes a constant of the steering matrix, a tensor does not.
            times: [time] OFDM symbols, those of the grid by default.
        """
        times = self._times if times is None else times
        if times is not None:
            gains = tf.gather(gains, times, axis=2)
        response = tf.matmul(gains, self.steering(delays_s), transpose_a=True)
        return tf.reshape(response, [tf.shape(gains)[0], -1])  # antenna, time * subcarrier

    def steering(self, delays_s: Any) -> Any:
        """E [path, subcarrier] = e^(-j 2 pi f tau), its phase in double precision: a delay of
        many periods of the band edge leaves few digits of a float32."""
        if isinstance(delays_s, np.ndarray):
            phase = np.outer(delays_s.astype(np.float64), self._frequencies)
            return tf.constant(np.exp(-2j * np.pi * phase), tf.complex64)
        cycles = tf.cast(delays_s, tf.float64)[:, tf.newaxis] * self._frequencies
        phase = tf.cast(-2 * np.pi * (cycles - tf.round(cycles)), tf.float32)
        return tf.complex(tf.cos(phase), tf.sin(phase))
