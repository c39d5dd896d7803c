"""One transmission of a round: amplitudes, sum in the air, noise, receiver, measurements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from laser_phy.channels import Grid
from laser_phy.compressors import Message
from laser_phy.phy.impairments import Hardware
from laser_phy.phy.layout import BlockLayout
from laser_phy.phy.modulation import mapping_of
from laser_phy.phy.ofdm import spread
from laser_phy.phy.pilots import Mobility, channel_sampling
from laser_phy.receivers import Link
from laser_phy.uplink.air_record import LinkMeasurements
from laser_phy.uplink.pilot_cost import pilot_cost
from laser_phy.uplink.power_scaling import PowerScaling, ScaledMessages
from laser_phy.uplink.receiver_csi import ReceiverCsi
from laser_phy.uplink.senders import Senders
from laser_phy.uplink.settings import UplinkSettings
from laser_phy.uplink.superposition import Superposition
from laser_phy.uplink.transmitter import Transmitter


class AnalogLink:
    """The air of one kind of round.

    Args:
        settings: of the uplink.
        layout: blocks of the message.
        grid: resource elements of the round.
        key: stream of randomness of the channel.
        workers: K.
    """

    def __init__(
        self, settings: UplinkSettings, layout: BlockLayout, grid: Grid, key: int, workers: int
    ) -> None:
        self.settings, self.layout, self.grid = settings, layout, grid
        self.workers, self.receiver = workers, settings.receiver
        self.mapping = mapping_of(settings.receiver)
        self.elements = spread(layout.symbols, grid.elements)  # [symbol]
        self.timeline = channel_sampling(
            settings.sounding_sides, settings.channel, grid, self.elements
        )
        self.fading = settings.channel.build(self.timeline.grid, key, workers)
        self.transmitters = Transmitter(settings, grid, self.timeline, self.fading)
        self.senders = Senders(settings.participation, self.transmitters)
        self.scaling = PowerScaling(settings, layout, self.transmitters)
        self.observer = ReceiverCsi(settings, grid, self.timeline, self.transmitters)
        hardware = Hardware(settings.impairments, settings.ofdm, grid, self.elements)
        self.superposition = Superposition(settings, self.scaling, self.observer, hardware)
        self.cost = pilot_cost(self.transmitters.sounding, self.observer, grid, workers)

    def sends(self, round_: Any, realisation: Any, motion: Mobility, worker: Any) -> Any:
        """Bool scalar: a worker takes part in a round."""
        moment = self.transmitters.moment(round_, 0, realisation, motion)
        return self.senders.sends(moment, worker)

    def transmit(
        self,
        messages: Message,
        budget: Any,
        round_: Any,
        turn: int,
        realisation: Any,
        motion: Mobility,
        present: Any,
        add_noise: Callable[[Any], Any],
    ) -> tuple[Any, LinkMeasurements]:
        """Send the messages; decode the mean of those that were sent.

        Args:
            messages: fields with a leading worker axis; `reals` [worker, real], 0 of a worker that
                sits out.
            budget: [block] energy p_j.
            round_: int64 scalar.
            turn: which transmission of the round.
            realisation: int64 scalar, of the channel.
            motion: of the workers, and the age of what is known.
            present: [worker] bool; others send nothing, whatever the participation.
            add_noise: adds the round's noise to [antenna, symbol] complex64.

        Returns:
            The estimate [real] of the mean message, and the record.
        """
        moment = self.transmitters.moment(round_, turn, realisation, motion)
        sending = self.senders.everybody(moment) * tf.cast(present, tf.float32)
        senders = tf.reduce_sum(sending)
        sent = self.scaling.scale(messages, budget, moment, sending)
        sums = self.superposition(sent)
        received = add_noise(sums.received)
        observed = self.observer.finish(moment, sums.observed, senders)
        prior = self.scaling.prior(messages, sent.amplitude, senders)
        combined = self.receiver.combine(received, observed, prior, self._link(sent, senders))
        scaled = self.mapping.demodulate(combined, self.layout.size)
        estimate = tf.math.divide_no_nan(scaled, self.layout.per_real(sent.amplitude))
        if self.mapping.shifted:
            estimate -= self.layout.per_real(sent.shift)
        mean = tf.math.divide_no_nan(tf.reduce_sum(messages.reals, axis=0), senders)
        return estimate, self.record(
            worker_energy=tf.reduce_sum(sums.energy, axis=1),
            signal=tf.reduce_sum(tf.square(tf.abs(sums.received))),
            error=tf.reduce_sum(tf.square(estimate - mean)),
            reference=tf.reduce_sum(tf.square(mean)),
            silent=tf.math.divide_no_nan(sums.silent, senders * self.layout.symbols),
            senders=senders,
            papr_db=sums.papr_db,
        )

    def record(self, **measured: Any) -> LinkMeasurements:
        """What was measured in a round, and what the grid decides."""
        elements = float(self.layout.symbols * self.settings.channel.antennas)
        return LinkMeasurements(
            **measured,
            noise=tf.constant(elements * self.settings.channel.noise_variance),
            symbols=tf.constant(float(self.layout.symbols)),
            air_time_ms=tf.constant(1e3 * (self.grid.air_time_s + self.cost.extra_time_s)),
            pilot_symbols=tf.constant(float(self.cost.symbols)),
            server_pilot_energy=tf.constant(self.cost.server_energy),
            worker_pilot_energy=self.cost.worker_energy * measured["senders"] / self.workers,
        )

    def _link(self, round_: ScaledMessages, senders: Any) -> Link:
        channel, statistics = self.settings.channel, self.transmitters.statistics
        rule, motion = self.transmitters.rule, round_.moment.motion
        planned = channel.fading and rule.plans
        rho, rho_squared = self.transmitters.correlation(motion)
        gain: Any = statistics.gain
        square: Any = statistics.square
        power: Any = statistics.power
        if planned:
            arrival = round_.arrival[:, : self.layout.symbols]
            gain = tf.math.divide_no_nan(tf.reduce_sum(arrival, axis=0), senders)
            square = tf.math.divide_no_nan(tf.reduce_sum(tf.square(arrival), axis=0), senders)
            power = 1.0
        if self.transmitters.sounding is not None:
            # h = rho h^ + sqrt(1 - rho^2) e: the part that is not known comes in with b's energy
            gain = gain * rho
            square = rho_squared * square + (1 - rho_squared) * power
        return Link(
            workers=senders,
            gain=gain,
            share=statistics.share,
            square=square,
            planned=planned,
            aligned=rule.aligns,
            fading=channel.fading,
            noise_variance=channel.noise_variance,
            informed=self.observer.informed,
            csi_error=self.observer.error(motion, senders),
            power=tf.math.divide_no_nan(
                tf.reduce_sum(round_.present * self.transmitters.arriving_powers), senders
            ),
        )
