"""The time-domain path: IFFT, cyclic prefix, time-varying multipath, FFT.

    y[b] = sum_l h_l(t_b) x[b - l],   h_l(t) = sum_p a_p(t) sinc(l - tau_p W)

at the sample rate W, with modulation, demodulation and pulse of Sionna's OFDMModulator,
OFDMDemodulator and `cir_to_time_channel`. What a frequency-domain gain leaves out happens by
itself: intersymbol interference where the channel is longer than the prefix, intercarrier
interference where it moves within an OFDM symbol. Symbols of a round reach into each other; rounds
do not, and OFDM symbols without data (pilots) are silent here.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from laser_phy.channels.grid import Grid
from laser_phy.lazy import tf

PULSE = 6  # taps of the sinc on either side, as Sionna's time_lag_discrete_time_channel has it
SEGMENTS = 4  # of an OFDM symbol, at least; within a segment path gains change linearly


class Waveform:
    """One worker's OFDM signal through taps that move.

    Args:
        grid: resource elements of one round.
        longest_delay_s: of any path; later paths are moved there.
    """

    def __init__(self, grid: Grid, longest_delay_s: float) -> None:
        from sionna.phy.ofdm import OFDMDemodulator, OFDMModulator

        if not grid.fft_size:
            raise ValueError("domain time needs a grid with fft_size; got one of frequencies only.")
        self.grid = grid
        self._longest = longest_delay_s
        self.bandwidth_hz = grid.fft_size * grid.subcarrier_spacing_hz
        self.lags = np.arange(-PULSE, math.ceil(longest_delay_s * self.bandwidth_hz) + PULSE + 1)
        samples_per_symbol = grid.fft_size + grid.cyclic_prefix
        self._segment = -(-samples_per_symbol // SEGMENTS)  # samples
        self.samples = grid.ofdm_symbols * samples_per_symbol
        self._segments = -(-self.samples // self._segment)
        self._bins = np.rint(grid.frequencies_hz / grid.subcarrier_spacing_hz).astype(int)
        self._modulator = OFDMModulator(grid.cyclic_prefix)
        self._demodulator = OFDMDemodulator(grid.fft_size, -PULSE, grid.cyclic_prefix)
        centre = grid.cyclic_prefix + (grid.fft_size - 1) / 2
        self._centres = (grid.times * samples_per_symbol + centre) / self._segment  # in steps

    @property
    def steps(self) -> int:
        """Instants at which the path gains are needed."""
        return self._segments + 1

    @property
    def step_s(self) -> float:
        """Time from one of them to the next."""
        return self._segment / self.bandwidth_hz

    def pulses(self, delays_s: Any) -> Any:
        """sinc(l - tau W) [path, tap], of delays [path]."""
        if isinstance(delays_s, np.ndarray):
            late = np.minimum(delays_s.astype(np.float64), self._longest) * self.bandwidth_hz
            return tf.constant(np.sinc(self.lags - late[:, None]), tf.complex64)
        late = tf.minimum(tf.cast(delays_s, tf.float64), self._longest) * self.bandwidth_hz
        angle = math.pi * (self.lags - late[:, tf.newaxis])
        sinc = tf.math.divide_no_nan(tf.sin(angle), angle)
        return tf.cast(tf.where(tf.abs(angle) < 1e-9, tf.ones_like(sinc), sinc), tf.complex64)

    def response(self, gains: Any, delays_s: Any) -> Any:
        """What a subcarrier sees of its own symbol: the taps in the middle of the FFT window.

        Args:
            gains: [antenna, path, step] complex64.
            delays_s: [path].

        Returns:
            [antenna, time * subcarrier] complex64.
        """
        before = np.floor(self._centres).astype(int)
        after = (self._centres - before).astype(np.complex64)  # linear within a segment
        held = tf.gather(gains, before, axis=2) * (1 - after)
        held += tf.gather(gains, before + 1, axis=2) * after
        turns = np.outer(self.lags, self._bins) / self.grid.fft_size
        steering = tf.matmul(
            self.pulses(delays_s), tf.constant(np.exp(-2j * np.pi * turns), tf.complex64)
        )  # path, subcarrier
        response = tf.matmul(held, steering, transpose_a=True)  # antenna, time, subcarrier
        return tf.reshape(response, [tf.shape(gains)[0], -1])

    def propagate(self, gains: Any, delays_s: Any, symbols: Any) -> Any:
        """What arrives on the data elements, without noise.

        Args:
            gains: [antenna, path, step] complex64.
            delays_s: [path].
            symbols: [time * subcarrier] complex64, one for every data element.

        Returns:
            [antenna, time * subcarrier] complex64.
        """
        taps = tf.matmul(gains, self.pulses(delays_s), transpose_a=True)  # antenna, step, tap
        received = self._convolve(taps, self._modulator(self._placed(symbols)))
        demodulated = self._demodulator(received)  # antenna, OFDM symbol, bin
        data = tf.gather(demodulated, self.grid.times, axis=1)
        data = tf.gather(data, self._bins + self.grid.fft_size // 2, axis=2)
        return tf.reshape(data, [tf.shape(gains)[0], -1])

    def _placed(self, symbols: Any) -> Any:
        """[OFDM symbol, bin] with the data elements filled."""
        grid = self.grid
        times, bins = np.meshgrid(
            grid.times, self._bins + grid.fft_size // 2, indexing="ij"
        )  # time, subcarrier
        where = np.stack([times.ravel(), bins.ravel()], axis=1)
        return tf.scatter_nd(where, symbols, [grid.ofdm_symbols, grid.fft_size])

    def _convolve(self, taps: Any, sent: Any) -> Any:
        """[antenna, sample] from taps [antenna, step, tap] and samples sent [sample].

        Tap by tap: the sum of what has arrived is the largest tensor.
        """
        count, length, segment = len(self.lags), self._segments, self._segment
        padded = tf.pad(sent, [[count - 1, length * segment - self.samples]])
        part = tf.cast(tf.range(segment) / segment, tf.complex64)  # of the way to the next step

        def add(lag: Any, received: Any) -> Any:
            late = padded[count - 1 - lag : count - 1 - lag + length * segment]
            late = tf.reshape(late, [length, segment])
            tap = tf.gather(taps, lag, axis=2)[:, :, tf.newaxis]  # antenna, step, 1
            moving = tap[:, :-1] + (tap[:, 1:] - tap[:, :-1]) * part
            return lag + 1, received + moving * late

        nothing = tf.zeros([taps.shape[0], length, segment], tf.complex64)
        received = tf.while_loop(
            lambda lag, _: lag < count,
            add,
            (0, nothing),
            parallel_iterations=1,
            maximum_iterations=count,
        )[1]
        return tf.reshape(received, [taps.shape[0], -1])[:, : self.samples]
