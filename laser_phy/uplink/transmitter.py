"""The workers' side of the air: their channels, what they know of them, what they do with it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from laser_phy.channels import Fading, Grid
from laser_phy.channels.gain_law import Constant
from laser_phy.core.lazy import tf
from laser_phy.core.random_streams import stateless_seed
from laser_phy.phy.pilots import ChannelSampling, Mobility, PilotEstimates
from laser_phy.power_control import RuleMoments, common_moments, precoding_for
from laser_phy.uplink.settings import UplinkSettings

INNOVATION = 2**41
"""Realisations from here on are those that age channels which do not move."""


class Transmission(NamedTuple):
    """When a transmission happens.

    Attributes:
        round: int64 scalar.
        turn: which transmission of the round.
        motion: of the workers, and the age of what is known.
        state: of the channel.
        times: [time] at which the channel is looked at, None where they never change.
        other: state of an independent draw of it, which ages it where it does not move.
    """

    round: Any
    turn: int
    motion: Mobility
    state: Any
    times: Any
    other: Any


class Transmitter:
    """K workers on one kind of round.

    Args:
        settings: of the uplink.
        grid: of the round.
        timeline: elements at which the channel is looked at.
        fading: on the timeline's grid.
    """

    def __init__(
        self, settings: UplinkSettings, grid: Grid, timeline: ChannelSampling, fading: Fading
    ) -> None:
        self.rule, self.receiver = settings.power_control, settings.receiver
        self.channel, self.csi = settings.channel, settings.csi
        self.fading, self.timeline, self.workers = fading, timeline, fading.workers
        self._elements = timeline.elements
        self.sounding: PilotEstimates | None = None
        self._powers = np.ones(self.workers, np.float32)
        if settings.transmitters_sound:
            self._powers = np.array([law.mean for law in fading.laws()], np.float32)
            self.sounding = PilotEstimates(
                self.csi.transmitter, "transmitter", grid, timeline, timeline.used_times,
                timeline.used, 1, getattr(self.channel, "wavelength_m", None),
            )  # fmt: skip
        self.statistics = self._statistics()

    def _statistics(self) -> RuleMoments:
        if not self.channel.fading:  # nothing to control: the gain is that of the beam
            gain = self.channel.antennas**0.5
            return RuleMoments(scale=1.0, gain=gain, share=1.0, square=gain**2, power=1.0)
        if self.rule.plans:  # the plan of the round says it
            return RuleMoments(scale=1.0, gain=1.0, share=1.0, square=1.0, power=1.0)
        if self.rule.needs == "statistics":
            return common_moments(self.rule, [Constant(p) for p in self.fading.powers()])
        return common_moments(self.rule, self.fading.laws())

    @property
    def arriving_powers(self) -> np.ndarray:
        """[worker] mean power with which a symbol of energy 1 arrives at an antenna, unprecoded.

        That is, under a rule that goes by nothing or by statistics.
        """
        if self.channel.fading and self.rule.needs == "statistics":
            return np.full(self.workers, self.statistics.square, np.float32)
        return np.array(self.fading.powers(), np.float32)

    def moment(self, round_: Any, turn: int, realisation: Any, motion: Mobility) -> Transmission:
        """The channels of a transmission."""
        return Transmission(
            round=round_,
            turn=turn,
            motion=motion,
            state=self.fading.draw(realisation, motion.speed_mps),
            times=self.timeline.times(motion),
            other=self.fading.draw(realisation + INNOVATION, motion.speed_mps),
        )

    def look(self, moment: Transmission, worker: Any) -> Any:
        """[antenna, timeline element] a worker's channel."""
        if moment.times is None:
            return self.fading.response(moment.state, worker)
        return self.fading.response_at(moment.state, worker, moment.times)

    def seed(self, purpose: str, moment: Transmission, worker: Any) -> Any:
        """Seed [2] of what is drawn for a purpose, transmission and worker."""
        transmission = tf.cast(moment.round, tf.int64) * 2**2 + moment.turn
        return stateless_seed(self.fading.key, purpose, transmission, worker)

    def used(self, response: Any) -> Any:
        """[antenna, used element] the channel where data and pilots are sent, of `look`."""
        return tf.gather(response, self._elements, axis=1)

    def sounded(
        self, sounding: PilotEstimates, moment: Transmission, worker: Any, response: Any
    ) -> Any:
        """[antenna, pilot element] the channel when the pilots of `sounding` were sent."""
        if sounding.innovates:
            turns = sounding.turns(moment.motion)
            response = self.fading.earlier(moment.state, moment.other, worker, turns)
        return tf.gather(response, sounding.source, axis=1)

    def known(self, moment: Transmission, worker: Any, response: Any) -> Any:
        """[used element] what a worker knows of its channel behind the beam.

        The channel itself where its rule needs nothing of it.
        """
        if self.sounding is not None:
            sounded = self.sounded(self.sounding, moment, worker, response)
            pilots = self.sounding.pilots(self.receiver.beam_gain(sounded)[tf.newaxis])
            estimate = self.sounding.estimate(pilots, self.seed("downlink pilots", moment, worker))
            return self.sounding.to_power(estimate[0], tf.gather(self._powers, worker))
        gain = self.receiver.beam_gain(self.used(response))
        if self.rule.needs == "statistics":
            power = tf.gather(tf.constant(self.fading.powers(), tf.float32), worker)
            return tf.fill(tf.shape(gain), tf.cast(tf.sqrt(power), gain.dtype))
        if self.rule.needs == "nothing":
            return gain
        return self.csi.transmitter.view(gain)

    def known_gains(self, moment: Transmission) -> Any:
        """[worker, used element] power gains behind the beam, as the workers know them."""

        def body(worker: Any, gains: Any) -> Any:
            known = self.known(moment, worker, self.look(moment, worker))
            return worker + 1, gains.write(worker, tf.square(tf.abs(known)))

        gains = tf.TensorArray(tf.float32, self.workers, element_shape=[len(self._elements)])
        return self.over(body, gains).stack()

    def plan(self, moment: Transmission, prior: Any, present: Any = None) -> Any:
        """[worker, used element] h b of a rule that plans; [worker, 0] for others.

        Args:
            prior: [used element] mean energy of a worker's symbol before precoding.
            present: [worker] float32, 1 of those that send, for whom alone is planned (0 for the
                others); None for all.
        """
        if not self.channel.fading or not self.rule.plans:
            return tf.zeros([self.workers, 0])
        noise_ratio = self.channel.noise_variance / tf.maximum(prior, 1e-30)
        gains = self.known_gains(moment)
        if present is None:
            return self.rule.plan(gains, noise_ratio)
        somebody = tf.where(tf.reduce_any(present > 0), present, tf.ones_like(present))
        index = tf.where(somebody > 0)  # [sender, 1]
        arrival = self.rule.plan(tf.gather_nd(gains, index), noise_ratio)
        return tf.scatter_nd(index, arrival, tf.shape(gains, tf.int64))

    def precoding(self, moment: Transmission, worker: Any, response: Any, arrival: Any) -> Any:
        """[used element] a worker's factors b."""
        if not self.channel.fading:
            return tf.ones([len(self._elements)], tf.complex64)
        known = self.known(moment, worker, response)
        if self.rule.plans:
            return precoding_for(arrival[worker], known)
        return self.rule.precode(known, self.statistics)

    def correlation(self, motion: Mobility) -> tuple[Any, Any]:
        """rho and rho^2 of channel and knowledge, means over elements and workers."""
        if self.sounding is None:
            return 1.0, 1.0
        return self.sounding.correlation(float(np.mean(self._powers)), motion)

    def mean_gain(self, moment: Transmission, worker: Any) -> Any:
        """Mean power gain of a worker's channel over antennas and elements of the round."""
        response = self.used(self.look(moment, worker))[:, : self.timeline.symbols]
        return tf.reduce_mean(tf.square(tf.abs(response)))

    def over(self, body: Any, carry: Any) -> Any:
        """`carry` after `body(worker, carry) -> worker + 1, carry` for all workers in turn."""
        return tf.while_loop(
            lambda worker, _: worker < self.workers,
            body,
            (0, carry),
            parallel_iterations=1,
            maximum_iterations=self.workers,
        )[1]
