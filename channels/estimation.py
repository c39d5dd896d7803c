"""Channel estimates from pilots: Sionna's least squares and interpolators, as matrix products."""

from __future__ import annotations

from typing import Any

import numpy as np

from laser_phy.channels.grid import Grid
from laser_phy.core.lazy import tf


class PilotEstimator:
    """h_hat[m, t, f] = sum_i,c T[i, t] (y[m, i, c] / p[i, c]) F[w, c, f]

    Sionna's interpolators are linear, first over subcarriers and then over the OFDM symbols of a
    slot. Their two matrices are read off once, by interpolating unit pilots; an estimate is then a
    matrix product, equal to Sionna's `LSChannelEstimator` on the slot's grid.

    With `combs` > 1 the pilot symbols are shared by that many senders, sender w on the subcarriers
    w, w + combs, ...: orthogonal pilots.

    Args:
        grid: of the round, with pilots.
        times: OFDM symbols of the round to estimate at.
        combs: senders that share a pilot symbol.
        interpolation: "linear" or "nearest".
    """

    def __init__(self, grid: Grid, times: np.ndarray, combs: int, interpolation: str) -> None:
        self.carriers = len(grid.frequencies_hz)
        if combs > self.carriers:
            raise ValueError(
                f"workers must be <= {self.carriers} (data subcarriers) for orthogonal pilots; "
                f"got {combs}. Take a larger fft_size, or receiver blind, which needs one pilot."
            )
        self.times = np.asarray(times)
        places = np.unique(grid.pilot_times % grid.slot_symbols)
        self._places = len(places)
        self._combs = [np.arange(first, self.carriers, combs) for first in range(combs)]
        width = len(self._combs[0])
        # Every comb as wide as the first; the last entry of a shorter one is not used by F.
        self._table = np.stack([np.resize(comb, width) for comb in self._combs])
        self._frequency = _frequency_matrices(self._combs, self.carriers, interpolation)
        matrix = _time_matrix(places, grid.slot_symbols, interpolation)
        self._weights = matrix[:, self.times % grid.slot_symbols]  # [place, time]
        self._slots = self.times // grid.slot_symbols
        self.pilots = _qpsk(len(grid.pilot_times), self.carriers)  # [pilot symbol, subcarrier]
        self._one_comb = combs == 1

    @property
    def noise_gain(self) -> np.ndarray:
        """[time] error variance of the estimate over that at a pilot, mean over subcarriers."""
        frequency = np.square(self._frequency).sum(axis=1).mean()
        return np.asarray(np.square(self._weights).sum(axis=0) * frequency)

    def comb(self, band: Any, sender: Any) -> Any:
        """[..., pilot symbol, subcarrier] at the pilots of `sender`, [..., pilot symbol, comb]."""
        return band if self._one_comb else tf.gather(band, tf.gather(self._table, sender), axis=-1)

    def __call__(self, received: Any, sender: Any = 0) -> Any:
        """Estimate [antenna, time * subcarrier] from received pilots.

        Args:
            received: [antenna, pilot symbol, comb] complex64.
            sender: whose comb it is.
        """
        sent = self.comb(tf.constant(self.pilots), sender)
        at_pilots = received / sent  # least squares
        if not self._one_comb:
            matrix = tf.cast(tf.gather(tf.constant(self._frequency), sender), tf.complex64)
            at_pilots = tf.einsum("mic,cf->mif", at_pilots, matrix)
        shape = [tf.shape(received)[0], -1, self._places, self.carriers]
        slots = tf.reshape(at_pilots, shape)  # antenna, slot, place, subcarrier
        estimate: Any = 0.0
        for place in range(self._places):
            weights = tf.constant(self._weights[place], tf.complex64)[:, tf.newaxis]
            estimate += weights * tf.gather(slots[:, :, place], self._slots, axis=1)
        return tf.reshape(estimate, [shape[0], -1])


def _qpsk(symbols: int, carriers: int) -> np.ndarray:
    """Pilot symbols of unit energy; any will do, and these are the same everywhere."""
    quarter = np.random.RandomState(0).randint(4, size=(symbols, carriers))
    return np.exp(1j * np.pi * (quarter / 2 + 0.25)).astype(np.complex64)


def _interpolator(mask: np.ndarray, pilots: np.ndarray, interpolation: str) -> Any:
    from sionna.phy.ofdm import LinearInterpolator, NearestNeighborInterpolator, PilotPattern

    kind = LinearInterpolator if interpolation == "linear" else NearestNeighborInterpolator
    return kind(PilotPattern(mask, pilots))


def _interpolate(interpolator: Any, estimates: np.ndarray) -> np.ndarray:
    """Sionna's interpolator on estimates [batch, sender, pilot]; [batch, sender, time, carrier]."""
    inputs = tf.constant(estimates[:, None, None, :, None, :], tf.complex64)
    found, _ = interpolator(inputs, tf.ones([1, *inputs.shape[1:]]))
    return np.real(np.asarray(found))[:, 0, 0, :, 0]


def _frequency_matrices(combs: list[np.ndarray], carriers: int, interpolation: str) -> np.ndarray:
    """F [sender, comb, subcarrier]: what a unit estimate at a pilot does to the band."""
    if len(combs) == 1:
        return np.eye(carriers, dtype=np.float32)[np.newaxis]
    senders, width = len(combs), len(combs[0])
    mask = np.ones([senders, 1, 1, carriers], bool)
    pilots = np.zeros([senders, 1, carriers], np.complex64)
    units = np.zeros([width, senders, carriers], np.float32)
    for sender, comb in enumerate(combs):
        pilots[sender, 0, comb] = 1
        units[np.arange(len(comb)), sender, comb] = 1
    with tf.init_scope():
        found = _interpolate(_interpolator(mask, pilots, interpolation), units)[:, :, 0]
    matrices = np.moveaxis(found, 0, 1).copy()
    for sender, comb in enumerate(combs):
        matrices[sender, len(comb) :] = 0
    return matrices


def _time_matrix(places: np.ndarray, slot_symbols: int, interpolation: str) -> np.ndarray:
    """T [place, OFDM symbol of a slot]."""
    mask = np.zeros([1, 1, slot_symbols, 1], bool)
    mask[:, :, places] = True
    with tf.init_scope():
        interpolator = _interpolator(
            mask, np.ones([1, 1, len(places)], np.complex64), interpolation
        )
        return _interpolate(interpolator, np.eye(len(places), dtype=np.float32)[:, None])[
            :, 0, :, 0
        ]
