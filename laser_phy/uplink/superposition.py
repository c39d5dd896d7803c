"""The sum in the air: every worker's symbols through its channel, one worker after the other.

One worker's channel is live at a time, unless the power control rule needs all at once.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from laser_phy.core.lazy import tf
from laser_phy.phy.impairments import Hardware
from laser_phy.receivers import ChannelObservation
from laser_phy.uplink.power_scaling import PowerScaling, ScaledMessages
from laser_phy.uplink.receiver_csi import ReceiverCsi
from laser_phy.uplink.settings import UplinkSettings
from laser_phy.uplink.transmitter import Transmission


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
        observer: what the receiver learns on the way.
        hardware: what is not ideal.
    """

    def __init__(
        self,
        settings: UplinkSettings,
        scaling: PowerScaling,
        observer: ReceiverCsi,
        hardware: Hardware,
    ) -> None:
        self.settings, self.scaling, self.layout = settings, scaling, scaling.layout
        self.transmitters, self.mapping = scaling.transmitters, scaling.mapping
        self.observer, self.hardware = observer, hardware
        impaired = settings.impairments.any or settings.impairments.papr
        # Nothing depends on the worker: the messages are added up before the air.
        self._plain = (
            not settings.channel.fading and settings.receiver.name == "scale" and not impaired
        )

    def __call__(self, round_: ScaledMessages) -> Sums:
        if self._plain:
            return self._plain_sum(round_)
        antennas, symbols = self.settings.channel.antennas, self.layout.symbols
        zero = Sums(
            received=tf.zeros([antennas, symbols], tf.complex64),
            energy=tf.zeros([self.transmitters.workers, len(self.layout.blocks)]),
            silent=tf.zeros([]),
            observed=tf.nest.map_structure(
                lambda spec: tf.zeros(spec.shape, spec.dtype), self._observed_spec(round_)
            ),
            papr_db=tf.zeros([]),
        )
        return self.transmitters.over(lambda worker, sums: self._add(round_, worker, sums), zero)

    def _add(self, round_: ScaledMessages, worker: Any, sums: Sums) -> Any:
        """`sums` with one worker's part."""
        moment, size = round_.moment, self.layout.symbols
        response, present = self.transmitters.look(moment, worker), round_.present[worker]
        precoding = self.transmitters.precoding(moment, worker, response, round_.arrival)
        precoding *= tf.cast(present, precoding.dtype)
        seen = self.observer.of(moment, worker, response, precoding)
        precoding = precoding[:size]
        reals = self.layout.per_real(round_.amplitude) * round_.messages.reals[worker]
        symbols = precoding * self.mapping.modulate(
            reals, self.transmitters.seed("phases", moment, worker)
        )
        papr_db = sums.papr_db
        if self.settings.impairments.papr:
            papr_db = tf.maximum(papr_db, self.hardware.papr(symbols))
        symbols = self.hardware.amplified(symbols)
        arriving = self._through(moment, worker, response, symbols)
        if self.settings.impairments.any:
            arriving.set_shape([self.settings.channel.antennas, size])
            seed = self.transmitters.seed("impairments", moment, worker)
            arriving = self.hardware.arriving(arriving, seed)
        energy = self.scaling.energy(precoding, reals)
        return worker + 1, Sums(
            received=sums.received + arriving,
            energy=tf.tensor_scatter_nd_update(sums.energy, [[worker]], [energy]),
            silent=sums.silent + present * tf.reduce_sum(tf.cast(precoding == 0, tf.float32)),
            observed=tf.nest.map_structure(tf.add, sums.observed, seen),
            papr_db=papr_db,
        )

    def _through(self, moment: Transmission, worker: Any, response: Any, symbols: Any) -> Any:
        """[antenna, symbol] what arrives of a worker's symbols [symbol], without noise."""
        size = self.layout.symbols
        if self.settings.channel.domain == "frequency":
            return self.transmitters.used(response)[:, :size] * symbols
        fading, elements = self.transmitters.fading, self.transmitters.timeline.elements[:size]
        placed = tf.scatter_nd(elements[:, np.newaxis], symbols, [fading.grid.elements])
        return tf.gather(fading.propagate(moment.state, worker, placed), elements, axis=1)

    def _observed_spec(self, round_: ScaledMessages) -> ChannelObservation:
        """Shapes and types of what the receiver learns."""
        nothing = tf.zeros([len(self.transmitters.timeline.used)], tf.complex64)
        return self.observer.of(round_.moment, 0, self.transmitters.look(round_.moment, 0), nothing)

    def _plain_sum(self, round_: ScaledMessages) -> Sums:
        """The sum over a channel without fading: h = b = 1."""
        per_real = self.layout.per_real(round_.amplitude)
        total = per_real * tf.reduce_sum(round_.messages.reals, axis=0)
        symbols = self.mapping.modulate(total, None)
        received = tf.tile(symbols[tf.newaxis], [self.settings.channel.antennas, 1])
        energy = tf.square(round_.messages.sent_norms * round_.amplitude)
        return Sums(received, energy, tf.zeros([]), ChannelObservation(), tf.zeros([]))
