"""The workers' side of the broadcast: their channels, and what they know of them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from laser_phy.channels.grid import round_grid
from laser_phy.downlink.settings import Broadcast
from laser_phy.phy.beam import common_beam
from laser_phy.phy.ofdm import spread
from laser_phy.phy.pilots import Mobility, PilotEstimates
from laser_phy.phy.worker_channels import Transmission, WorkerChannels

SIDE = "receiver"
"""What a worker is on the way back, of the two sides of a link."""


class Arrival(NamedTuple):
    """What comes to a worker of a broadcast.

    Attributes:
        symbols: [symbol] complex64 behind the beam, without noise.
        gain: [symbol] complex64 channel as the worker knows it.
        csi_error: variance of the error of `gain`.
    """

    symbols: Any
    gain: Any
    csi_error: Any


class WorkerReceiver:
    """K workers who receive one kind of round.

    All gains are behind the server's common beam w = 1/sqrt(M), as on the uplink. Knowledge from
    pilots comes from pilot symbols of the broadcast, one for all workers.

    Args:
        settings: of the downlink.
        symbols: complex symbols of a broadcast.
        key: stream of randomness of the channel.
        workers: K.
    """

    def __init__(self, settings: Broadcast, symbols: int, key: int, workers: int) -> None:
        self.grid = round_grid(settings.ofdm, symbols, pilots=settings.pilots)
        elements = spread(symbols, self.grid.elements)
        sides = {SIDE: settings.csi} if settings.pilots else {}
        self.channels = WorkerChannels(settings.channel, self.grid, elements, sides, key, workers)
        self.pilots: PilotEstimates | None = None
        if settings.pilots:
            laws = self.channels.fading.laws()
            self._powers = np.array([law.mean for law in laws], np.float32)
            wanted = self.channels.sampling.used[:symbols]
            self.pilots = self.channels.estimates(settings.csi, SIDE, self.grid.times, wanted, 1)
        self._age_s = settings.csi.age

    @property
    def pilot_energy(self) -> float:
        """Energy of a round's pilots, which the server sends beyond its budget."""
        return 0.0 if self.pilots is None else self.pilots.energy

    def transmission(self, round_: Any, speed_mps: Any) -> Transmission:
        """Draw the channels of round `round_`."""
        mobility = Mobility(speed_mps, receiver_age_s=self._age_s)
        return self.channels.transmission(round_, round_, mobility)

    def receive(self, transmission: Transmission, worker: Any, symbols: Any) -> Arrival:
        """What arrives at a worker of the server's `symbols` [symbol], and what it knows."""
        response = self.channels.response(transmission, worker)
        gain = common_beam(self.channels.data(response))
        arriving = gain * symbols
        if self.channels.channel.domain == "time":
            through = self.channels.propagate(transmission, worker, response, symbols)
            arriving = common_beam(through)
        if self.pilots is None:  # perfect, or a channel that needs no looking at
            return Arrival(arriving, gain, 0.0)
        known = self._estimate(self.pilots, transmission, worker, response)
        error = self.pilots.error_of(self._power(worker), transmission.mobility)
        return Arrival(arriving, known, error)

    def _estimate(
        self, pilots: PilotEstimates, transmission: Transmission, worker: Any, response: Any
    ) -> Any:
        """[symbol] channel, from noisy pilots through `response` [antenna, sampled element]."""
        sounded = common_beam(self.channels.sounded(pilots, transmission, worker, response))
        seed = self.channels.seed("pilots", transmission.index, worker)
        estimate = pilots.estimate(pilots.pilots(sounded[tf.newaxis]), seed)[0]
        return pilots.shrunk(estimate, self._power(worker), transmission.mobility)

    def _power(self, worker: Any) -> Any:
        """Mean power of a worker's channel."""
        return tf.gather(self._powers, worker)
