"""3GPP 38.901 tapped delay lines from Sionna's tables: frequency-selective, moving at a Doppler."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from laser_phy.channels import randomness
from laser_phy.channels.chunks import in_chunks
from laser_phy.channels.gain_law import GainLaw, Rician
from laser_phy.channels.grid import Grid
from laser_phy.channels.moving import Moving, PathFading
from laser_phy.channels.profiles import SPECULAR_RATIO
from laser_phy.core.lazy import tf
from laser_phy.core.settings import setting

SINUSOIDS = 20  # of a tap, Sionna's default
SPECULAR_ANGLE = math.pi / 4  # angle of arrival of the specular path, Sionna's default


class Tdl(Moving):
    """TDL-A to E with a given delay spread; slow at walking speed, fast at vehicle speed.

    Every worker has a channel of its own.
    """

    name: Literal["tdl"] = "tdl"
    profile: Literal["A", "B", "C", "D", "E"] = setting("A")
    """A to C have no line of sight; D and E have one."""
    delay_spread_s: float = setting(100e-9, ge=0, le=1e-3, unit="s")
    """RMS delay spread."""

    @property
    def law(self) -> GainLaw:
        # Sionna gives the specular path one phase on all antennas: behind w = 1/sqrt(M) it adds up.
        ratio, antennas = SPECULAR_RATIO[self.profile], self.antennas
        return Rician(antennas * ratio, mean=(antennas * ratio + 1) / (ratio + 1))

    def build(self, grid: Grid, key: int, workers: int) -> TdlFading:
        return TdlFading(grid, key, self, workers)


class TdlFading(PathFading):
    """Sum of sinusoids, one link a worker:

        a[m, p, t] = sqrt(P_p / N) sum_n e^(j phi[m, p, n]) e^(j w t cos alpha[p, n])

    with w = 2 pi f_c v / c and alpha[p, n] = (2 pi n + theta[p, n]) / N; the specular path adds
    sqrt(P_0) e^(j (w t cos(pi/4) + phi_0)). Tables, draws and their order are those of Sionna's
    TDL, which gives the same numbers (a test) after building [antenna, path, time, sinusoid]; as a
    product over n, nothing larger than [path, time, sinusoid] is built, however many antennas.
    """

    settings: Tdl

    def __init__(self, grid: Grid, key: int, settings: Tdl, workers: int) -> None:
        from sionna.phy.channel.tr38901 import TDL

        randomness.prepare()
        self.tdl = TDL(
            settings.profile,
            settings.delay_spread_s,
            settings.carrier_hz,
            num_sinusoids=SINUSOIDS,
            los_angle_of_arrival=SPECULAR_ANGLE,
            min_speed=1.0,
            num_rx_ant=settings.antennas,
        )
        self._delays = np.asarray(self.tdl.delays)
        super().__init__(grid, key, settings, workers)
        self._specular = float(self.tdl.mean_power_los) if self.tdl.los else 0.0
        powers = np.asarray(self.tdl.mean_powers, np.float64)
        powers[0] -= self._specular
        self._amplitudes = np.sqrt(powers / SINUSOIDS)  # [path]

    def longest_delay_s(self) -> float:
        return float(self._delays.max())

    def paths(self, state: Any, worker: Any) -> tuple[Any, Any]:
        realisation, speed_mps = state
        angles, phases, specular_phase = self._draw(realisation, worker)
        doppler = 2 * math.pi / self.settings.wavelength_m  # rad/s at 1 m/s
        rate = self.rate(speed_mps)
        scaled = tf.cast(self._amplitudes[:, None, None], tf.complex64) * _phasor(phases)
        rotation = doppler * tf.cos(angles)[..., tf.newaxis]  # path, sinusoid, 1

        def piece(first: Any, count: int) -> Any:
            times = tf.cast(first + tf.range(count), tf.float32) / rate
            return tf.matmul(scaled, _phasor(rotation * times))  # path, antenna, time

        gains = in_chunks(piece, self.steps, len(self._delays) * SINUSOIDS)
        gains = tf.transpose(gains, [1, 0, 2])  # antenna, path, time
        if self._specular:
            times = tf.range(self.steps, dtype=tf.float32) / rate
            turn = doppler * math.cos(SPECULAR_ANGLE) * times + specular_phase
            line_of_sight = math.sqrt(self._specular) * _phasor(turn)  # the same on all antennas
            gains = tf.concat([gains[:, :1] + line_of_sight, gains[:, 1:]], axis=1)
        return gains, self._delays

    def _draw(self, realisation: Any, worker: Any) -> tuple[Any, Any, Any]:
        """alpha [path, sinusoid], phi [path, antenna, sinusoid], phi_0, in Sionna's order."""
        from sionna.phy import config

        randomness.seek(self.key, realisation, worker)
        paths, antennas, pi = len(self._delays), self.settings.antennas, math.pi
        config.tf_rng.uniform([1], 1.0, 1.0)  # the Doppler, which has no spread here
        theta = config.tf_rng.uniform([paths, SINUSOIDS], -pi / SINUSOIDS, pi / SINUSOIDS)
        phases = config.tf_rng.uniform([antennas, paths, SINUSOIDS], -pi, pi)
        specular = config.tf_rng.uniform([], -pi, pi) if self._specular else None
        steps = 2 * pi / SINUSOIDS * np.arange(1, SINUSOIDS + 1, dtype=np.float32)
        return steps + theta, tf.transpose(phases, [1, 0, 2]), specular


def _phasor(angle: Any) -> Any:
    return tf.complex(tf.cos(angle), tf.sin(angle))
