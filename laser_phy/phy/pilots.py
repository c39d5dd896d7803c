"""Pilots of one kind of round: when the channel is looked at, and what each side makes of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from laser_phy.channels.estimation import PilotEstimator
from laser_phy.channels.grid import Grid
from laser_phy.core.constants import NOISE_VARIANCE
from laser_phy.core.lazy import tf
from laser_phy.phy.csi import Knowledge


class Mobility(NamedTuple):
    """What moves the channel and ages its knowledge; float32 scalars that schedules may change.

    Attributes:
        speed_mps: of the workers.
        transmitter_age_s, receiver_age_s: of `outdated` CSI, from its sounding to its use.
    """

    speed_mps: Any
    transmitter_age_s: Any = 0.0
    receiver_age_s: Any = 0.0

    def age_s(self, side: str) -> Any:
        """Of "transmitter" or "receiver"."""
        return self.transmitter_age_s if side == "transmitter" else self.receiver_age_s


class ChannelSampling:
    """The resource elements at which the channel of a round must be known.

    Data, and the pilots that are sent in the round, lie at their times; what is sounded `age_s`
    earlier lies so many OFDM symbols before, at rows of its own that `times` moves as CSI ages. One
    fading process on `grid` gives them all.

    Args:
        grid: of the round.
        symbol_elements: [symbol] data element of every symbol.
        lags: OFDM symbols between sounding and use at most, of every side that sounds.
    """

    def __init__(self, grid: Grid, symbol_elements: np.ndarray, lags: dict[str, int]) -> None:
        self._start, self._pilots = max(lags.values(), default=0), grid.pilot_times
        self.lags = {side: lag for side, lag in lags.items() if lag > 0}
        used = grid.times if not lags else np.concatenate([grid.times, grid.pilot_times])
        self._rows = np.unique(used) + self._start
        aged = [self._pilots + self._start - lag for lag in self.lags.values()]
        times = np.concatenate([self._rows, *aged])
        self.symbols = len(symbol_elements)
        self.carriers = len(grid.frequencies_hz)
        self.grid = dataclasses.replace(grid, times=times, ofdm_symbols=int(self._rows[-1]) + 1)
        if not lags:
            self.grid = grid
        self.used_times = used
        pilots = np.arange(len(grid.times), len(used))
        self.used = np.concatenate([symbol_elements, _all_of(pilots, self.carriers)])
        """[symbol, then pilot element] its element in (used time, subcarrier)."""
        self.elements = self._of_rows(used + self._start)[self.used]
        """[symbol, then pilot element] its element of `grid`."""

    def sounded(self, side: str) -> np.ndarray:
        """[pilot symbol * subcarrier] elements of `grid` that a side sounds."""
        if side not in self.lags:
            return self._of_rows(self._pilots + self._start)
        own = len(self._rows) + list(self.lags).index(side) * len(self._pilots)
        return _all_of(own + np.arange(len(self._pilots)), self.carriers)

    def lag(self, side: str, mobility: Mobility) -> Any:
        """OFDM symbols between a side's sounding and use, int32; 0 to the lag it is built for."""
        lag = tf.math.rint(tf.cast(mobility.age_s(side), tf.float32) / self.grid.symbol_duration_s)
        return tf.clip_by_value(tf.cast(lag, tf.int32), 0, self.lags[side])

    def times(self, mobility: Mobility) -> Any:
        """[time] of `grid`, with what is sounded earlier where its age puts it; None if nothing."""
        if not self.lags:
            return None
        pilots = self._pilots + self._start
        aged = [tf.cast(pilots, tf.int32) - self.lag(side, mobility) for side in self.lags]
        return tf.concat([tf.cast(self._rows, tf.int32), *aged], axis=0)

    def _of_rows(self, times: np.ndarray) -> np.ndarray:
        return _all_of(np.searchsorted(self._rows, times), self.carriers)


def channel_sampling(
    sides: Mapping[str, Knowledge], channel: Any, grid: Grid, symbol_elements: np.ndarray
) -> ChannelSampling:
    """The sampling of a round on `channel`; `sides` is what the transmitter and receiver know."""
    lags = {
        side: lag_symbols(knows, grid, channel.moves)
        for side, knows in sides.items()
        if knows.pilots and channel.fading
    }
    return ChannelSampling(grid, symbol_elements, lags)


