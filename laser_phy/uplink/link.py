"""What both kinds of link have, analog and digital: channels, participants, and the price."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from laser_phy.channels import Grid
from laser_phy.compressors import Message
from laser_phy.phy.ofdm import BlockLayout, spread
from laser_phy.phy.pilots import Mobility
from laser_phy.phy.worker_channels import Transmission, WorkerChannels
from laser_phy.uplink.diagnostics import LinkMeasurements, PilotCost
from laser_phy.uplink.settings import UplinkSettings

PASSES = 4
"""Transmissions of a round that are told apart by their index."""


class RoundLink:
    """The link of one kind of round.

    Args:
        settings: of the uplink.
        layout: blocks of the message.
        grid: resource elements of the round.
        key: stream of randomness of the channel.
        workers: K.
    """

    cost = PilotCost()
    """Of a round's pilots."""

    def __init__(
        self, settings: UplinkSettings, layout: BlockLayout, grid: Grid, key: int, workers: int
    ) -> None:
        self.settings, self.layout, self.grid, self.workers = settings, layout, grid, workers
        self.elements = spread(layout.symbols, grid.elements)  # [symbol]
        self.channels = WorkerChannels(
            settings.channel, grid, self.elements, settings.sounding_sides, key, workers
        )

    def transmission(self, round_: Any, pass_: int, mobility: Mobility) -> Transmission:
        """Draw the channels of one transmission of a round.

        Args:
            round_: int64 scalar.
            pass_: which transmission of the round.
            mobility: of the workers, and the age of what is known.
        """
        return self.channels.transmission(_index(round_) + pass_, round_, mobility)

    def participants(self, round_: Any, mobility: Mobility) -> Any:
        """[worker] bool, who takes part in a round, in all of its passes.

        Draws the channels where a worker goes by its own; ask once a round.
        """
        rule, gains = self.settings.participation, None
        if rule.everybody:
            return tf.ones([self.workers], tf.bool)
        if rule.measures:
            gains = self.channels.mean_gains(self.transmission(round_, 0, mobility))
        seed = self.channels.seed("participation", _index(round_), 0)
        return rule.sends(self.workers, round_, seed, gains)

    def transmit(
        self,
        messages: Message,
        budget: Any,
        transmission: Transmission,
        present: Any,
        add_noise: Callable[[Any], Any],
    ) -> tuple[Any, LinkMeasurements]:
        """Send the messages; decode the mean of those that were sent.

        Args:
            messages: fields with a leading worker axis; `reals` [worker, real], 0 of a worker that
                sits out.
            budget: [block] energy p_j.
            transmission: its channels.
            present: [worker] float32, 1 of those that send.
            add_noise: adds the transmission's noise to [antenna, symbol] complex64.

        Returns:
            The estimate [real] of the mean message, and what was measured.
        """
        raise NotImplementedError

    def record(self, **measured: Any) -> LinkMeasurements:
        """What was measured in a transmission, and what the grid decides."""
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


def _index(round_: Any) -> Any:
    """Index of the first transmission of a round."""
    return tf.cast(round_, tf.int64) * PASSES
