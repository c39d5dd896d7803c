"""One transmission of a round: amplitudes, sum in the air, noise, receiver, measurements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from laser_phy.channels import Grid
from laser_phy.compressors import Message
from laser_phy.core import contract
from laser_phy.phy.impairments import Hardware
from laser_phy.phy.ofdm import BlockLayout
from laser_phy.phy.worker_channels import Transmission
from laser_phy.receivers import Link
from laser_phy.uplink.diagnostics import LinkMeasurements, pilot_cost
from laser_phy.uplink.link import RoundLink
from laser_phy.uplink.power_scaling import PowerScaling, ScaledMessages
from laser_phy.uplink.receiver_csi import ReceiverCsi
from laser_phy.uplink.settings import UplinkSettings
from laser_phy.uplink.superposition import Superposition
from laser_phy.uplink.transmitter import Transmitter


class AnalogLink(RoundLink):
    """Messages as amplitudes (or energies) of symbols, which add up in the air.

    Args: as for `RoundLink`.
    """

    def __init__(
        self, settings: UplinkSettings, layout: BlockLayout, grid: Grid, key: int, workers: int
    ) -> None:
        super().__init__(settings, layout, grid, key, workers)
        self.receiver = settings.receiver
        self.transmitter = Transmitter(settings, self.channels)
        self.scaling = PowerScaling(settings, layout, self.transmitter)
        self.csi = ReceiverCsi(settings, self.transmitter)
        hardware = Hardware(settings.impairments, settings.ofdm, grid, self.elements)
        self.superposition = Superposition(settings, self.scaling, self.csi, hardware)
        self.cost = pilot_cost(
            self.transmitter.pilots, self.csi.pilots, self.csi.common, grid, workers
        )

    def transmit(
        self,
        messages: Message,
        budget: Any,
        transmission: Transmission,
        present: Any,
        add_noise: Callable[[Any], Any],
    ) -> tuple[Any, LinkMeasurements]:
        senders = tf.reduce_sum(present)
        scaled = self.scaling.scale(messages, budget, transmission, present)
        sums = self.superposition(scaled)
        received = add_noise(sums.received)
        observed = self.csi.finish(transmission, sums.observed, senders)
        prior = self.scaling.prior(messages, scaled.amplitude, senders)
        combined = self.receiver.combine(received, observed, prior, self._known(scaled, senders))
        dtype = "complex64" if self.receiver.coherent else "float32"
        what, symbols = "the estimate of the symbols", self.layout.symbols
        combined = contract.check_shape(self.receiver, what, combined, [symbols], dtype)
        combined = contract.check_finite(self.receiver, what, combined)
        modulation = self.scaling.modulation
        reals = modulation.demodulate(combined, self.layout.size)
        estimate = tf.math.divide_no_nan(reals, self.layout.per_real(scaled.amplitude))
        if modulation.shifted:
            estimate -= self.layout.per_real(scaled.shift)
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

    def _known(self, scaled: ScaledMessages, senders: Any) -> Link:
        """What the receiver knows beforehand of this transmission."""
        channel, moments = self.settings.channel, self.transmitter.moments
        rule, mobility = self.transmitter.rule, scaled.transmission.mobility
        planned = channel.fading and rule.plans
        rho, rho_squared = self.transmitter.correlation(mobility)
        gain: Any = moments.gain
        square: Any = moments.square
        power: Any = moments.power
        if planned:
            amplitude = scaled.received_amplitude[:, : self.layout.symbols]
            gain = tf.math.divide_no_nan(tf.reduce_sum(amplitude, axis=0), senders)
            square = tf.math.divide_no_nan(tf.reduce_sum(tf.square(amplitude), axis=0), senders)
            power = 1.0
        if self.transmitter.pilots is not None:
            # h = rho h^ + sqrt(1 - rho^2) e: the part that is not known comes in with b's energy
            gain = gain * rho
            square = rho_squared * square + (1 - rho_squared) * power
        return Link(
            workers=senders,
            gain=gain,
            sent_fraction=moments.sent_fraction,
            square=square,
            planned=planned,
            aligned=rule.aligns,
            fading=channel.fading,
            noise_variance=channel.noise_variance,
            informed=self.csi.informed,
            csi_error=self.csi.error(mobility, senders),
            power=tf.math.divide_no_nan(
                tf.reduce_sum(scaled.present * self.transmitter.arriving_powers), senders
            ),
        )
