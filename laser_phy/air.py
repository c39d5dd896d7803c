"""One round on the air: power control, channel, sum, noise and receiver, worker by worker.

One worker's channel is live at a time, unless the power control rule needs all at once. Under
`budget: round` the common amplitude depends on every worker's norm after precoding, so the workers'
channels are gone through twice.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from laser_phy.channels import Fading, Grid
from laser_phy.compressors import Message
from laser_phy.layout import Layout
from laser_phy.ofdm import spread, to_symbols
from laser_phy.power_control import Statistics, common_statistics, precode_to
from laser_phy.receivers import Link, Observed
from laser_phy.uplink_settings import UplinkSettings

__all__ = ["Air", "AirRecord", "Layout"]


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


class _Round(NamedTuple):
    """What the workers' transmissions of a round depend on.

    Attributes:
        messages: of all workers.
        amplitude: [block] that messages are scaled by.
        index: of the transmission.
        state: of the channel.
        arrival: [worker, symbol] h b where the rule plans, else [worker, 0].
    """

    messages: Message
    amplitude: Any
    index: Any
    state: Any
    arrival: Any


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
    observed: Observed


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
        self.rule, self.receiver = settings.power_control, settings.receiver
        self.statistics = self._statistics()
        self._plain = not settings.channel.fading and settings.receiver.name == "scale"
        self._elements = spread(layout.symbols, grid.elements)  # [symbol]

    def _statistics(self) -> Statistics:
        channel = self.settings.channel
        if not channel.fading:  # nothing to control: the gain is that of the beam
            gain = channel.antennas**0.5
            return Statistics(scale=1.0, gain=gain, share=1.0, square=gain**2, power=1.0)
        if self.rule.plans:  # the plan of the round says it
            return Statistics(scale=1.0, gain=1.0, share=1.0, square=1.0, power=1.0)
        return common_statistics(self.rule, self.fading.laws())

    def transmit(
        self,
        messages: Message,
        budget: Any,
        index: Any,
        realisation: Any,
        speed_mps: Any,
        add_noise: Callable[[Any], Any],
    ) -> tuple[Any, AirRecord]:
        """Send the messages; decode their mean.

        Args:
            messages: fields with a leading worker axis; `reals` [worker, real].
            budget: [block] energy p_j.
            index: int64 scalar, of the transmission: different in every round and pass.
            realisation: int64 scalar, of the channel.
            speed_mps: float32 scalar.
            add_noise: adds the round's noise to [antenna, symbol] complex64.

        Returns:
            The estimate [real] of the mean message, and the record.
        """
        state = self.fading.draw(realisation, speed_mps)
        round_ = self._prepare(messages, budget, index, state)
        sums = self._sum_in_the_air(round_)
        received = add_noise(sums.received)
        prior = self._prior(messages, round_.amplitude)
        scaled = self.receiver.estimate(
            received, sums.observed, prior, self._link(round_.arrival), self.layout.size
        )
        estimate = tf.math.divide_no_nan(scaled, self.layout.per_real(round_.amplitude))
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

    # ---- before the air ----

    def _prepare(self, messages: Message, budget: Any, index: Any, state: Any) -> _Round:
        """Amplitudes, and the plan of a rule that makes one."""
        energy = tf.reduce_max(self._message_energies(messages), axis=0)
        amplitude = self.receiver.amplitude(energy, budget)
        arrival = tf.zeros([self.workers, 0])
        if self.settings.channel.fading and self.rule.plans:
            arrival = self.plan(self.known_gains(state), self._prior(messages, amplitude))
        round_ = _Round(messages, amplitude, index, state, arrival)
        if self.settings.power.budget == "mean" or not self.settings.channel.fading:
            return round_
        return round_._replace(amplitude=self.receiver.amplitude(self._spent(round_), budget))

    def _message_energies(self, messages: Message) -> Any:
        """[worker, block] energy of the message at amplitude 1, b = 1."""
        if self.receiver.name != "energy":
            return tf.square(messages.sent_norms)
        return tf.stack(
            [tf.reduce_sum(self.receiver.energies(part), axis=1)
             for part in tf.split(messages.reals, self.layout.blocks, axis=1)], axis=1
        )  # fmt: skip

    def _spent(self, round_: _Round) -> Any:
        """[block] largest energy of a worker's block after precoding, at amplitude 1."""

        def body(worker: Any, largest: Any) -> Any:
            precoding = self._precoding(round_, worker, self.response(round_.state, worker))
            energy = self._energy(precoding, round_.messages.reals[worker])
            return worker + 1, tf.maximum(largest, energy)

        return self._over_workers(body, tf.zeros(len(self.layout.blocks)))

    def known_gains(self, state: Any) -> Any:
        """[worker, symbol] power gains behind the beam, as the transmitters know them."""

        def body(worker: Any, gains: Any) -> Any:
            known = self.known(self.response(state, worker))
            return worker + 1, gains.write(worker, tf.square(tf.abs(known)))

        gains = tf.TensorArray(tf.float32, self.workers, element_shape=[self.layout.symbols])
        return self._over_workers(body, gains).stack()

    def plan(self, gains: Any, prior: Any) -> Any:
        """[worker, symbol] h b of a rule that plans."""
        noise_ratio = self.settings.channel.noise_variance / tf.maximum(prior, 1e-30)
        return self.rule.plan(gains, noise_ratio)

    def response(self, state: Any, worker: Any) -> Any:
        """A worker's channel [antenna, symbol] at the elements its symbols are sent on."""
        return tf.gather(self.fading.response(state, worker), self._elements, axis=1)

    def known(self, response: Any) -> Any:
        """What a worker knows of its channel behind the beam; the channel where it knows none."""
        gain = self.receiver.beam_gain(response)
        known = self.settings.csi.transmitter.view(gain)
        return gain if known is None else known

    def precode(self, response: Any) -> Any:
        """A worker's factors b [symbol] for its channel [antenna, symbol], of a rule for one."""
        return self.rule.precode(self.known(response), self.statistics)

    def _precoding(self, round_: _Round, worker: Any, response: Any) -> Any:
        """A worker's factors b [symbol]."""
        if not self.settings.channel.fading:
            return tf.ones_like(response[0])
        if not self.rule.plans:
            return self.precode(response)
        return precode_to(round_.arrival[worker], self.known(response))

    # ---- in the air ----

    def _sum_in_the_air(self, round_: _Round) -> _Sums:
        if self._plain:
            return self._plain_sum(round_)

        def body(worker: Any, sums: _Sums) -> Any:
            response = self.response(round_.state, worker)
            precoding = self._precoding(round_, worker, response)
            reals, symbols = self._modulate(round_, worker)
            energy = self._energy(precoding, reals)
            seen = self._observe(self.settings.csi.receiver.view(response), precoding)
            return worker + 1, _Sums(
                received=sums.received + response * (precoding * symbols),
                energy=tf.tensor_scatter_nd_update(sums.energy, [[worker]], [energy]),
                silent=sums.silent + tf.reduce_sum(tf.cast(precoding == 0, tf.float32)),
                observed=tf.nest.map_structure(tf.add, sums.observed, seen),
            )

        antennas, symbols = self.settings.channel.antennas, self.layout.symbols
        nothing = tf.zeros([antennas, symbols], tf.complex64)
        seen = self._observe(self.settings.csi.receiver.view(nothing), nothing[0])
        zero = _Sums(
            received=nothing,
            energy=tf.zeros([self.workers, len(self.layout.blocks)]),
            silent=tf.zeros([]),
            observed=tf.nest.map_structure(tf.zeros_like, seen),
        )
        return self._over_workers(body, zero)

    def _plain_sum(self, round_: _Round) -> _Sums:
        """The sum over a channel without fading: h = b = 1."""
        per_real = self.layout.per_real(round_.amplitude)
        total = per_real * tf.reduce_sum(round_.messages.reals, axis=0)
        symbols = self.receiver.modulate(total, None)
        received = tf.tile(symbols[tf.newaxis], [self.settings.channel.antennas, 1])
        energy = tf.square(round_.messages.sent_norms * round_.amplitude)
        return _Sums(received, energy, tf.zeros([]), Observed())

    def _observe(self, response: Any, precoding: Any) -> Observed:
        """What one worker adds to the receiver's knowledge, if it sees `response`."""
        learns = self.receiver.learns
        absent = tf.zeros([0])  # and not None, which a loop cannot carry
        seen = Observed(absent, absent, absent, absent)
        if "heard" in learns:
            seen = seen._replace(heard=tf.cast(precoding != 0, tf.float32))
        if response is None:
            return seen
        arriving = response * precoding
        if "total" in learns:
            seen = seen._replace(total=arriving)
        if "squares" in learns:
            behind = self.receiver.beam_gain(arriving)
            seen = seen._replace(squares=tf.square(tf.abs(behind)))
        if "outer" in learns:
            column = tf.transpose(arriving)[:, :, tf.newaxis]  # symbol, antenna, 1
            seen = seen._replace(outer=tf.matmul(column, column, adjoint_b=True))
        return seen

    def _modulate(self, round_: _Round, worker: Any) -> tuple[Any, Any]:
        """A worker's scaled reals [real], and its symbols [symbol]."""
        reals = self.layout.per_real(round_.amplitude) * round_.messages.reals[worker]
        return reals, self.receiver.modulate(reals, self._seed("phases", round_.index, worker))

    def _seed(self, purpose: str, index: Any, worker: Any) -> Any:
        """Seed [2] of what is drawn for a purpose, round and worker."""
        key = self.fading.key ^ zlib.crc32(purpose.encode())
        place = tf.cast(index, tf.int64) * 2**20 + tf.cast(worker, tf.int64)
        return tf.stack([tf.constant(key, tf.int64), place])

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
        """[block] energy of a worker's reals on the air."""
        gain = self.receiver.per_real(tf.square(tf.abs(precoding)), self.layout.size)
        return self.layout.per_block(gain * self.receiver.energies(reals))

    # ---- what the receiver knows ----

    def _prior(self, messages: Message, amplitude: Any) -> Any:
        """[symbol] mean energy of a worker's symbol at b = 1, known from the control channel."""
        per_block = tf.reduce_mean(tf.square(messages.sent_norms), axis=0)
        per_block *= tf.square(amplitude) / tf.constant(self.layout.blocks, tf.float32)
        pairs = to_symbols(self.layout.per_real(per_block))
        return tf.math.real(pairs) + tf.math.imag(pairs)

    def _link(self, arrival: Any) -> Link:
        channel, statistics = self.settings.channel, self.statistics
        planned = channel.fading and self.rule.plans
        gain: Any = statistics.gain
        square: Any = statistics.square
        if planned:
            gain = tf.reduce_mean(arrival, axis=0)
            square = tf.reduce_mean(tf.square(arrival), axis=0)
        return Link(
            workers=float(self.workers),
            gain=gain,
            share=statistics.share,
            square=square,
            planned=planned,
            aligned=self.rule.aligns,
            fading=channel.fading,
            noise_variance=channel.noise_variance,
        )
