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

from laser_phy.channels.chunks import in_chunks
from laser_phy.channels.grid import Grid
from laser_phy.core.lazy import tf

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
        self._samples = grid.fft_size + grid.cyclic_prefix  # of an OFDM symbol
        self._segment = -(-self._samples // SEGMENTS)  # samples
        self._segments = -(-grid.ofdm_symbols * self._samples // self._segment)
        self._echoes = -(-(len(self.lags) - 1) // self._samples)  # symbols that reach into one
        self._bins = np.rint(grid.frequencies_hz / grid.subcarrier_spacing_hz).astype(int)
        self._modulator = OFDMModulator(grid.cyclic_prefix)
        self._demodulator = OFDMDemodulator(grid.fft_size, -PULSE, grid.cyclic_prefix)
        with tf.init_scope():  # it is built for one OFDM symbol, and never while tracing
            self._demodulator(tf.zeros([1, self._samples], tf.complex64))
        self._centre = grid.cyclic_prefix + (grid.fft_size - 1) / 2  # of the FFT window, in samples

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

    def response(self, gains: Any, delays_s: Any, times: Any = None) -> Any:
        """What a subcarrier sees of its own symbol: the taps in the middle of the FFT window.

        Args:
            gains: [antenna, path, step] complex64.
            delays_s: [path].
            times: [time] OFDM symbols, those of the grid by default.

        Returns:
            [antenna, time * subcarrier] complex64.
        """
        times = tf.cast(self.grid.times if times is None else times, tf.float64)
        places = (times * self._samples + self._centre) / self._segment  # in steps
        before = tf.cast(places, tf.int32)  # rounded down, as nothing is negative
        after = tf.cast(places - tf.cast(before, tf.float64), tf.complex64)  # linear in a segment
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
        grid, sent = self.grid, self._placed(symbols)

        def piece(first: Any, count: int) -> Any:
            samples = self._modulator(self._rows(sent, first, count))
            received = self._convolve(taps, samples, first * self._samples, count * self._samples)
            each = tf.reshape(received, [-1, count, self._samples])
            bins = self._demodulator(each)[:, :, 0]  # antenna, symbol, bin
            return tf.transpose(bins, [0, 2, 1])

        arrived = in_chunks(piece, grid.ofdm_symbols, 4 * self._samples * gains.shape[0])
        data = tf.gather(arrived, self._bins + grid.fft_size // 2, axis=1)
        data = tf.transpose(tf.gather(data, grid.times, axis=2), [0, 2, 1])
        return tf.reshape(data, [gains.shape[0], -1])

    def _placed(self, symbols: Any) -> Any:
        """[OFDM symbol, bin] with the data elements filled."""
        grid, carriers = self.grid, len(self._bins)
        filled = tf.pad(tf.reshape(symbols, [-1, carriers]), [[0, 1], [0, 1]])
        source_bin = np.full(grid.fft_size, carriers)  # the padding, where nothing is sent
        source_bin[self._bins + grid.fft_size // 2] = np.arange(carriers)
        source_time = np.full(grid.ofdm_symbols, len(grid.times))
        # Of rows at one time the first is data; those behind it are looked at, and send nothing.
        source_time[grid.times[::-1]] = np.arange(len(grid.times))[::-1]
        return tf.gather(tf.gather(filled, source_time, axis=0), source_bin, axis=1)

    def _rows(self, sent: Any, first: Any, count: int) -> Any:
        """`count` OFDM symbols from `first` on, behind those whose echoes reach into them."""
        rows = first - self._echoes + tf.range(self._echoes + count)
        kept = tf.gather(sent, tf.clip_by_value(rows, 0, self.grid.ofdm_symbols - 1))
        return kept * tf.cast(rows >= 0, kept.dtype)[:, tf.newaxis]

    def _convolve(self, taps: Any, sent: Any, first: Any, count: int) -> Any:
        """`count` samples from `first` on, of [antenna, sample].

        Tap by tap: the sum of what has arrived is the largest tensor.

        Args:
            taps: [antenna, step, tap].
            sent: samples from `_echoes` OFDM symbols before `first` on.
        """
        place = first + tf.range(count)
        step = tf.minimum(place // self._segment, self._segments - 1)
        part = tf.cast((place - step * self._segment) / self._segment, tf.complex64)
        start = self._echoes * self._samples

        def add(lag: Any, received: Any) -> Any:
            tap = tf.gather(taps, lag, axis=2)  # antenna, step
            moving = tf.gather(tap, step, axis=1) * (1 - part)
            moving += tf.gather(tap, step + 1, axis=1) * part
            return lag + 1, received + moving * sent[start - lag : start - lag + count]

        return tf.while_loop(
            lambda lag, _: lag < len(self.lags),
            add,
            (0, tf.zeros([taps.shape[0], count], tf.complex64)),
            parallel_iterations=1,
            maximum_iterations=len(self.lags),
        )[1]
