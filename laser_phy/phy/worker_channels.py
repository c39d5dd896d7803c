"""K workers' fading channels on one kind of round, the same engine for both links.

Drawing a transmission's channels, looking at one of them where data and pilots lie, moving it, and
what its pilots show: all that uplink and downlink do with a channel stands here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from laser_phy.channels import Channel, Fading
from laser_phy.channels.grid import Grid
from laser_phy.core import contract
from laser_phy.core.lazy import tf
from laser_phy.core.loops import in_turn
from laser_phy.core.random_streams import stateless_seed
from laser_phy.phy.csi import Knowledge
from laser_phy.phy.pilots import Mobility, PilotEstimates, channel_sampling

INNOVATION = 2**41
"""Realisations from here on are those that age channels which do not move."""


class Transmission(NamedTuple):
    """The channels of one transmission.

    Attributes:
        index: int64 scalar that is different for every transmission: its draws go by it.
        mobility: of the workers, and the age of what is known.
        state: of the channel.
        times: [time] at which the channel is looked at, None where they never change.
        other: state of an independent draw, which ages a channel that does not move by itself; ()
            where nothing is to be aged so.
    """

    index: Any
    mobility: Mobility
    state: Any
    times: Any
    other: Any


class WorkerChannels:
    """The channels of K workers, one looked at after the other.

    Args:
        channel: settings.
        grid: resource elements of the round.
        elements: [symbol] data element of every symbol.
        sides: what "transmitter" and "receiver" know that learn from pilots.
        key: stream of randomness of the channel.
        workers: K.
        fading: already built on the same sampling's grid, to look at other elements of it.
    """

    def __init__(
        self,
        channel: Channel,
        grid: Grid,
        elements: np.ndarray,
        sides: Mapping[str, Knowledge],
        key: int,
        workers: int,
        fading: Fading | None = None,
    ) -> None:
        self.channel, self.grid, self.workers = channel, grid, workers
        self.sampling = channel_sampling(sides, channel, grid, elements)
        self.fading = fading or channel.build(self.sampling.grid, key, workers)
        self._innovates = any(
            knows.ages and channel.wavelength_m is None for knows in sides.values()
        )

    def elsewhere(self, elements: np.ndarray, sides: Mapping[str, Knowledge]) -> WorkerChannels:
        """The same channels looked at on other `elements` [symbol] of the grid."""
        fading = self.fading
        return WorkerChannels(
            self.channel, self.grid, elements, sides, fading.key, self.workers, fading
        )

    def estimates(
        self, csi: Any, side: str, times: np.ndarray, elements: np.ndarray, combs: int
    ) -> PilotEstimates:
        """The pilots of a side: `laser_phy.phy.pilots.PilotEstimates`."""
        wavelength_m = self.channel.wavelength_m
        return PilotEstimates(
            csi, side, self.grid, self.sampling, times, elements, combs, wavelength_m
        )

    def transmission(self, index: Any, round_: Any, mobility: Mobility) -> Transmission:
        """Draw the channels of a transmission, once.

        Args:
            index: int64 scalar, of the transmission.
            round_: int64 scalar; `coherence_rounds` rounds see one realisation.
            mobility: of the workers.
        """
        realisation = round_ // self.channel.coherence_rounds
        draw, speed_mps = self.fading.draw, mobility.speed_mps
        return Transmission(
            index=index,
            mobility=mobility,
            state=draw(realisation, speed_mps),
            times=self.sampling.times(mobility),
            other=draw(realisation + INNOVATION, speed_mps) if self._innovates else (),
        )

    def response(self, transmission: Transmission, worker: Any) -> Any:
        """[antenna, sampled element] a worker's channel."""
        if transmission.times is None:
            response = self.fading.response(transmission.state, worker)
        else:
            response = self.fading.response_at(transmission.state, worker, transmission.times)
        shape, what = [self.channel.antennas, self.fading.grid.elements], "a response"
        response = contract.check_shape(self.channel, what, response, shape, "complex64")
        return contract.check_finite(self.channel, what, response)

    def used(self, response: Any) -> Any:
        """[antenna, used element] the channel where data and pilots are sent, of `response`."""
        return tf.gather(response, self.sampling.elements, axis=1)

    def data(self, response: Any) -> Any:
        """[antenna, symbol] the channel where data are sent, of `response`."""
        return self.used(response)[:, : self.sampling.symbols]

    def sounded(
        self, estimates: PilotEstimates, transmission: Transmission, worker: Any, response: Any
    ) -> Any:
        """[antenna, pilot element] the channel when the pilots of `estimates` were sent."""
        if estimates.innovates:
            cycles = estimates.doppler_cycles(transmission.mobility)
            response = self.fading.earlier(transmission.state, transmission.other, worker, cycles)
        return tf.gather(response, estimates.source, axis=1)

    def propagate(
        self, transmission: Transmission, worker: Any, response: Any, symbols: Any
    ) -> Any:
        """[antenna, symbol] what arrives of `symbols` [symbol], or comes to a worker, noise-free.

        Args:
            transmission: its channels.
            worker: integer scalar.
            response: of `response`.
            symbols: [symbol] complex64, or [antenna, symbol].
        """
        if self.channel.domain == "frequency":
            return self.data(response) * symbols
        places = self.sampling.elements[: self.sampling.symbols]
        placed = tf.scatter_nd(places[:, np.newaxis], symbols, [self.fading.grid.elements])
        through = self.fading.propagate(transmission.state, worker, placed)
        return tf.gather(through, places, axis=1)

    def seed(self, purpose: str, index: Any, worker: Any) -> Any:
        """Seed [2] of what is drawn for a purpose, transmission and worker."""
        return stateless_seed(self.fading.key, purpose, index, worker)

    def mean_gains(self, transmission: Transmission) -> Any:
        """[worker] mean power gain of each channel over antennas and elements of the round."""

        def body(worker: Any, gains: Any) -> Any:
            response = self.data(self.response(transmission, worker))
            return gains.write(worker, tf.reduce_mean(tf.square(tf.abs(response))))

        gains = tf.TensorArray(tf.float32, self.workers, element_shape=[])
        return self.for_each_worker(body, gains).stack()

    def for_each_worker(self, body: Callable[[Any, Any], Any], carry: Any) -> Any:
        """`carry` after `carry = body(worker, carry)` for all workers in turn."""
        return in_turn(self.workers, body, carry)