def _all_of(rows: np.ndarray, carriers: int) -> np.ndarray:
    return (rows[:, None] * carriers + np.arange(carriers)).ravel()


def lag_symbols(csi: Knowledge, grid: Grid, moves: bool) -> int:
    """OFDM symbols between sounding and use; 0 where the channel does not move by itself."""
    if not csi.ages or not moves:
        return 0
    return int(np.rint(np.float32(csi.age) / np.float32(grid.symbol_duration_s)))


class PilotEstimates:
    """The pilots of one side.

    Args:
        csi: that comes from pilots.
        side: whose it is, "transmitter" or "receiver".
        grid: of the round.
        sampling: of the round.
        times: OFDM symbols of the round to estimate at.
        elements: of (time, subcarrier) that are wanted.
        combs: workers that share a pilot symbol; 1 where all send the same or the server sends.
        wavelength_m: of a channel that moves, None for others.
    """

    def __init__(
        self,
        csi: Any,
        side: str,
        grid: Grid,
        sampling: ChannelSampling,
        times: np.ndarray,
        elements: np.ndarray,
        combs: int,
        wavelength_m: float | None,
    ) -> None:
        self.csi, self._side, self._wavelength_m = csi, side, wavelength_m
        self._grid = grid
        self._estimator = PilotEstimator(grid, times, combs, csi.interpolation)
        self._elements, self.carriers = elements, sampling.carriers
        self._sampling = sampling
        self.source = sampling.sounded(side)
        gain = np.repeat(self._estimator.noise_gain, self.carriers)[elements]
        self._errors = np.float32(csi.error * gain)  # [wanted element], for a channel of gain 1
        self.error = float(np.mean(self._errors))

    @property
    def energy(self) -> float:
        """Energy of a round's pilots, where one sender has all subcarriers: pilot_snr `no` each."""
        elements = len(self._grid.pilot_times) * len(self._grid.frequencies_hz)
        return elements * NOISE_VARIANCE / self.csi.error

    @property
    def innovates(self) -> bool:
        """The channel is aged by an innovation, and not by its own mobility."""
        return bool(self.csi.ages) and self._wavelength_m is None

    def aging(self, mobility: Mobility) -> Any:
        """J0(2 pi f_d age), the correlation of the channel with itself."""
        if not self.csi.ages:
            return 1.0
        cycles = tf.cast(self.doppler_cycles(mobility), tf.float32)
        return tf.math.special.bessel_j0(2 * np.pi * cycles)

    def doppler_cycles(self, mobility: Mobility) -> Any:
        """f_d age of outdated knowledge: periods of the largest Doppler since the sounding."""
        if self._wavelength_m is None:
            return (self.csi.doppler_hz or 0.0) * mobility.age_s(self._side)
        if self._side not in self._sampling.lags:
            return 0.0  # younger than half an OFDM symbol
        lag = tf.cast(self._sampling.lag(self._side, mobility), tf.float32)
        age_s = lag * self._sampling.grid.symbol_duration_s
        return mobility.speed_mps / self._wavelength_m * age_s

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

    def shrunk(self, estimate: Any, power: Any, mobility: Mobility) -> Any:
        """The estimate that the setting asks for: `ls` as it is, `lmmse` of least error."""
        if self.csi.estimator == "ls":
            return estimate
        factor = self.aging(mobility) * power / (power + self._errors)
        return estimate * tf.cast(factor, estimate.dtype)

    def error_of(self, power: Any, mobility: Mobility) -> Any:
        """Mean variance of the error of `shrunk`, for something of mean power `power`."""
        aging = self.aging(mobility)
        if self.csi.estimator == "ls":
            return self.error + 2 * power * (1 - aging)
        return power * (1 - tf.square(aging) * tf.reduce_mean(power / (power + self._errors)))

    def correlation(self, power: Any, mobility: Mobility) -> tuple[Any, Any]:
        """Mean of rho and of rho^2 over elements, of the channel and `to_power`'s estimate."""
        squared = tf.square(self.aging(mobility)) * power / (power + self._errors)
        sign = tf.sign(self.aging(mobility)) if self.csi.ages else 1.0
        return sign * tf.reduce_mean(tf.sqrt(squared)), tf.reduce_mean(squared)
