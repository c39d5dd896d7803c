"""The sum in the air: every worker's symbols through its channel, one worker after the other.

One worker's channel is live at a time, unless the power control rule needs all at once.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from laser_phy.core.lazy import tf
from laser_phy.phy.impairments import Hardware
from laser_phy.receivers import ChannelObservation
from laser_phy.uplink.power_scaling import PowerScaling, ScaledMessages
from laser_phy.uplink.receiver_csi import ReceiverCsi
from laser_phy.uplink.settings import UplinkSettings


class Sums(NamedTuple):
    """Accumulated over workers.

    Attributes:
        received: [antenna, symbol] complex64, the sum in the air.
        energy: [worker, block] spent.
        silent: elements that those who sent left empty.
        observed: what the receiver learned.
        papr_db: largest of the workers, 0 where it is not measured.
    """

    received: Any
    energy: Any
    silent: Any
    observed: ChannelObservation
    papr_db: Any


class Superposition:
    """The sum of the workers' signals on one kind of round.

    Args:
        settings: of the uplink.
        scaling: of the messages, with their layout and the workers.
        csi: what the receiver learns on the way.
        hardware: what is not ideal.
    """

    def __init__(
        self, settings: UplinkSettings, scaling: PowerScaling, csi: ReceiverCsi, hardware: Hardware
    ) -> None:
        self.settings, self.scaling, self.layout = settings, scaling, scaling.layout
        self.transmitter, self.channels = scaling.transmitter, scaling.channels
        self.modulation, self.csi, self.hardware = scaling.modulation, csi, hardware
        impaired = settings.impairments.any or settings.impairments.papr
        # Nothing depends on the worker: the messages are added up before the air.
        self._plain = (
            not settings.channel.fading and settings.receiver.sum_is_enough and not impaired
        )

    def __call__(self, scaled: ScaledMessages) -> Sums:
        if self._plain:
            return self._plain_sum(scaled)
        antennas, symbols = self.settings.channel.antennas, self.layout.symbols
        zero = Sums(
            received=tf.zeros([antennas, symbols], tf.complex64),
            energy=tf.zeros([self.channels.workers, len(self.layout.blocks)]),
            silent=tf.zeros([]),
            observed=tf.nest.map_structure(
                lambda spec: tf.zeros(spec.shape, spec.dtype), self._observed_spec(scaled)
            ),
            papr_db=tf.zeros([]),
        )
        return self.channels.for_each_worker(
            lambda worker, sums: self._add(scaled, worker, sums), zero
        )

    def _add(self, scaled: ScaledMessages, worker: Any, sums: Sums) -> Any:
        """`sums` with one worker's part."""
        transmission, size = scaled.transmission, self.layout.symbols
        response, present = self.channels.response(transmission, worker), scaled.present[worker]
        precoding = self.transmitter.precoding(
            transmission, worker, response, scaled.received_amplitude
        )
        precoding *= tf.cast(present, precoding.dtype)
        seen = self.csi.of(transmission, worker, response, precoding)
        precoding = precoding[:size]
        reals = self.layout.per_real(scaled.amplitude) * scaled.messages.reals[worker]
        phases = self.channels.seed("phases", transmission.index, worker)
        symbols = precoding * self.modulation.modulate(reals, phases)
        papr_db = sums.papr_db
        if self.settings.impairments.papr:
            papr_db = tf.maximum(papr_db, self.hardware.papr(symbols))
        symbols = self.hardware.amplified(symbols)
        arriving = self.channels.propagate(transmission, worker, response, symbols)
        if self.settings.impairments.any:
            arriving.set_shape([self.settings.channel.antennas, size])
            seed = self.channels.seed("impairments", transmission.index, worker)
            arriving = self.hardware.arriving(arriving, seed)
        energy = self.scaling.energy(precoding, reals)
        return Sums(
            received=sums.received + arriving,
            energy=tf.tensor_scatter_nd_update(sums.energy, [[worker]], [energy]),
            silent=sums.silent + present * tf.reduce_sum(tf.cast(precoding == 0, tf.float32)),
            observed=tf.nest.map_structure(tf.add, sums.observed, seen),
            papr_db=papr_db,
        )

    def _observed_spec(self, scaled: ScaledMessages) -> ChannelObservation:
        """Shapes and types of what the receiver learns."""
        nothing = tf.zeros([len(self.channels.sampling.used)], tf.complex64)
        response = self.channels.response(scaled.transmission, 0)
        return self.csi.of(scaled.transmission, 0, response, nothing)

    def _plain_sum(self, scaled: ScaledMessages) -> Sums:
        """The sum over a channel without fading: h = b = 1."""
        per_real = self.layout.per_real(scaled.amplitude)
        total = per_real * tf.reduce_sum(scaled.messages.reals, axis=0)
        symbols = self.modulation.modulate(total, None)
        received = tf.tile(symbols[tf.newaxis], [self.settings.channel.antennas, 1])
        energy = tf.square(scaled.messages.sent_norms * scaled.amplitude)
        return Sums(received, energy, tf.zeros([]), ChannelObservation(), tf.zeros([]))
