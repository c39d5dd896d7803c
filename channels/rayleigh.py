"""Rayleigh fading, constant within a round: flat, or in independent blocks of subcarriers."""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np
from pydantic import model_validator

from laser_phy.channels import randomness
from laser_phy.channels.base import Channel, Fading
from laser_phy.channels.gain_law import GainLaw
from laser_phy.channels.gain_law import Rician as RicianLaw
from laser_phy.channels.grid import Grid
from laser_phy.core.lazy import tf
from laser_phy.core.settings import setting


class Rayleigh(Channel):
    """h ~ CN(0, 1) from Sionna's RayleighBlockFading, constant within a round (slow fading)."""

    name: Literal["rayleigh"] = "rayleigh"
    blocks: int = setting(1, ge=1, le=65536, unit="coherence blocks over the band")
    """Blocks of neighbouring subcarriers with independent gains; 1 is flat fading."""

    @model_validator(mode="after")
    def _has_an_impulse_response(self) -> Self:
        refuse_time_blocks(self.domain, self.blocks)
        return self

    @property
    def law(self) -> GainLaw:
        return RicianLaw(0.0)

    def build(self, grid: Grid, key: int, workers: int) -> RayleighFading:
        return RayleighFading(grid, key, self, workers, self.blocks)


def refuse_time_blocks(domain: str, blocks: int) -> None:
    """Blocks of independent subcarriers are no impulse response.

    Raises:
        ValueError: more than one block with `domain: time`.
    """
    if domain == "time" and blocks > 1:
        raise ValueError(
            "domain time needs a channel with an impulse response, which independent blocks of "
            f"subcarriers have not; got blocks {blocks}. Write blocks: 1, or domain: "
            "frequency."
        )


class RayleighFading(Fading):
    """One draw of Sionna's block a worker and realisation, its batch the coherence blocks."""

    def __init__(self, grid: Grid, key: int, settings: Channel, workers: int, blocks: int) -> None:
        from sionna.phy.channel import RayleighBlockFading

        super().__init__(grid, key, settings, workers)
        randomness.prepare()
        self._blocks = blocks
        self._fading = RayleighBlockFading(
            num_rx=1, num_rx_ant=settings.antennas, num_tx=1, num_tx_ant=1
        )
        carriers = len(grid.frequencies_hz)
        self._block_of = np.arange(carriers) * blocks // carriers  # [subcarrier]

    def response(self, state: Any, worker: Any) -> Any:
        realisation, _ = state
        randomness.seek(self.key, realisation, worker)
        gains, _ = self._fading(self._blocks, 1)  # [block, 1, antenna, 1, 1, 1, 1]
        gains = tf.transpose(gains[:, 0, :, 0, 0, 0, 0])
        band = tf.gather(gains, self._block_of, axis=1)  # antenna, subcarrier
        return tf.tile(band, [1, len(self.grid.times)])
