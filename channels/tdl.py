"""3GPP 38.901 tapped delay lines, by Sionna: frequency-selective, moving at a Doppler."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from laser_phy.channels import randomness
from laser_phy.channels.base import Channel, Fading
from laser_phy.channels.gain_law import GainLaw, Rician
from laser_phy.channels.grid import Grid
from laser_phy.channels.paths import PathResponse
from laser_phy.lazy import tf
from laser_phy.settings import setting

# Power of the specular component over all the rest (linear), from the tap powers of 38.901, Tables
# 7.7.2-4 and 7.7.2-5. A test compares them with Sionna's own tables.
SPECULAR_RATIO = {"A": 0.0, "B": 0.0, "C": 0.0, "D": 7.915250, "E": 8.454200}


class Tdl(Channel):
    """TDL-A to E with a given delay spread; slow at walking speed, fast at vehicle speed.

    Every worker has a channel of its own. Within a round it moves from OFDM symbol to OFDM symbol
    with continuous phase; rounds are independent unless `coherence_rounds` holds one.
    """

    name: Literal["tdl"] = "tdl"
    profile: Literal["A", "B", "C", "D", "E"] = setting("A")
    """A to C have no line of sight; D and E have one."""
    delay_spread_s: float = setting(100e-9, ge=0, le=1e-3, unit="s")
    """RMS delay spread."""
    carrier_hz: float = setting(3.5e9, gt=0, le=1e12, unit="Hz")
    """Carrier frequency."""
    speed_mps: float = setting(1.0, ge=0, le=1e4, unit="m/s")
    """Speed of every worker; sets the Doppler."""

    moves: ClassVar[bool] = True

    @property
    def law(self) -> GainLaw:
        # Sionna gives the specular path one phase on all antennas: behind w = 1/sqrt(M) it adds up.
        ratio, antennas = SPECULAR_RATIO[self.profile], self.antennas
        return Rician(antennas * ratio, mean=(antennas * ratio + 1) / (ratio + 1))

    def build(self, grid: Grid, key: int, workers: int) -> TdlFading:
        return TdlFading(grid, key, self, workers)


class TdlFading(Fading):
    """Sionna's TDL, one link a worker, as a matrix product over its paths.

    Sionna's speed is a constant of the block, so it is built for 1 m/s and time is scaled by the
    speed instead: only their product enters, and a change of speed retraces nothing.
    """

    def __init__(self, grid: Grid, key: int, settings: Tdl, workers: int) -> None:
        from sionna.phy.channel.tr38901 import TDL

        super().__init__(grid, key, settings, workers)
        randomness.prepare()
        self.tdl = TDL(
            settings.profile,
            settings.delay_spread_s,
            settings.carrier_hz,
            min_speed=1.0,
            num_rx_ant=settings.antennas,
        )
        self._paths = PathResponse(grid, self.tdl.delays)

    def response(self, state: Any, worker: Any) -> Any:
        realisation, speed_mps = state
        randomness.seek(self.key, realisation, worker)
        rate = tf.math.reciprocal(self.grid.symbol_duration_s * speed_mps)  # inf at rest: t = 0
        gains, _ = self.tdl(1, self.grid.ofdm_symbols, rate)
        return self._paths(gains[0, 0, :, 0, 0])  # antenna, path, OFDM symbol
