"""One round on the air: power control, channel, sum, noise and receiver, worker by worker.

All workers share the amplitude a_j of block j, so h_k b_k s_k is summed unscaled, one worker at a
time, and scaled at the end: a_j under `budget: round` depends on the norms after precoding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from laser_phy.channels import Fading, Grid
from laser_phy.compressors import Message
from laser_phy.ofdm import spread, symbols_of, to_reals, to_symbols
from laser_phy.power_control import Statistics
from laser_phy.receivers import Link
from laser_phy.uplink_settings import UplinkSettings


class Layout:
    """Where the blocks of a message lie, in reals and in symbols.

    Args:
        blocks: reals of every block.
    """

    def __init__(self, blocks: Sequence[int]) -> None:
        self.blocks = tuple(blocks)
        self.size = sum(self.blocks)
        self.symbols = symbols_of(self.size)
        padded = np.repeat(np.arange(len(self.blocks)), self.blocks)
        padded = np.append(padded, padded[-1:]) if self.size % 2 else padded
        pairs = padded.reshape(-1, 2)  # [symbol, 2] block of the two reals of a symbol
        self.shared = np.flatnonzero(pairs[:, 0] != pairs[:, 1])
        """[shared] symbols whose two reals are of different blocks."""

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


class _Sums(NamedTuple):
    """Accumulated over workers, before the amplitude.

    Attributes:
        received: [antenna, symbol] complex64, sum of h b s.
        shared_even: [antenna, shared] complex64, the part of it that even reals contribute.
        block_energy: [worker, block] energy after precoding.
        silent: elements left empty.
        observed: what the receiver learned.
    """

    received: Any
    shared_even: Any
    block_energy: Any
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
        sums = self._sum_in_the_air(messages, realisation, speed_mps)
        if self.settings.power.budget == "round":
            norm = tf.sqrt(tf.reduce_max(sums.block_energy, axis=0))  # block
        else:
            norm = tf.reduce_max(messages.sent_norms, axis=0)
        amplitude = tf.math.divide_no_nan(tf.sqrt(budget), norm)
        energy = sums.block_energy * tf.square(amplitude)  # worker, block

        signal = self._scale(sums, amplitude)
        received = add_noise(signal)
        symbols = self.settings.receiver.estimate(
            received, sums.observed, self._prior(energy, sums), self.link
        )
        reals = to_reals(symbols, self.layout.size)
        estimate = tf.math.divide_no_nan(reals, self.layout.per_real(amplitude))
        mean = tf.reduce_mean(messages.reals, axis=0)
        elements = float(self.layout.symbols * self.settings.channel.antennas)
        return estimate, AirRecord(
            worker_energy=tf.reduce_sum(energy, axis=1),
            signal=tf.reduce_sum(tf.square(tf.abs(signal))),
            noise=tf.constant(elements * self.settings.channel.noise_variance),
            error=tf.reduce_sum(tf.square(estimate - mean)),
            reference=tf.reduce_sum(tf.square(mean)),
            silent=sums.silent / (self.workers * self.layout.symbols),
            symbols=tf.constant(float(self.layout.symbols)),
            air_time_ms=tf.constant(1e3 * self.grid.air_time_s),
        )

    def response(self, realisation: Any, worker: Any, speed_mps: Any) -> Any:
        """A worker's channel [antenna, symbol] at the elements its symbols are sent on."""
        full = self.fading.response(realisation, worker, speed_mps)
        return tf.gather(full, self._elements, axis=1)

    def precode(self, response: Any) -> Any:
        """A worker's factors b [symbol], from what it knows of its channel [antenna, symbol]."""
        known = self.settings.csi.transmitter.view(response)
        gain = self.settings.receiver.beam_gain(response if known is None else known)
        return self.settings.power_control.precode(gain, self.statistics)

    def _sum_in_the_air(self, messages: Message, realisation: Any, speed_mps: Any) -> _Sums:
        if not self.settings.channel.fading:
            return self._plain_sum(messages)

        def body(worker: Any, sums: _Sums) -> Any:
            reals = messages.reals[worker]
            response = self.response(realisation, worker, speed_mps)
            precoding = self.precode(response)
            arriving = response * precoding  # antenna, symbol
            symbols = to_symbols(reals)
            gain = tf.square(tf.abs(precoding))
            energy = self.layout.per_block(self._per_real(gain) * tf.square(reals))
            even = tf.cast(tf.gather(tf.math.real(symbols), self.layout.shared), tf.complex64)
            seen = self.settings.receiver.observe(
                self.settings.csi.receiver.view(response), precoding
            )
            return worker + 1, _Sums(
                received=sums.received + arriving * symbols,
                shared_even=sums.shared_even
                + tf.gather(arriving, self.layout.shared, axis=1) * even,
                block_energy=tf.tensor_scatter_nd_update(sums.block_energy, [[worker]], [energy]),
                silent=sums.silent + tf.reduce_sum(tf.cast(precoding == 0, tf.float32)),
                observed=tuple(a + b for a, b in zip(sums.observed, seen, strict=True)),
            )

        _, sums = tf.while_loop(
            lambda worker, _: worker < self.workers, body, (0, self._zero()),
            parallel_iterations=1, maximum_iterations=self.workers,
        )  # fmt: skip
        return sums

    def _zero(self) -> _Sums:
        antennas, symbols = self.settings.channel.antennas, self.layout.symbols
        response = tf.zeros([antennas, symbols], tf.complex64)
        known = self.settings.csi.receiver.view(response)
        seen = self.settings.receiver.observe(known, response[0])
        return _Sums(
            received=response,
            shared_even=tf.zeros([antennas, len(self.layout.shared)], tf.complex64),
            block_energy=tf.zeros([self.workers, len(self.layout.blocks)]),
            silent=tf.zeros([]),
            observed=tuple(tf.zeros_like(tensor) for tensor in seen),
        )

    def _plain_sum(self, messages: Message) -> _Sums:
        """The sum over a channel without fading: h = b = 1."""
        symbols = to_symbols(tf.reduce_sum(messages.reals, axis=0))
        received = tf.tile(symbols[tf.newaxis], [self.settings.channel.antennas, 1])
        even = tf.cast(tf.math.real(tf.gather(received, self.layout.shared, axis=1)), tf.complex64)
        return _Sums(received, even, tf.square(messages.sent_norms), tf.zeros([]), ())

    def _per_real(self, per_symbol: Any) -> Any:
        return tf.reshape(tf.stack([per_symbol, per_symbol], axis=1), [-1])[: self.layout.size]

    def _scale(self, sums: _Sums, amplitude: Any) -> Any:
        """The received sum [antenna, symbol] with every real scaled by its block's amplitude.

        h b turns a symbol, so its two reals cannot be scaled apart behind the channel: where they
        are of different blocks, the even one's part of the sum is corrected on its own.
        """
        pairs = to_symbols(self.layout.per_real(amplitude))  # even + j odd
        even, odd = tf.math.real(pairs), tf.math.imag(pairs)
        if self.layout.size % 2:  # the padding of the last symbol has no amplitude
            odd = tf.concat([odd[:-1], even[-1:]], axis=0)
        scaled = sums.received * tf.cast(odd, tf.complex64)
        if len(self.layout.shared):
            difference = tf.cast(tf.gather(even - odd, self.layout.shared), tf.complex64)
            update = tf.transpose(sums.shared_even * difference)  # shared, antenna
            shared = self.layout.shared[:, np.newaxis]
            scaled = tf.transpose(tf.tensor_scatter_nd_add(tf.transpose(scaled), shared, update))
        return scaled

    def _prior(self, energy: Any, sums: _Sums) -> Any:
        """[symbol] mean energy of a worker's symbol on the air, known from the control channel."""
        per_block = tf.reduce_mean(energy, axis=0) / tf.constant(self.layout.blocks, tf.float32)
        pairs = to_symbols(self.layout.per_real(per_block))
        return tf.math.real(pairs) + tf.math.imag(pairs)
