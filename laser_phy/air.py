"""One round on the air: power control, channel, sum, noise and receiver, worker by worker.

One worker's channel is live at a time. Under `budget: round` the common amplitude depends on every
worker's norm after precoding, so the workers' channels are gone through twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from laser_phy.channels import Fading, Grid
from laser_phy.compressors import Message
from laser_phy.ofdm import spread, symbols_of, to_reals, to_symbols
from laser_phy.power_control import Statistics
from laser_phy.receivers import Link
from laser_phy.uplink_settings import UplinkSettings


class Layout:
    """Where the blocks of a message lie.

    Args:
        blocks: reals of every block.
    """

    def __init__(self, blocks: Sequence[int]) -> None:
        self.blocks = tuple(blocks)
        self.size = sum(self.blocks)
        self.symbols = symbols_of(self.size)

    def per_real(self, per_block: Any) -> Any:
        """[block] -> [real], the value of each real's block."""
        # tf.repeat would build a mask [block, longest block] on the way
        values = tf.unstack(per_block, num=len(self.blocks))
        return tf.concat([tf.fill([n], x) for n, x in zip(self.blocks, values, strict=True)], 0)

    def per_block(self, per_real: Any) -> Any:
        """[real] -> [block] sums."""
        return tf.stack([tf.reduce_sum(part) for part in tf.split(per_real, self.blocks)])


class AirRecord(NamedTuple):
    """What was measured on the air in a round; float32 scalars, but `worker_energy` [worker].

    Energies of sums over the symbols (or reals) of a round: `signal` and `noise` of the received
    sum, `error` of the decoded mean message, `reference` of the true mean message.
    """

    worker_energy: Any
    signal: Any
    noise: Any
    error: Any
    reference: Any
    silent: Any
    symbols: Any
    air_time_ms: Any

    def joined(self, later: AirRecord) -> AirRecord:
        """The record of two transmissions of a round, one after the other."""
        sums = AirRecord(*[a + b for a, b in zip(self, later, strict=True)])
        silent = self.silent * self.symbols + later.silent * later.symbols
        return sums._replace(silent=silent / sums.symbols)


class _Sums(NamedTuple):
    """Accumulated over workers.

    Attributes:
        received: [antenna, symbol] complex64, the sum in the air.
        energy: [worker, block] spent.
        silent: elements left empty.
        observed: what the receiver learned.
    """

    received: Any
    energy: Any
    silent: Any
    observed: tuple[Any, ...]


