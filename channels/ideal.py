"""The ideal channel: neither noise nor fading."""

from __future__ import annotations

from typing import ClassVar, Literal

from laser_phy.channels.base import Channel, Unit
from laser_phy.channels.gain_law import Constant, GainLaw
from laser_phy.channels.grid import Grid


class Ideal(Channel):
    """y = sum_k x_k. With the `identity` compressor this is plain synchronous SGD."""

    name: Literal["ideal"] = "ideal"
    fading: ClassVar[bool] = False
    noise_variance: ClassVar[float] = 0.0

    @property
    def law(self) -> GainLaw:
        return Constant(float(self.antennas))

    def build(self, grid: Grid, key: int, workers: int) -> Unit:
        return Unit(grid, key, self, workers)
