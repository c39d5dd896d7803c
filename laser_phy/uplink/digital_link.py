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
    each of them exactly. Energy, signal and noise are those of the code words,
    and noise that is below what the code bears changes nothing.
    """

    def transmit(
        self,
        messages: Message,
        budget: Any,
        transmission: Transmission,
        present: Any,
        add_noise: Callable[[Any], Any],
    ) -> tuple[Any, LinkMeasurements]:
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
