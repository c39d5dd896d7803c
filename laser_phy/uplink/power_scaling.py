"""From budgets to amplitudes: what the workers' messages are scaled by before they are sent.

All workers use one amplitude a block, so that the sum in the air is the plain sum. Under
`budget: round` it depends on every worker's norm after precoding, so the workers' channels are gone
through once more.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from laser_phy.compressors import Message
from laser_phy.core.lazy import tf
from laser_phy.phy.layout import BlockLayout
from laser_phy.phy.modulation import mapping_of
from laser_phy.uplink.settings import UplinkSettings
from laser_phy.uplink.transmitter import Transmission, Transmitter


class ScaledMessages(NamedTuple):
    """What the workers' transmissions of a round depend on.

    Attributes:
        messages: of all workers.
        amplitude: [block] that messages are scaled by.
        moment: index and channels.
        arrival: [worker, used element] h b where the rule plans, else [worker, 0].
        present: [worker] float32, 1 of those that send.
        shift: [block] what was added to every real before it is sent.
    """

    messages: Message
    amplitude: Any
    moment: Transmission
    arrival: Any
    present: Any
    shift: Any


class PowerScaling:
    """Amplitudes and energies on one kind of round.

    Args:
        settings: of the uplink.
        layout: blocks of the message.
        transmitters: the workers.
    """

    def __init__(
        self, settings: UplinkSettings, layout: BlockLayout, transmitters: Transmitter
    ) -> None:
        self.settings, self.layout, self.transmitters = settings, layout, transmitters
        self.mapping = mapping_of(settings.receiver)

    def scale(
        self, messages: Message, budget: Any, moment: Transmission, present: Any
    ) -> ScaledMessages:
        """Amplitudes, and the plan of a rule that makes one.

        Args:
            messages: of all workers, 0 of those that sit out.
            budget: [block] energy p_j.
            moment: index and channels.
            present: [worker] float32, 1 of those that send.
        """
        shift = self._shift(messages)
        reals = messages.reals + present[:, tf.newaxis] * self.layout.per_real(shift)
        messages = messages._replace(reals=reals) if self.mapping.shifted else messages
        energy = tf.reduce_max(self._message_energies(messages), axis=0)
        amplitude = self.mapping.amplitude(energy, budget)
        senders = tf.cast(self.transmitters.workers, tf.float32)
        prior = self.prior(messages, amplitude, senders)
        pilots = tf.fill(
            [len(self.transmitters.timeline.used) - self.layout.symbols], tf.reduce_mean(prior)
        )
        arrival = self.transmitters.plan(moment, tf.concat([prior, pilots], axis=0), present)
        round_ = ScaledMessages(messages, amplitude, moment, arrival, present, shift)
        if self.settings.power.budget == "mean" or not self.settings.channel.fading:
            return round_
        return round_._replace(amplitude=self.mapping.amplitude(self._spent(round_), budget))

    def _message_energies(self, messages: Message) -> Any:
        """[worker, block] energy of the message at amplitude 1, b = 1."""
        if self.settings.receiver.mapping == "amplitudes":
            return tf.square(messages.sent_norms)
        parts = tf.split(self.mapping.energies(messages.reals), self.layout.blocks, axis=1)
        return tf.stack([tf.reduce_sum(part, axis=1) for part in parts], axis=1)

    def _shift(self, messages: Message) -> Any:
        """[block] largest |real| of all workers where reals are sent as energies above it."""
        if not self.mapping.shifted:
            return tf.zeros(len(self.layout.blocks))
        parts = tf.split(tf.abs(messages.reals), self.layout.blocks, axis=1)
        return tf.stack([tf.reduce_max(part) for part in parts])

    def _spent(self, round_: ScaledMessages) -> Any:
        """[block] largest energy of a worker's block after precoding, at amplitude 1."""

        def body(worker: Any, largest: Any) -> Any:
            energy = self.energy(self._precoding(round_, worker), round_.messages.reals[worker])
            return worker + 1, tf.maximum(largest, energy)

        return self.transmitters.over(body, tf.zeros(len(self.layout.blocks)))

    def _precoding(self, round_: ScaledMessages, worker: Any) -> Any:
        """A worker's factors b [symbol]."""
        response = self.transmitters.look(round_.moment, worker)
        precoding = self.transmitters.precoding(round_.moment, worker, response, round_.arrival)
        return precoding[: self.layout.symbols]

    def prior(self, messages: Message, amplitude: Any, senders: Any) -> Any:
        """[symbol] mean energy of a sender's symbol at b = 1, known from the control channel."""
        total = tf.reduce_sum(tf.square(messages.sent_norms), axis=0)
        per_block = tf.math.divide_no_nan(total, senders)
        per_block *= tf.square(amplitude) / tf.constant(self.layout.blocks, tf.float32)
        return self.mapping.per_symbol(self.layout.per_real(per_block))

    def energy(self, precoding: Any, reals: Any) -> Any:
        """[block] energy of a worker's reals on the air."""
        gain = self.mapping.per_real(tf.square(tf.abs(precoding)), self.layout.size)
        return self.layout.per_block(gain * self.mapping.energies(reals))
