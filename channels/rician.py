"""Rician fading, constant within a round: a specular component and Rayleigh around it."""

from __future__ import annotations

import math
from typing import Any, Literal, Self

from pydantic import model_validator

from laser_phy.channels.base import Channel, Fading, aged
from laser_phy.channels.gain_law import GainLaw
from laser_phy.channels.gain_law import Rician as RicianLaw
from laser_phy.channels.grid import Grid
from laser_phy.channels.rayleigh import RayleighFading, refuse_time_blocks
from laser_phy.core.lazy import tf
from laser_phy.core.settings import setting


class Rician(Channel):
    """h = sqrt(k/(k+1)) e^(j phi) + sqrt(1/(k+1)) g with g ~ CN(0, 1) from Sionna.

    The phase phi of the specular component is uniform, drawn for every worker and realisation. It
    is the same on all antennas and subcarriers: the server looks towards the worker, and the
    specular path has no delay. g is flat, or independent between blocks of subcarriers.
    """

    name: Literal["rician"] = "rician"
    k_factor_db: float = setting(6.0, ge=-60, le=60, unit="dB")
    """Power of the specular component over that of the rest."""
    blocks: int = setting(1, ge=1, le=65536, unit="coherence blocks over the band")
    """Blocks of neighbouring subcarriers with independent gains around the specular component."""

    @model_validator(mode="after")
    def _has_an_impulse_response(self) -> Self:
        refuse_time_blocks(self.domain, self.blocks)
        return self

    @property
    def k_factor(self) -> float:
        """Power of the specular component over that of the rest, linear."""
        return 10 ** (self.k_factor_db / 10)

    @property
    def law(self) -> GainLaw:
        k, antennas = self.k_factor, self.antennas  # behind w = 1/sqrt(M) the specular part adds up
        return RicianLaw(antennas * k, mean=(antennas * k + 1) / (k + 1))

    def build(self, grid: Grid, key: int, workers: int) -> RicianFading:
        return RicianFading(grid, key, self, workers)


class RicianFading(Fading):
    """A phase, drawn behind the gains of Rayleigh fading."""

    settings: Rician

    def __init__(self, grid: Grid, key: int, settings: Rician, workers: int) -> None:
        super().__init__(grid, key, settings, workers)
        self._scattered = RayleighFading(grid, key, settings, workers, settings.blocks)

    def response(self, state: Any, worker: Any) -> Any:
        scattered, phase = self._draws(state, worker)
        return self._sum(phase, scattered)

    def earlier(self, state: Any, other: Any, worker: Any, doppler_cycles: Any) -> Any:
        """The specular wave comes from one direction: it keeps its power and turns by
        2 pi f_d t cos(angle), the angle between it and the motion uniform and drawn anew. Only what
        is around it decorrelates. The mean over angles of the correlation is J0 for both.
        """
        scattered, phase = self._draws(state, worker)
        fresh, angle = self._draws(other, worker)
        turned = phase - 2 * math.pi * tf.cast(doppler_cycles, tf.float32) * tf.cos(angle)
        return self._sum(turned, aged(scattered, fresh, doppler_cycles))

    def _draws(self, state: Any, worker: Any) -> tuple[Any, Any]:
        """Gains around the specular component [antenna, time * subcarrier], and its phase."""
        from sionna.phy import config

        scattered = self._scattered.response(state, worker)  # leaves the generator at its stream
        return scattered, config.tf_rng.uniform([], 0.0, 2 * math.pi)

    def _sum(self, phase: Any, scattered: Any) -> Any:
        k = self.settings.k_factor
        specular = math.sqrt(k / (k + 1)) * tf.complex(tf.cos(phase), tf.sin(phase))
        return specular + math.sqrt(1 / (k + 1)) * scattered
