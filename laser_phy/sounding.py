"""Pilots of one kind of round: when the channel is looked at, and what each side makes of it."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from laser_phy.channels.estimation import PilotEstimator
from laser_phy.channels.grid import Grid
from laser_phy.csi import Csi, Estimated, Outdated
from laser_phy.lazy import tf


class Timeline:
    """The resource elements at which the channel of a round must be known.

    Data, and the pilots that are sent in the round, lie at their times; what is sounded `age_s`
    earlier lies so many OFDM symbols before. One fading process on `grid` gives them all.

    Args:
        grid: of the round.
        symbol_elements: [symbol] data element of every symbol.
        lags: OFDM symbols between sounding and use, of every side that sounds.
    """

    def __init__(self, grid: Grid, symbol_elements: np.ndarray, lags: list[int]) -> None:
        start = max(lags, default=0)
        used = grid.times if not lags else np.concatenate([grid.times, grid.pilot_times])
        sounded = [grid.pilot_times + start - lag for lag in lags]
        rows = np.unique(np.concatenate([used + start, *sounded]))
        self._rows, self._start, self._pilots = rows, start, grid.pilot_times
        self.symbols = len(symbol_elements)
        self.carriers = len(grid.frequencies_hz)
        self.grid = dataclasses.replace(grid, times=rows, ofdm_symbols=int(rows[-1]) + 1)
        if not lags:
            self.grid = grid
        self.used_times = used
        pilots = np.arange(len(grid.times), len(used))
        self.used = np.concatenate([symbol_elements, _all_of(pilots, self.carriers)])
        """[symbol, then pilot element] its element in (used time, subcarrier)."""
        self.elements = self._of_rows(used + start)[self.used]
        """[symbol, then pilot element] its element of `grid`."""

    def sounded(self, lag: int) -> np.ndarray:
        """[pilot symbol * subcarrier] elements of `grid` that a side with this lag sounds."""
        return self._of_rows(self._pilots + self._start - lag)

    def _of_rows(self, times: np.ndarray) -> np.ndarray:
        return _all_of(np.searchsorted(self._rows, times), self.carriers)


def timeline_of(csi: Csi, channel: Any, grid: Grid, symbol_elements: np.ndarray) -> Timeline:
    """The timeline of a round on `channel`."""
    sides = [side for side in (csi.transmitter, csi.receiver) if side.pilots and channel.fading]
    lags = [lag_symbols(side, grid, channel.moves) for side in sides]
    return Timeline(grid, symbol_elements, lags)


def _all_of(rows: np.ndarray, carriers: int) -> np.ndarray:
    return (rows[:, None] * carriers + np.arange(carriers)).ravel()


def lag_symbols(csi: Estimated, grid: Grid, moves: bool) -> int:
    """OFDM symbols between sounding and use; 0 where the channel does not move by itself."""
    if not isinstance(csi, Outdated) or not moves:
        return 0
    return round(csi.age_s / grid.symbol_duration_s)


class Sounding:
    """The pilots of one side.

    Args:
        csi: that comes from pilots.
        grid: of the round.
        timeline: of the round.
        times: OFDM symbols of the round to estimate at.
        elements: of (time, subcarrier) that are wanted.
        combs: workers that share a pilot symbol; 1 where all send the same or the server sends.
        wavelength_m: of a channel that moves, None for others.
    """

    def __init__(
        self,
        csi: Estimated,
        grid: Grid,
        timeline: Timeline,
        times: np.ndarray,
        elements: np.ndarray,
        combs: int,
        wavelength_m: float | None,
    ) -> None:
        self.csi, self._wavelength_m = csi, wavelength_m
        self._estimator = PilotEstimator(grid, times, combs, csi.interpolation)
        self._elements, self.carriers = elements, timeline.carriers
        lag = lag_symbols(csi, grid, wavelength_m is not None)
        self._age_s = lag * grid.symbol_duration_s
        self.source = timeline.sounded(lag)
        gain = np.repeat(self._estimator.noise_gain, self.carriers)[elements]
        self._errors = np.float32(csi.error * gain)  # [wanted element], for a channel of gain 1
        self.error = float(np.mean(self._errors))

    @property
    def innovates(self) -> bool:
        """The channel is aged by an innovation, and not by its own motion."""
        return isinstance(self.csi, Outdated) and self._wavelength_m is None

    def aging(self, speed_mps: Any) -> Any:
        """J0(2 pi f_d age), the correlation of the channel with itself."""
        if not isinstance(self.csi, Outdated):
            return 1.0
        if self._wavelength_m is None:
            turns = (self.csi.doppler_hz or 0.0) * self.csi.age_s
        else:
            turns = speed_mps / self._wavelength_m * self._age_s
        return tf.math.special.bessel_j0(2 * np.pi * tf.cast(turns, tf.float32))

    def aged(self, response: Any, innovation: Any) -> Any:
        """[antenna, pilot] at the time of the sounding; `innovation` has its shape."""
        if not self.innovates:
            return response
        correlation = self.aging(0.0)
        rest = tf.sqrt(1 - tf.square(correlation))
        return tf.cast(correlation, response.dtype) * response + tf.cast(rest, response.dtype) * (
            innovation
        )

    def pilots(self, response: Any, sender: Any = 0) -> Any:
        """Pilots received without noise [antenna, pilot symbol, comb].

        Args:
            response: [antenna, pilot symbol * subcarrier] channel, precoding in it.
            sender: worker, where each has a comb.
        """
        band = tf.reshape(response, [tf.shape(response)[0], -1, self.carriers])
        return self._estimator.comb(band * self._estimator.pilots, sender)

    def estimate(self, pilots: Any, seed: Any, sender: Any = 0) -> Any:
        """Least-squares estimate [antenna, wanted element] from pilots, noise added first.

        Args:
            pilots: of `pilots`, or their sum over workers.
            seed: [2] of the noise.
            sender: worker, where each has a comb.
        """
        deviation = (self.csi.error / 2) ** 0.5
        parts = tf.random.stateless_normal([2, *pilots.shape], seed, stddev=deviation)
        found = self._estimator(pilots + tf.complex(parts[0], parts[1]), sender)
        return tf.gather(found, self._elements, axis=1)

    def to_power(self, estimate: Any, power: Any) -> Any:
        """`estimate` scaled to the mean power of what it estimates."""
        scale = tf.sqrt(power / (power + self._errors))
        return estimate * tf.cast(scale, estimate.dtype)

    def shrunk(self, estimate: Any, power: Any, speed_mps: Any) -> Any:
        """The estimate that the setting asks for: `ls` as it is, `lmmse` of least error."""
        if self.csi.estimator == "ls":
            return estimate
        factor = self.aging(speed_mps) * power / (power + self._errors)
        return estimate * tf.cast(factor, estimate.dtype)

    def error_of(self, power: Any, speed_mps: Any) -> Any:
        """Mean variance of the error of `shrunk`, for something of mean power `power`."""
        aging = self.aging(speed_mps)
        if self.csi.estimator == "ls":
            return self.error + 2 * power * (1 - aging)
        return power * (1 - tf.square(aging) * tf.reduce_mean(power / (power + self._errors)))

    def correlation(self, power: Any, speed_mps: Any) -> tuple[Any, Any]:
        """Mean of rho and of rho^2 over elements, of the channel and `to_power`'s estimate."""
        squared = tf.square(self.aging(speed_mps)) * power / (power + self._errors)
        sign = tf.sign(self.aging(speed_mps)) if isinstance(self.csi, Outdated) else 1.0
        return sign * tf.reduce_mean(tf.sqrt(squared)), tf.reduce_mean(squared)
