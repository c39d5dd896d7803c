"""The interface of a channel: settings that build a fading process for one grid and its workers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal

from laser_phy.channels.gain_law import Constant, GainLaw
from laser_phy.channels.grid import Grid
from laser_phy.conventions import NOISE_VARIANCE
from laser_phy.lazy import tf
from laser_phy.settings import Settings, setting


class Channel(Settings):
    """Settings of a channel.

    Attributes:
        fading: gains differ between elements, workers and rounds.
        moves: gains move within a round, at a Doppler.
        noise_variance: complex variance of the noise on a resource element of one antenna.
    """

    name: str
    antennas: int = setting(1, ge=1, le=1024, unit="antennas at the server")
    """Antennas at the server; a worker has one."""
    coherence_rounds: int = setting(1, ge=1, unit="rounds")
    """Rounds that one realisation is held for."""
    domain: Literal["frequency"] = setting("frequency")
    """`frequency`: one gain a resource element."""

    fading: ClassVar[bool] = True
    moves: ClassVar[bool] = False
    noise_variance: ClassVar[float] = NOISE_VARIANCE

    @property
    def law(self) -> GainLaw:
        """Distribution of |w^H h|^2, the power gain behind the common beam w = 1/sqrt(M)."""
        return Constant(float(self.antennas))

    def build(self, grid: Grid, key: int) -> Fading:
        """The fading process on `grid`; `key` is its stream of randomness."""
        raise NotImplementedError


class Fading(ABC):
    """Responses of the workers' channels, each a pure function of (key, realisation, worker).

    Args:
        grid: resource elements of one round.
        key: stream of randomness.
    """

    def __init__(self, grid: Grid, key: int) -> None:
        self.grid = grid
        self.key = key

    def draw(self, realisation: Any, speed_mps: Any) -> Any:
        """What the workers' responses of a round are made from: a nest of tensors.

        Args:
            realisation: int64 scalar, round // coherence_rounds.
            speed_mps: float32 scalar, where the channel moves.
        """
        return realisation, speed_mps

    @abstractmethod
    def response(self, state: Any, worker: Any) -> Any:
        """The channel of one worker over the data elements of a round.

        Args:
            state: of `draw`.
            worker: int32 scalar.

        Returns:
            [antenna, time * subcarrier] complex64, time and subcarrier as in the grid.
        """


class Unit(Fading):
    """h = 1 on every antenna and element."""

    def __init__(self, grid: Grid, key: int, antennas: int) -> None:
        super().__init__(grid, key)
        self.antennas = antennas

    def response(self, state: Any, worker: Any) -> Any:
        return tf.ones([self.antennas, self.grid.elements], tf.complex64)
