"""Hardware that is not ideal: timing, carrier frequency, phase, and the power amplifier."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from laser_phy.channels import Grid
from laser_phy.core.lazy import tf
from laser_phy.core.settings import Settings, setting

OVERSAMPLING = 4
"""Of the waveform that is clipped, and whose peak is measured."""


class Impairments(Settings):
    """What is left after synchronisation; off by default, unknown to both sides, new every round.

    Energies are those before the amplifier clips.
    """

    timing_offset_samples: float = setting(0.0, ge=0, le=65536, unit="samples")
    """Every worker arrives late by a delay uniform in 0 to this, within the cyclic prefix."""
    cfo_subcarriers: float = setting(0.0, ge=0, le=0.5, unit="subcarrier spacings")
    """Every worker's carrier frequency is off by an offset uniform in minus this to this."""
    phase_error_std_rad: float = setting(0.0, ge=0, le=10, unit="rad")
    """Standard deviation of every worker's phase error."""
    clipping: float | None = setting(None, gt=0, le=100, unit="times the rms amplitude")
    """Amplitude that the power amplifier clips at; null for a linear one."""
    papr: bool = False
    """Measure the peak-to-average power ratio of a worker's first slot (4 times oversampled)."""

    @property
    def any(self) -> bool:
        """Some impairment is on."""
        return (
            self.timing_offset_samples > 0
            or self.cfo_subcarriers > 0
            or self.phase_error_std_rad > 0
            or self.clipping is not None
        )


def timing_ramp(delay_samples: Any, bins: np.ndarray, fft_size: int) -> Any:
    """e^(-j 2 pi k d / N) [subcarrier] of a delay d within the cyclic prefix.

    Args:
        bins: [subcarrier] index k from the carrier.
    """
    angle = -2 * math.pi / fft_size * delay_samples * tf.constant(bins, tf.float32)
    return tf.complex(tf.cos(angle), tf.sin(angle))


def common_phase(offset: Any, times: np.ndarray, fft_size: int, prefix: int) -> Any:
    """e^(j 2 pi eps l (N + Ncp) / N) [time] of a carrier offset of eps subcarriers."""
    cycles = offset * tf.constant(times * (fft_size + prefix) / fft_size, tf.float32)
    angle = 2 * math.pi * (cycles - tf.round(cycles))
    return tf.complex(tf.cos(angle), tf.sin(angle))


def inter_carrier(waveforms: Any, offset: Any) -> Any:
    """[..., sample] samples n of an OFDM symbol, turned by e^(j 2 pi eps n / N)."""
    size = waveforms.shape[-1]
    angle = 2 * math.pi / size * offset * tf.range(size, dtype=tf.float32)
    return waveforms * tf.complex(tf.cos(angle), tf.sin(angle))


def soft_clip(waveforms: Any, level: float) -> Any:
    """Samples whose amplitude exceeds `level` times the rms keep their phase and are cut to it.

    For Gaussian samples the output is the input times 1 - e^(-c^2) + (sqrt(pi)/2) c erfc(c), and
    an error uncorrelated with it.
    """
    amplitude = tf.abs(waveforms)
    limit = level * tf.sqrt(tf.reduce_mean(tf.square(amplitude)))
    factor = tf.minimum(1.0, limit / tf.maximum(amplitude, 1e-30))
    return waveforms * tf.cast(factor, waveforms.dtype)


def papr_db(waveforms: Any) -> Any:
    """Largest over mean power of samples, in dB; 0 for silence."""
    power = tf.square(tf.abs(waveforms))
    mean = tf.reduce_mean(power)
    ratio = tf.where(mean > 0, tf.reduce_max(power) / tf.maximum(mean, 1e-30), 1.0)
    return 10 / math.log(10) * tf.math.log(ratio)


class Hardware:
    """The impairments on one kind of round.

    Args:
        settings: of the impairments.
        ofdm: numerology (`fft_size`, `cyclic_prefix`, `subcarrier_spacing_hz`).
        grid: of the round.
        elements: [symbol] element of every symbol.
    """

    def __init__(self, settings: Impairments, ofdm: Any, grid: Grid, elements: np.ndarray) -> None:
        self.settings, self._elements = settings, elements
        self._size, self._prefix = ofdm.fft_size, ofdm.cyclic_prefix
        self._bins = np.rint(grid.frequencies_hz / ofdm.subcarrier_spacing_hz).astype(np.int64)
        self._times, self._shape = grid.times, (len(grid.times), len(self._bins))
        self._slot = int(np.searchsorted(grid.times, grid.slot_symbols))
        self._subcarriers = elements % len(self._bins)
        self._symbols = elements // len(self._bins)

    def waveforms(self, symbols: Any, oversampling: int = 1) -> Any:
        """[..., time, sample] of [..., symbol], OFDM symbols without their prefix."""
        size = self._size * oversampling
        leading = symbols.shape[:-1]
        placed = np.arange(int(np.prod(self._shape))).reshape(self._shape)
        source = np.full(placed.size, len(self._elements))
        source[self._elements] = np.arange(len(self._elements))
        padded = tf.concat([symbols, tf.zeros([*leading, 1], symbols.dtype)], axis=-1)
        band = tf.gather(padded, source[placed], axis=-1)  # ..., time, subcarrier
        columns = np.full(size, len(self._bins))
        columns[self._bins % size] = np.arange(len(self._bins))
        band = tf.concat([band, tf.zeros([*band.shape[:-1], 1], band.dtype)], axis=-1)
        return tf.signal.ifft(tf.gather(band, columns, axis=-1))

    def symbols(self, waveforms: Any) -> Any:
        """[..., symbol] of [..., time, sample]."""
        size = waveforms.shape[-1]
        band = tf.gather(tf.signal.fft(waveforms), self._bins % size, axis=-1)
        flat = tf.reshape(band, [*band.shape[:-2], -1])
        return tf.gather(flat, self._elements, axis=-1)

    def amplified(self, symbols: Any) -> Any:
        """[symbol] after the power amplifier."""
        if self.settings.clipping is None:
            return symbols
        return self.symbols(
            soft_clip(self.waveforms(symbols, OVERSAMPLING), self.settings.clipping)
        )

    def arriving(self, symbols: Any, seed: Any) -> Any:
        """[antenna, symbol] of a worker after timing, frequency and phase offsets.

        Args:
            symbols: as they arrive without.
            seed: [2] of the worker's offsets.
        """
        settings = self.settings
        uniform = tf.random.stateless_uniform([2], seed)
        phase_rad = settings.phase_error_std_rad * tf.random.stateless_normal([], seed + 1)
        factor = tf.complex(tf.cos(phase_rad), tf.sin(phase_rad))
        if settings.timing_offset_samples:
            delay = settings.timing_offset_samples * uniform[0]
            ramp = timing_ramp(delay, self._bins, self._size)
            factor *= tf.gather(ramp, self._subcarriers)
        symbols *= factor
        if not settings.cfo_subcarriers:
            return symbols
        offset = settings.cfo_subcarriers * (2 * uniform[1] - 1)
        symbols = self.symbols(inter_carrier(self.waveforms(symbols), offset))
        phase = common_phase(offset, self._times, self._size, self._prefix)
        return symbols * tf.gather(phase, self._symbols)

    def papr(self, symbols: Any) -> Any:
        """Peak-to-average power ratio in dB of the first slot of [symbol]."""
        return papr_db(self.waveforms(symbols, OVERSAMPLING)[: self._slot])
