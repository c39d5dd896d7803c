"""3GPP 38.901 clustered delay lines by Sionna: paths with directions, seen by an antenna array."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from laser_phy.channels import randomness
from laser_phy.channels.antenna_array import WithArray, panel
from laser_phy.channels.chunks import Clock, in_chunks
from laser_phy.channels.gain_law import GainLaw, Rician
from laser_phy.channels.grid import Grid
from laser_phy.channels.moving import PathFading
from laser_phy.channels.profiles import SPECULAR_RATIO
from laser_phy.channels.simulated import simulated_laws
from laser_phy.core.lazy import tf
from laser_phy.core.settings import setting


class Cdl(WithArray):
    """CDL-A to E with a given delay spread, a panel of antennas at the server, one at the worker.

    Every worker has a channel of its own, with the profile's directions, and moves in a random
    direction. The antennas are correlated, as their directions make them.
    """

    name: Literal["cdl"] = "cdl"
    profile: Literal["A", "B", "C", "D", "E"] = setting("A")
    """A to C have no line of sight; D and E have one."""
    delay_spread_s: float = setting(100e-9, ge=0, le=1e-3, unit="s")
    """RMS delay spread."""

    @property
    def law(self) -> GainLaw | None:
        if self.antennas > 1:
            return None  # depends on the directions
        return Rician(SPECULAR_RATIO[self.profile])

    def build(self, grid: Grid, key: int, workers: int) -> CdlFading:
        return CdlFading(grid, key, self, workers)


class CdlFading(PathFading):
    """Sionna's CDL, one link a worker.

    Sionna gives the line of sight the phase 0 on every link; here each worker and realisation has a
    phase of its own, as a worker's distance in wavelengths is arbitrary.
    """

    settings: Cdl

    def __init__(self, grid: Grid, key: int, settings: Cdl, workers: int) -> None:
        from sionna.phy.channel.tr38901 import CDL

        randomness.prepare()
        self.cdl = CDL(
            settings.profile,
            settings.delay_spread_s,
            settings.carrier_hz,
            ut_array=panel(1, 1, settings.carrier_hz),
            bs_array=panel(settings.antennas, settings.rows, settings.carrier_hz),
            direction="uplink",
            min_speed=1.0,
        )
        self._clock = Clock(self.cdl)
        self._delays = np.asarray(self.cdl.delays)
        super().__init__(grid, key, settings, workers)

    def longest_delay_s(self) -> float:
        return float(self._delays.max())

    def paths(self, state: Any, worker: Any) -> tuple[Any, Any]:
        from sionna.phy import config

        realisation, speed_mps = state
        rate = self.rate(speed_mps)

        def piece(first: Any, count: int) -> Any:
            randomness.seek(self.key, realisation, worker)
            self._clock.start_s = tf.cast(first, tf.float32) / rate
            return self.cdl(1, count, rate)[0][0, 0, :, 0, 0]  # antenna, path, time

        rays = self.cdl.NUM_RAYS * len(self._delays)
        gains = in_chunks(piece, self.steps, rays * self.settings.antennas)
        phase = config.tf_rng.uniform([], 0.0, 2 * math.pi)
        return gains * tf.complex(tf.cos(phase), tf.sin(phase)), self._delays

    def laws(self) -> list[GainLaw]:
        law = self.settings.law
        if law is None:
            law = simulated_laws(self, workers=1)[0]  # the law of all
        return [law] * self.workers