class Air:
    """The air of one kind of round.

    Args:
        settings: of the uplink.
        layout: blocks of the message.
        grid: resource elements of the round.
        fading: the workers' channels on it.
        workers: K.
    """

    def __init__(
        self, settings: UplinkSettings, layout: Layout, grid: Grid, fading: Fading, workers: int
    ) -> None:
        self.settings, self.layout, self.grid, self.fading = settings, layout, grid, fading
        self.workers = workers
        channel, rule = settings.channel, settings.power_control
        self.statistics = rule.statistics(channel.law)
        if not channel.fading:  # nothing to control: the gain is that of the beam
            self.statistics = Statistics(scale=1.0, gain=channel.antennas**0.5, share=1.0)
        self.link = Link(
            workers=workers,
            gain=self.statistics.gain,
            share=self.statistics.share,
            aligned=rule.aligns,
            fading=channel.fading,
            noise_variance=channel.noise_variance,
        )
        self._elements = spread(layout.symbols, grid.elements)  # [symbol]

    def transmit(
        self,
        messages: Message,
        budget: Any,
        realisation: Any,
        speed_mps: Any,
        add_noise: Callable[[Any], Any],
    ) -> tuple[Any, AirRecord]:
        """Send the messages; decode their mean.

        Args:
            messages: fields with a leading worker axis; `reals` [worker, real].
            budget: [block] energy p_j.
            realisation: int64 scalar, of the channel.
            speed_mps: float32 scalar.
            add_noise: adds the round's noise to [antenna, symbol] complex64.

        Returns:
            The estimate [real] of the mean message, and the record.
        """
        state = self.fading.draw(realisation, speed_mps)
        norm = self._norm(messages, state)
        amplitude = tf.math.divide_no_nan(tf.sqrt(budget), norm)
        sums = self._sum_in_the_air(messages, amplitude, state)
        received = add_noise(sums.received)
        symbols = self.settings.receiver.estimate(
            received, sums.observed, self._prior(sums.energy), self.link
        )
        reals = to_reals(symbols, self.layout.size)
        estimate = tf.math.divide_no_nan(reals, self.layout.per_real(amplitude))
        mean = tf.reduce_mean(messages.reals, axis=0)
        elements = float(self.layout.symbols * self.settings.channel.antennas)
        return estimate, AirRecord(
            worker_energy=tf.reduce_sum(sums.energy, axis=1),
            signal=tf.reduce_sum(tf.square(tf.abs(sums.received))),
            noise=tf.constant(elements * self.settings.channel.noise_variance),
            error=tf.reduce_sum(tf.square(estimate - mean)),
            reference=tf.reduce_sum(tf.square(mean)),
            silent=sums.silent / (self.workers * self.layout.symbols),
            symbols=tf.constant(float(self.layout.symbols)),
            air_time_ms=tf.constant(1e3 * self.grid.air_time_s),
        )

    def response(self, state: Any, worker: Any) -> Any:
        """A worker's channel [antenna, symbol] at the elements its symbols are sent on."""
        return tf.gather(self.fading.response(state, worker), self._elements, axis=1)

    def precode(self, response: Any) -> Any:
        """A worker's factors b [symbol], from what it knows of its channel [antenna, symbol]."""
        known = self.settings.csi.transmitter.view(response)
        gain = self.settings.receiver.beam_gain(response if known is None else known)
        return self.settings.power_control.precode(gain, self.statistics)

    def _norm(self, messages: Message, state: Any) -> Any:
        """[block] largest norm of a worker's block: after precoding under `budget: round`."""
        fading, budget = self.settings.channel.fading, self.settings.power.budget
        if budget == "mean" or not fading:
            return tf.reduce_max(messages.sent_norms, axis=0)

        def body(worker: Any, largest: Any) -> Any:
            precoding = self.precode(self.response(state, worker))
            energy = self._energy(precoding, messages.reals[worker])
            return worker + 1, tf.maximum(largest, energy)

        return tf.sqrt(self._over_workers(body, tf.zeros(len(self.layout.blocks))))

    def _sum_in_the_air(self, messages: Message, amplitude: Any, state: Any) -> _Sums:
        if not self.settings.channel.fading:
            return self._plain_sum(messages, amplitude)
        per_real = self.layout.per_real(amplitude)

        def body(worker: Any, sums: _Sums) -> Any:
            reals = per_real * messages.reals[worker]
            response = self.response(state, worker)
            precoding = self.precode(response)
            energy = self._energy(precoding, reals)
            seen = self.settings.receiver.observe(
                self.settings.csi.receiver.view(response), precoding
            )
            return worker + 1, _Sums(
                received=sums.received + response * (precoding * to_symbols(reals)),
                energy=tf.tensor_scatter_nd_update(sums.energy, [[worker]], [energy]),
                silent=sums.silent + tf.reduce_sum(tf.cast(precoding == 0, tf.float32)),
                observed=tuple(a + b for a, b in zip(sums.observed, seen, strict=True)),
            )

        antennas, symbols = self.settings.channel.antennas, self.layout.symbols
        nothing = tf.zeros([antennas, symbols], tf.complex64)
        known = self.settings.csi.receiver.view(nothing)
        seen = self.settings.receiver.observe(known, nothing[0])
        zero = _Sums(
            received=nothing,
            energy=tf.zeros([self.workers, len(self.layout.blocks)]),
            silent=tf.zeros([]),
            observed=tuple(tf.zeros_like(tensor) for tensor in seen),
        )
        return self._over_workers(body, zero)

    def _plain_sum(self, messages: Message, amplitude: Any) -> _Sums:
        """The sum over a channel without fading: h = b = 1."""
        per_real = self.layout.per_real(amplitude)
        symbols = to_symbols(per_real * tf.reduce_sum(messages.reals, axis=0))
        received = tf.tile(symbols[tf.newaxis], [self.settings.channel.antennas, 1])
        energy = tf.square(messages.sent_norms * amplitude)
        return _Sums(received, energy, tf.zeros([]), ())

    def _over_workers(self, body: Any, carry: Any) -> Any:
        """`carry` after `body(worker, carry) -> worker + 1, carry` for all workers in turn."""
        return tf.while_loop(
            lambda worker, _: worker < self.workers,
            body,
            (0, carry),
            parallel_iterations=1,
            maximum_iterations=self.workers,
        )[1]

    def _energy(self, precoding: Any, reals: Any) -> Any:
        """[block] sum of |b|^2 x^2 over a block's reals."""
        gain = tf.square(tf.abs(precoding))
        per_real = tf.reshape(tf.stack([gain, gain], axis=1), [-1])[: self.layout.size]
        return self.layout.per_block(per_real * tf.square(reals))

    def _prior(self, energy: Any) -> Any:
        """[symbol] mean energy of a worker's symbol on the air, known from the control channel."""
        per_block = tf.reduce_mean(energy, axis=0) / tf.constant(self.layout.blocks, tf.float32)
        pairs = to_symbols(self.layout.per_real(per_block))
        return tf.math.real(pairs) + tf.math.imag(pairs)
