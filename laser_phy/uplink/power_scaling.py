"""From the energy of a round to amplitudes: what the workers' messages are scaled by.

All workers use one amplitude a block, so that the sum in the air is the plain sum. Under
`budget: round` it depends on every worker's norm after precoding, so the workers' channels are gone
through once more.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from laser_phy.compressors import Message
from laser_phy.core.lazy import tf
from laser_phy.phy.ofdm import BlockLayout
from laser_phy.phy.worker_channels import Transmission
from laser_phy.power import Decoding, first_pass_shares, mean_shares
from laser_phy.uplink.settings import UplinkSettings
from laser_phy.uplink.transmitter import Transmitter


def pass_budget(
    settings: UplinkSettings, codec: Any, workers: int, phase: int, messages: Message, energy: Any
) -> Any:
    """[block] energy p_j of this pass, of `energy` for it and the passes that follow."""
    if not settings.compressor.analog:  # a code word takes it all, whatever it says
        return tf.expand_dims(energy, 0)
    allocation = settings.power.allocation
    decoding = _decoding(settings, codec.noise_gains(phase), workers, energy)
    shares = mean_shares(allocation, messages.sent_norms, messages.source_norms, decoding)
    if phase == codec.passes - 1 or codec.passes == 1:
        return energy * shares
    return energy * shares * first_pass_shares(
        allocation, np.float32(codec.phases[phase]), codec.second_pass_sizes(phase),
        energy * shares, workers, codec.first_share,
    )  # fmt: skip


def _decoding(settings: UplinkSettings, gains: Any, workers: int, energy: Any) -> Decoding:
    """What an allocation may know of how blocks are decoded."""
    receiver, channel = settings.receiver, settings.channel
    correlation = None if channel.fading else receiver.shrinks_with
    return Decoding(
        noise_gains=gains,
        energies=not receiver.modulation().norms_tell,
        shrinks=None if correlation is None else (channel.antennas * energy, workers, correlation),
    )


class ScaledMessages(NamedTuple):
    """What the workers' transmissions of a round depend on.

    Attributes:
        messages: of all workers.
        amplitude: [block] that messages are scaled by.
        transmission: its channels.
        received_amplitude: [worker, used element] h b where the rule plans, else [worker, 0].
        present: [worker] float32, 1 of those that send.
        shift: [block] what was added to every real before it is sent.
    """

    messages: Message
    amplitude: Any
    transmission: Transmission
    received_amplitude: Any
    present: Any
    shift: Any


class PowerScaling:
    """Amplitudes and energies on one kind of round.

    Args:
        settings: of the uplink.
        layout: blocks of the message.
        transmitter: the workers.
    """

    def __init__(
        self, settings: UplinkSettings, layout: BlockLayout, transmitter: Transmitter
    ) -> None:
        self.settings, self.layout, self.transmitter = settings, layout, transmitter
        self.channels = transmitter.channels
        self.modulation = settings.receiver.modulation()

    def scale(
        self, messages: Message, budget: Any, transmission: Transmission, present: Any
    ) -> ScaledMessages:
        """Amplitudes, and the plan of a rule that makes one.

        Args:
            messages: of all workers, 0 of those that sit out.
            budget: [block] energy p_j.
            transmission: its channels.
            present: [worker] float32, 1 of those that send.
        """
        shift = self._shift(messages)
        reals = messages.reals + present[:, tf.newaxis] * self.layout.per_real(shift)
        messages = messages._replace(reals=reals) if self.modulation.shifted else messages
        energy = tf.reduce_max(self._message_energies(messages), axis=0)
        amplitude = self.modulation.amplitude(energy, budget)
        senders = tf.cast(self.transmitter.workers, tf.float32)
        prior = self.prior(messages, amplitude, senders)
        pilots = len(self.channels.sampling.used) - self.layout.symbols
        priors = tf.concat([prior, tf.fill([pilots], tf.reduce_mean(prior))], axis=0)
        received = self.transmitter.plan(transmission, priors, present)
        scaled = ScaledMessages(messages, amplitude, transmission, received, present, shift)
        if self.settings.power.budget == "mean" or not self.settings.channel.fading:
            return scaled
        return scaled._replace(amplitude=self.modulation.amplitude(self._spent(scaled), budget))

    def _message_energies(self, messages: Message) -> Any:
        """[worker, block] energy of the message at amplitude 1, b = 1."""
        if self.modulation.norms_tell:
            return tf.square(messages.sent_norms)
        parts = tf.split(self.modulation.energies(messages.reals), self.layout.blocks, axis=1)
        return tf.stack([tf.reduce_sum(part, axis=1) for part in parts], axis=1)

    def _shift(self, messages: Message) -> Any:
        """[block] largest |real| of all workers where reals are sent as energies above it."""
        if not self.modulation.shifted:
            return tf.zeros(len(self.layout.blocks))
        parts = tf.split(tf.abs(messages.reals), self.layout.blocks, axis=1)
        return tf.stack([tf.reduce_max(part) for part in parts])

    def _spent(self, scaled: ScaledMessages) -> Any:
        """[block] largest energy of a worker's block after precoding, at amplitude 1."""

        def body(worker: Any, largest: Any) -> Any:
            energy = self.energy(self._precoding(scaled, worker), scaled.messages.reals[worker])
            return tf.maximum(largest, energy)

        return self.channels.for_each_worker(body, tf.zeros(len(self.layout.blocks)))

    def _precoding(self, scaled: ScaledMessages, worker: Any) -> Any:
        """A worker's factors b [symbol]."""
        transmission = scaled.transmission
        response = self.channels.response(transmission, worker)
        precoding = self.transmitter.precoding(
            transmission, worker, response, scaled.received_amplitude
        )
        return precoding[: self.layout.symbols]

    def prior(self, messages: Message, amplitude: Any, senders: Any) -> Any:
        """[symbol] mean energy of a sender's symbol at b = 1, known from the control channel."""
        total = tf.reduce_sum(tf.square(messages.sent_norms), axis=0)
        per_real = tf.math.divide_no_nan(total, senders)
        per_real *= tf.square(amplitude) / tf.constant(self.layout.blocks, tf.float32)
        return self.modulation.per_symbol(self.layout.per_real(per_real))

    def energy(self, precoding: Any, reals: Any) -> Any:
        """[block] energy of a worker's reals on the air."""
        gain = self.modulation.per_real(tf.square(tf.abs(precoding)), self.layout.size)
        return self.layout.per_block(gain * self.modulation.energies(reals))
