"""Additive white Gaussian noise, by Sionna."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from laser_phy.channels import randomness
from laser_phy.channels.base import Channel, Unit
from laser_phy.channels.gain_law import Constant, GainLaw
from laser_phy.channels.grid import Grid


class Awgn(Channel):
    """y = sum_k x_k + z, z of unit variance per real (no = 2): the paper's channel."""

    name: Literal["awgn"] = "awgn"
    fading: ClassVar[bool] = False

    @property
    def law(self) -> GainLaw:
        return Constant(float(self.antennas))

    def build(self, grid: Grid, key: int, workers: int) -> Unit:
        return Unit(grid, key, self, workers)


class Noise:
    """Sionna's AWGN block on a stream of its own.

    Args:
        key: stream of randomness.
        variance: complex variance, 0 for none.
    """

    def __init__(self, key: int, variance: float) -> None:
        from sionna.phy.channel import AWGN

        randomness.prepare()
        self.key = key
        self.variance = variance
        self._block = AWGN()

    def add(self, symbols: Any, round_: Any, part: int = 0) -> Any:
        """`symbols` [antenna, symbol] complex64 with the noise of round `round_` added.

        `part` counts the transmissions of a round.
        """
        if self.variance == 0:
            return symbols
        randomness.seek(self.key, round_, part)
        return self._block(symbols, self.variance)
