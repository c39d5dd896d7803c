"""Channels made of paths that move: settings, and responses from path gains and delays."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

from laser_phy.channels.base import Channel, Fading
from laser_phy.channels.grid import Grid
from laser_phy.channels.paths import PathResponse
from laser_phy.channels.waveform import Waveform
from laser_phy.core.lazy import tf
from laser_phy.core.settings import setting

SPEED_OF_LIGHT_MPS = 299_792_458.0


class Moving(Channel):
    """Fields of every channel whose workers move.

    Within a round the channel moves with continuous phase from OFDM symbol to OFDM symbol, slot to
    slot; rounds are independent unless `coherence_rounds` holds a realisation.
    """

    carrier_hz: float = setting(3.5e9, gt=0, le=1e12, unit="Hz")
    """Carrier frequency."""
    speed_mps: float = setting(1.0, ge=0, le=1e4, unit="m/s")
    """Speed of every worker; sets the Doppler."""

    moves: ClassVar[bool] = True

    @property
    def initial_speed_mps(self) -> float:
        return self.speed_mps

    @property
    def wavelength_m(self) -> float:
        """Wavelength of the carrier."""
        return SPEED_OF_LIGHT_MPS / self.carrier_hz


class PathFading(Fading):
    """Responses as matrix products over paths.

    A channel has one class below this, which gives `paths`. Models are built for 1 m/s, and time is
    scaled by the speed instead: only their product enters, and a change of speed retraces nothing.
    """

    settings: Moving

    def __init__(self, grid: Grid, key: int, settings: Moving, workers: int) -> None:
        super().__init__(grid, key, settings, workers)
        self.steps, self._step_s = grid.ofdm_symbols, grid.symbol_duration_s
        self._path_response = PathResponse(grid)
        self._waveform = None
        if settings.domain == "time":
            self._waveform = Waveform(grid, self.longest_delay_s())
            self.steps, self._step_s = self._waveform.steps, self._waveform.step_s

    @abstractmethod
    def paths(self, state: Any, worker: Any) -> tuple[Any, Any]:
        """The paths of one worker over the round.

        Args:
            state: of `draw`.
            worker: int32 scalar.

        Returns:
            Gains [antenna, path, step] complex64 at the times n / `rate`, and delays [path] in
            seconds: an array where they never change, else a tensor.
        """

    def rate(self, speed_mps: Any) -> Any:
        """Steps a second of a model that is built for 1 m/s; infinite at rest, so that t = 0."""
        return tf.math.reciprocal(self._step_s * speed_mps)

    @abstractmethod
    def longest_delay_s(self) -> float:
        """An upper bound of the delays, for `domain: time`; asked while building."""

    def twin(self, grid: Grid) -> PathFading:
        """The same channel in the frequency domain of another grid."""
        settings = self.settings.model_copy(update={"domain": "frequency"})
        fading = settings.build(grid, self.key, self.workers)
        assert isinstance(fading, PathFading)
        return fading

    def response(self, state: Any, worker: Any) -> Any:
        return self.response_at(state, worker, None)

    def response_at(self, state: Any, worker: Any, times: Any) -> Any:
        of_paths = self._waveform.response if self._waveform else self._path_response
        return of_paths(*self._shaped_paths(state, worker), times)

    def propagate(self, state: Any, worker: Any, symbols: Any) -> Any:
        if self._waveform is None:
            return super().propagate(state, worker, symbols)
        return self._waveform.propagate(*self._shaped_paths(state, worker), symbols)

    def _shaped_paths(self, state: Any, worker: Any) -> tuple[Any, Any]:
        """`paths` of static shape, which a loop over chunks forgets."""
        gains, delays = self.paths(state, worker)
        return tf.ensure_shape(gains, [self.settings.antennas, None, self.steps]), delays
