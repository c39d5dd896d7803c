"""The workers' side of the broadcast: their channels, and what they know of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from laser_phy.channels.grid import round_grid
from laser_phy.core.constants import NOISE_VARIANCE
from laser_phy.core.random_streams import stateless_seed
from laser_phy.downlink.settings import Broadcast
from laser_phy.phy.ofdm import spread
from laser_phy.phy.pilots import Mobility, PilotEstimates, channel_sampling
from laser_phy.uplink.transmitter import INNOVATION, Transmission

SIDE = "receiver"
"""What a worker is on the way back, of the two sides of a link."""


class WorkerReceiver:
    """K workers who hear one kind of round.

    All gains are behind the server's common beam w = 1/sqrt(M), as on the uplink. Knowledge from
    pilots comes from pilot symbols of the broadcast, one for all workers.

    Args:
        settings: of the downlink.
        symbols: complex symbols of a broadcast.
        key: stream of randomness of the channel.
        workers: K.
    """

    def __init__(self, settings: Broadcast, symbols: int, key: int, workers: int) -> None:
        channel, csi = settings.channel, settings.csi
        self.channel, self.csi, self.key = channel, csi, key
        self.grid = round_grid(settings.ofdm, symbols, pilots=settings.pilots)
        elements = spread(symbols, self.grid.elements)
        self.timeline = channel_sampling({SIDE: csi}, channel, self.grid, elements)
        self.elements = self.timeline.elements[:symbols]
        self.fading = channel.build(self.timeline.grid, key, workers)
        self.sounding: PilotEstimates | None = None
        if settings.pilots:
            self._powers = np.array([law.mean for law in self.fading.laws()], np.float32)
            self.sounding = PilotEstimates(
                csi, SIDE, self.grid, self.timeline, self.grid.times,
                self.timeline.used[:symbols], 1, getattr(channel, "wavelength_m", None),
            )  # fmt: skip

    @property
    def pilot_energy(self) -> float:
        """Energy of a round's pilots, which the server sends beyond its budget."""
        if self.sounding is None:
            return 0.0
        elements = len(self.grid.pilot_times) * len(self.grid.frequencies_hz)
        return elements * NOISE_VARIANCE / self.sounding.csi.error

    def moment(self, round_: Any, speed_mps: Any) -> Transmission:
        """The moment of round `round_`."""
        realisation = round_ // self.channel.coherence_rounds
        motion = Mobility(speed_mps, receiver_age_s=getattr(self.csi, "age_s", 0.0))
        draw = self.fading.draw
        return Transmission(
            round=round_,
            turn=0,
            motion=motion,
            times=self.timeline.times(motion),
            state=draw(realisation, speed_mps),
            other=draw(realisation + INNOVATION, speed_mps) if self._innovates else (),
        )

    @property
    def _innovates(self) -> bool:
        return self.sounding is not None and self.sounding.innovates

    def listen(self, moment: Transmission, worker: Any, symbols: Any) -> tuple[Any, Any, Any]:
        """What arrives at a worker of the server's `symbols` [symbol], and what it knows.

        Returns:
            [symbol] complex64 what arrives, without noise; [symbol] complex64 the channel as the
            worker knows it; the variance of that one's error.
        """
        response = self._beam(self._response(moment, worker))  # [timeline element]
        gain = tf.gather(response, self.elements)
        arriving = gain * symbols
        if self.channel.domain == "time":
            arriving = self._through(moment, worker, symbols)
        if self.sounding is None:  # perfect, or a channel that needs no looking at
            return arriving, gain, 0.0
        known = self._estimate(self.sounding, moment, worker, response)
        return arriving, known, self.sounding.error_of(self._power(worker), moment.motion)

    def _response(self, moment: Transmission, worker: Any) -> Any:
        if moment.times is None:
            return self.fading.response(moment.state, worker)
        return self.fading.response_at(moment.state, worker, moment.times)

    def _through(self, moment: Transmission, worker: Any, symbols: Any) -> Any:
        """[symbol] of the waveform that arrives."""
        places = self.elements[:, np.newaxis]
        placed = tf.scatter_nd(places, symbols, [self.timeline.grid.elements])
        heard = self.fading.propagate(moment.state, worker, placed)
        return tf.gather(self._beam(heard), self.elements)

    def _estimate(
        self, sounding: PilotEstimates, moment: Transmission, worker: Any, response: Any
    ) -> Any:
        """[symbol] channel, from noisy pilots through `response` [timeline element]."""
        sounded = tf.gather(response, sounding.source)[tf.newaxis]
        if sounding.innovates:
            turns = sounding.turns(moment.motion)
            earlier = self.fading.earlier(moment.state, moment.other, worker, turns)
            sounded = tf.gather(self._beam(earlier), sounding.source)[tf.newaxis]
        seed = stateless_seed(self.key, "pilots", moment.round, worker)
        estimate = sounding.estimate(sounding.pilots(sounded), seed)[0]
        return sounding.shrunk(estimate, self._power(worker), moment.motion)

    def _power(self, worker: Any) -> Any:
        """Mean power of a worker's channel."""
        return tf.gather(self._powers, worker)

    def _beam(self, response: Any) -> Any:
        """w^H h [element] of [antenna, element]."""
        antennas = float(self.channel.antennas)
        return tf.reduce_sum(response, axis=0) / tf.cast(antennas**0.5, response.dtype)
