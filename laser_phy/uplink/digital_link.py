"""Messages of bits on the air: within capacity they are decoded without error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from laser_phy.compressors import Message
from laser_phy.phy.worker_channels import Transmission
from laser_phy.uplink.diagnostics import LinkMeasurements
from laser_phy.uplink.link import RoundLink


class DigitalLink(RoundLink):
    """K code words that share the channel uses of a round, at a rate within its capacity.

    No symbol is simulated: the codec keeps its messages below capacity, where the server decodes
    each of them exactly. Energy, signal and noise are those of the code words.
    """

    def transmit(
        self,
        messages: Message,
        budget: Any,
        transmission: Transmission,
        present: Any,
        add_noise: Callable[[Any], Any],
    ) -> tuple[Any, LinkMeasurements]:
        """The mean of the messages that were sent, exactly.

        Args:
            messages: fields with a leading worker axis; a worker whose message is 0 is silent.
            budget: [1] energy of a code word.
            transmission: its channels.
            present: [worker] float32, 1 of those that send.
            add_noise: not used: noise that is below what the code bears changes nothing.

        Returns:
            The mean message [real], and what was measured.
        """
        senders = tf.reduce_sum(present)
        mean = tf.math.divide_no_nan(tf.reduce_sum(messages.reals, axis=0), senders)
        energy = tf.where(messages.sent_norms > 0, budget, 0.0)[:, 0]  # [worker]
        return mean, self.record(
            worker_energy=energy,
            # code words are independent: their energies add up, on every antenna
            signal=self.settings.channel.antennas * tf.reduce_sum(energy),
            error=tf.zeros([]),
            reference=tf.reduce_sum(tf.square(mean)),
            silent=tf.zeros([]),
            senders=senders,
            papr_db=tf.zeros([]),
        )
