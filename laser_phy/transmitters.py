"""The workers' side of the air: their channels, what they know of them, what they do with it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from laser_phy.channels import Fading, Grid
from laser_phy.lazy import tf
from laser_phy.power_control import Statistics, common_statistics, precode_to
from laser_phy.sounding import Motion, Sounding, Timeline
from laser_phy.streams import stateless_seed
from laser_phy.uplink_settings import UplinkSettings

INNOVATION = 2**41
"""Realisations from here on are those that age channels which do not move."""


class Moment(NamedTuple):
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
    motion: Motion
    state: Any
    times: Any
    other: Any


class Sight(NamedTuple):
    """A worker's channel [antenna, timeline element], and the independent draw that ages it."""

    response: Any
    innovation: Any


class Transmitters:
    """K workers on one kind of round.

    Args:
        settings: of the uplink.
        grid: of the round.
        timeline: elements at which the channel is looked at.
        fading: on the timeline's grid.
    """

    def __init__(
        self, settings: UplinkSettings, grid: Grid, timeline: Timeline, fading: Fading
    ) -> None:
        self.rule, self.receiver = settings.power_control, settings.receiver
        self.channel, self.csi = settings.channel, settings.csi
        self.fading, self.timeline, self.workers = fading, timeline, fading.workers
        self._elements = timeline.elements
        self.sounding: Sounding | None = None
        self._powers = np.ones(self.workers, np.float32)
        if self.channel.fading and self.csi.transmitter.pilots:
            self._powers = np.array([law.mean for law in fading.laws()], np.float32)
            self.sounding = Sounding(
                self.csi.transmitter, "transmitter", grid, timeline, timeline.used_times,
                timeline.used, 1, getattr(self.channel, "wavelength_m", None),
            )  # fmt: skip
        self.statistics = self._statistics()

    def _statistics(self) -> Statistics:
        if not self.channel.fading:  # nothing to control: the gain is that of the beam
            gain = self.channel.antennas**0.5
            return Statistics(scale=1.0, gain=gain, share=1.0, square=gain**2, power=1.0)
        if self.rule.plans:  # the plan of the round says it
            return Statistics(scale=1.0, gain=1.0, share=1.0, square=1.0, power=1.0)
        return common_statistics(self.rule, self.fading.laws())

    def moment(self, round_: Any, turn: int, realisation: Any, motion: Motion) -> Moment:
        """The channels of a transmission."""
        return Moment(
            round=round_,
            turn=turn,
            motion=motion,
            state=self.fading.draw(realisation, motion.speed_mps),
            times=self.timeline.times(motion),
            other=self.fading.draw(realisation + INNOVATION, motion.speed_mps),
        )

    def look(self, moment: Moment, worker: Any, innovates: bool = False) -> Sight:
        """A worker's channel over the timeline.

        Args:
            innovates: somebody's knowledge of it is aged by an innovation.
        """
        if moment.times is None:
            response = self.fading.response(moment.state, worker)
        else:
            response = self.fading.response_at(moment.state, worker, moment.times)
        return Sight(response, self.fading.response(moment.other, worker) if innovates else ())

    @property
    def innovates(self) -> bool:
        """The workers' knowledge is aged by an innovation."""
        return self.sounding is not None and self.sounding.innovates

    def seed(self, purpose: str, moment: Moment, worker: Any) -> Any:
        """Seed [2] of what is drawn for a purpose, transmission and worker."""
        transmission = tf.cast(moment.round, tf.int64) * 2**2 + moment.turn
        return stateless_seed(self.fading.key, purpose, transmission, worker)

    def used(self, sight: Sight) -> Any:
        """[antenna, used element] the channel where data and pilots are sent."""
        return tf.gather(sight.response, self._elements, axis=1)

    def known(self, moment: Moment, worker: Any, sight: Sight) -> Any:
        """[used element] what a worker knows of its channel behind the beam.

        The channel itself where it knows nothing: rules that need nothing do not look.
        """
        if self.sounding is not None:
            behind = [self.receiver.beam_gain(part)[tf.newaxis] for part in self._sounded(sight)]
            aged = self.sounding.aged(behind[0], behind[-1], moment.motion)
            pilots = self.sounding.pilots(aged)
            estimate = self.sounding.estimate(pilots, self.seed("downlink pilots", moment, worker))
            return self.sounding.to_power(estimate[0], tf.gather(self._powers, worker))
        gain = self.receiver.beam_gain(self.used(sight))
        known = self.csi.transmitter.view(gain)
        return gain if known is None else known

    def _sounded(self, sight: Sight) -> list[Any]:
        assert self.sounding is not None
        parts = [sight.response] + ([sight.innovation] if self.sounding.innovates else [])
        return [tf.gather(part, self.sounding.source, axis=1) for part in parts]

    def known_gains(self, moment: Moment) -> Any:
        """[worker, used element] power gains behind the beam, as the workers know them."""

        def body(worker: Any, gains: Any) -> Any:
            known = self.known(moment, worker, self.look(moment, worker, self.innovates))
            return worker + 1, gains.write(worker, tf.square(tf.abs(known)))

        gains = tf.TensorArray(tf.float32, self.workers, element_shape=[len(self._elements)])
        return self.over(body, gains).stack()

    def plan(self, moment: Moment, prior: Any) -> Any:
        """[worker, used element] h b of a rule that plans; [worker, 0] for others.

        Args:
            prior: [used element] mean energy of a worker's symbol before precoding.
        """
        if not self.channel.fading or not self.rule.plans:
            return tf.zeros([self.workers, 0])
        noise_ratio = self.channel.noise_variance / tf.maximum(prior, 1e-30)
        return self.rule.plan(self.known_gains(moment), noise_ratio)

    def precoding(self, moment: Moment, worker: Any, sight: Sight, arrival: Any) -> Any:
        """[used element] a worker's factors b."""
        if not self.channel.fading:
            return tf.ones([len(self._elements)], tf.complex64)
        known = self.known(moment, worker, sight)
        if self.rule.plans:
            return precode_to(arrival[worker], known)
        return self.rule.precode(known, self.statistics)

    def correlation(self, motion: Motion) -> tuple[Any, Any]:
        """rho and rho^2 of channel and knowledge, means over elements and workers."""
        if self.sounding is None:
            return 1.0, 1.0
        return self.sounding.correlation(float(np.mean(self._powers)), motion)

    def mean_gain(self, moment: Moment, worker: Any) -> Any:
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
