"""One round on the air: power control, channel, sum, noise and receiver, worker by worker.

One worker's channel is live at a time, unless the power control rule needs all at once. Under
`budget: round` the common amplitude depends on every worker's norm after precoding, so the workers'
channels are gone through twice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from laser_phy.channels import Grid
from laser_phy.compressors import Message
from laser_phy.impairments import Hardware
from laser_phy.layout import Layout
from laser_phy.mapping import MAPPINGS
from laser_phy.observation import Observer
from laser_phy.ofdm import spread
from laser_phy.pilot_cost import pilot_cost
from laser_phy.receivers import Link, Observed
from laser_phy.sounding import timeline_of
from laser_phy.transmitters import Moment, Transmitters
from laser_phy.uplink_settings import UplinkSettings


class AirRecord(NamedTuple):
    """What was measured on the air in a round; float32 scalars, but `worker_energy` [worker].

    Energies of sums over the symbols (or reals) of a round: `signal` and `noise` of the received
    sum, `error` of the decoded mean message, `reference` of the true mean message, both means over
    the `senders` workers that sent.
    """

    worker_energy: Any
    signal: Any
    noise: Any
    error: Any
    reference: Any
    silent: Any
    symbols: Any
    air_time_ms: Any
    pilot_symbols: Any
    server_pilot_energy: Any
    worker_pilot_energy: Any
    senders: Any
    papr_db: Any

    def joined(self, later: AirRecord) -> AirRecord:
        """The record of two transmissions of a round, one after the other."""
        sums = AirRecord(*[a + b for a, b in zip(self, later, strict=True)])
        silent = self.silent * self.symbols + later.silent * later.symbols
        return sums._replace(
            silent=silent / sums.symbols,
            senders=self.senders,
            papr_db=tf.maximum(self.papr_db, later.papr_db),
        )


class _Round(NamedTuple):
    """What the workers' transmissions of a round depend on.

    Attributes:
        messages: of all workers.
        amplitude: [block] that messages are scaled by.
        moment: index and channels.
        arrival: [worker, used element] h b where the rule plans, else [worker, 0].
    """

    messages: Message
    amplitude: Any
    moment: Moment
    arrival: Any


class _Sums(NamedTuple):
    """Accumulated over workers.

    Attributes:
        received: [antenna, symbol] complex64, the sum in the air.
        energy: [worker, block] spent.
        silent: elements left empty.
        observed: what the receiver learned.
        papr_db: largest of the workers, 0 where it is not measured.
    """

    received: Any
    energy: Any
    silent: Any
    observed: Observed
    papr_db: Any


class Air:
    """The air of one kind of round.

    Args:
        settings: of the uplink.
        layout: blocks of the message.
        grid: resource elements of the round.
        key: stream of randomness of the channel.
        workers: K.
    """

    def __init__(
        self, settings: UplinkSettings, layout: Layout, grid: Grid, key: int, workers: int
    ) -> None:
        self.settings, self.layout, self.grid = settings, layout, grid
        self.workers, self.receiver = workers, settings.receiver
        self.mapping = MAPPINGS[settings.receiver.mapping]
        self.elements = spread(layout.symbols, grid.elements)  # [symbol]
        self.timeline = timeline_of(settings.csi, settings.channel, grid, self.elements)
        self.fading = settings.channel.build(self.timeline.grid, key, workers)
        self.transmitters = Transmitters(settings, grid, self.timeline, self.fading)
        self.observer = Observer(settings, grid, self.timeline, self.transmitters)
        self.hardware = Hardware(settings.impairments, settings.ofdm, grid, self.elements)
        self.cost = pilot_cost(self.transmitters.sounding, self.observer, grid, workers)
        self._impaired = settings.impairments.any or settings.impairments.papr
        # Nothing depends on the worker: the messages are added up before the air.
        self._plain = (
            not settings.channel.fading and self.receiver.name == "scale" and not self._impaired
        )

    def transmit(
        self,
        messages: Message,
        budget: Any,
        round_: Any,
        turn: int,
        realisation: Any,
        speed_mps: Any,
        add_noise: Callable[[Any], Any],
    ) -> tuple[Any, AirRecord]:
        """Send the messages; decode the mean of those that were sent.

        Args:
            messages: fields with a leading worker axis; `reals` [worker, real], 0 of a worker that
                sits out.
            budget: [block] energy p_j.
            round_: int64 scalar.
            turn: which transmission of the round.
            realisation: int64 scalar, of the channel.
            speed_mps: float32 scalar.
            add_noise: adds the round's noise to [antenna, symbol] complex64.

        Returns:
            The estimate [real] of the mean message, and the record.
        """
        moment = self.transmitters.moment(round_, turn, realisation, speed_mps)
        senders = tf.reduce_sum(self.senders(moment))
        sent = self._prepare(messages, budget, moment)
        sums = self._sum_in_the_air(sent)
        received = add_noise(sums.received)
        observed = self.observer.finish(moment, sums.observed, senders)
        prior = self._prior(messages, sent.amplitude, senders)
        combined = self.receiver.combine(received, observed, prior, self._link(sent, senders))
        scaled = self.mapping.demodulate(combined, self.layout.size)
        estimate = tf.math.divide_no_nan(scaled, self.layout.per_real(sent.amplitude))
        mean = tf.math.divide_no_nan(tf.reduce_sum(messages.reals, axis=0), senders)
        elements = float(self.layout.symbols * self.settings.channel.antennas)
        return estimate, AirRecord(
            worker_energy=tf.reduce_sum(sums.energy, axis=1),
            signal=tf.reduce_sum(tf.square(tf.abs(sums.received))),
            noise=tf.constant(elements * self.settings.channel.noise_variance),
            error=tf.reduce_sum(tf.square(estimate - mean)),
            reference=tf.reduce_sum(tf.square(mean)),
            silent=sums.silent / (self.workers * self.layout.symbols),
            symbols=tf.constant(float(self.layout.symbols)),
            air_time_ms=tf.constant(1e3 * (self.grid.air_time_s + self.cost.extra_time_s)),
            pilot_symbols=tf.constant(float(self.cost.symbols)),
            server_pilot_energy=tf.constant(self.cost.server_energy),
            worker_pilot_energy=tf.constant(self.cost.worker_energy),
            senders=senders,
            papr_db=sums.papr_db,
        )

    # ---- who sends ----

    def sends(self, round_: Any, realisation: Any, speed_mps: Any, worker: Any) -> Any:
        """Bool scalar: a worker takes part in a round."""
        moment = self.transmitters.moment(round_, 0, realisation, speed_mps)
        return self._sends(moment, worker)

    def senders(self, moment: Moment) -> Any:
        """[worker] float32, 1 for those that send."""
        if self.settings.participation.name == "all":
            return tf.ones([self.workers])

        def body(worker: Any, sent: Any) -> Any:
            return worker + 1, sent.write(worker, tf.cast(self._sends(moment, worker), tf.float32))

        sent = tf.TensorArray(tf.float32, self.workers, element_shape=[])
        return self.transmitters.over(body, sent).stack()

    def _sends(self, moment: Moment, worker: Any) -> Any:
        participation = self.settings.participation
        if participation.name == "threshold":
            return self.transmitters.mean_gain(moment, worker) >= participation.minimum_gain
        if participation.name == "fraction":
            drawn = tf.random.stateless_uniform(
                [self.workers], self.transmitters.seed("participation", moment._replace(turn=0), 0)
            )
            rank = tf.reduce_sum(tf.cast(drawn < drawn[worker], tf.int32))
            return rank < max(1, round(participation.fraction * self.workers))
        return tf.constant(True)

    def look(self, realisation: Any, speed_mps: Any) -> tuple[np.ndarray, np.ndarray]:
        """[worker, data element] power gains behind the beam, and transmit powers |b|^2.

        For pictures: all elements of the grid, with the energy of an even message.
        """
        everywhere = np.arange(self.grid.elements)
        timeline = timeline_of(self.settings.csi, self.settings.channel, self.grid, everywhere)
        transmitters = Transmitters(self.settings, self.grid, timeline, self.fading)
        moment = transmitters.moment(tf.zeros([], tf.int64), 0, realisation, speed_mps)
        symbols = self.layout.symbols
        prior = tf.fill([len(timeline.used)], self.settings.power.energy(symbols) / symbols)
        arrival = transmitters.plan(moment, prior)
        gains, powers = [], []
        for worker in range(self.workers):
            sight = transmitters.look(moment, worker, transmitters.innovates)
            gain = self.receiver.beam_gain(transmitters.used(sight))
            precoding = transmitters.precoding(moment, worker, sight, arrival)
            gains.append(np.abs(gain)[: len(everywhere)] ** 2)
            powers.append(np.abs(precoding)[: len(everywhere)] ** 2)
        return np.stack(gains), np.stack(powers)

    # ---- before the air ----

    def _prepare(self, messages: Message, budget: Any, moment: Moment) -> _Round:
        """Amplitudes, and the plan of a rule that makes one."""
        energy = tf.reduce_max(self._message_energies(messages), axis=0)
        amplitude = self.mapping.amplitude(energy, budget)
        senders = tf.cast(self.workers, tf.float32)
        prior = self._prior(messages, amplitude, senders)
        pilots = tf.fill([len(self.timeline.used) - self.layout.symbols], tf.reduce_mean(prior))
        arrival = self.transmitters.plan(moment, tf.concat([prior, pilots], axis=0))
        round_ = _Round(messages, amplitude, moment, arrival)
        if self.settings.power.budget == "mean" or not self.settings.channel.fading:
            return round_
        return round_._replace(amplitude=self.mapping.amplitude(self._spent(round_), budget))

    def _message_energies(self, messages: Message) -> Any:
        """[worker, block] energy of the message at amplitude 1, b = 1."""
        if self.receiver.mapping == "amplitudes":
            return tf.square(messages.sent_norms)
        parts = tf.split(self.mapping.energies(messages.reals), self.layout.blocks, axis=1)
        return tf.stack([tf.reduce_sum(part, axis=1) for part in parts], axis=1)

    def _spent(self, round_: _Round) -> Any:
        """[block] largest energy of a worker's block after precoding, at amplitude 1."""

        def body(worker: Any, largest: Any) -> Any:
            energy = self._energy(self._precoding(round_, worker), round_.messages.reals[worker])
            return worker + 1, tf.maximum(largest, energy)

        return self.transmitters.over(body, tf.zeros(len(self.layout.blocks)))

    def _precoding(self, round_: _Round, worker: Any) -> Any:
        """A worker's factors b [symbol]."""
        sight = self.transmitters.look(round_.moment, worker, self.transmitters.innovates)
        precoding = self.transmitters.precoding(round_.moment, worker, sight, round_.arrival)
        return precoding[: self.layout.symbols]

    # ---- in the air ----

    def _sum_in_the_air(self, round_: _Round) -> _Sums:
        if self._plain:
            return self._plain_sum(round_)
        antennas, symbols = self.settings.channel.antennas, self.layout.symbols
        zero = _Sums(
            received=tf.zeros([antennas, symbols], tf.complex64),
            energy=tf.zeros([self.workers, len(self.layout.blocks)]),
            silent=tf.zeros([]),
            observed=tf.nest.map_structure(
                lambda spec: tf.zeros(spec.shape, spec.dtype), self._observed_spec(round_)
            ),
            papr_db=tf.zeros([]),
        )
        return self.transmitters.over(lambda worker, sums: self._add(round_, worker, sums), zero)

    def _add(self, round_: _Round, worker: Any, sums: _Sums) -> Any:
        """`sums` with one worker's part."""
        moment, size = round_.moment, self.layout.symbols
        innovates = self.transmitters.innovates or self.observer.innovates
        sight = self.transmitters.look(moment, worker, innovates)
        precoding = self.transmitters.precoding(moment, worker, sight, round_.arrival)
        seen = self.observer.of(moment, worker, sight, precoding)
        precoding = precoding[:size]
        reals = self.layout.per_real(round_.amplitude) * round_.messages.reals[worker]
        symbols = precoding * self.mapping.modulate(
            reals, self.transmitters.seed("phases", moment, worker)
        )
        papr_db = sums.papr_db
        if self.settings.impairments.papr:
            papr_db = tf.maximum(papr_db, self.hardware.papr(symbols))
        symbols = self.hardware.amplified(symbols)
        arriving = self._through(moment, worker, sight, symbols)
        if self.settings.impairments.any:
            arriving.set_shape([self.settings.channel.antennas, size])
            seed = self.transmitters.seed("impairments", moment, worker)
            arriving = self.hardware.arriving(arriving, seed)
        energy = self._energy(precoding, reals)
        return worker + 1, _Sums(
            received=sums.received + arriving,
            energy=tf.tensor_scatter_nd_update(sums.energy, [[worker]], [energy]),
            silent=sums.silent + tf.reduce_sum(tf.cast(precoding == 0, tf.float32)),
            observed=tf.nest.map_structure(tf.add, sums.observed, seen),
            papr_db=papr_db,
        )

    def _through(self, moment: Moment, worker: Any, sight: Any, symbols: Any) -> Any:
        """[antenna, symbol] what arrives of a worker's symbols [symbol], without noise."""
        size = self.layout.symbols
        if self.settings.channel.domain == "frequency":
            return self.transmitters.used(sight)[:, :size] * symbols
        fading, elements = self.transmitters.fading, self.timeline.elements[:size]
        placed = tf.scatter_nd(elements[:, np.newaxis], symbols, [fading.grid.elements])
        return tf.gather(fading.propagate(moment.state, worker, placed), elements, axis=1)

    def _observed_spec(self, round_: _Round) -> Observed:
        """Shapes and types of what the receiver learns."""
        nothing = tf.zeros([len(self.timeline.used)], tf.complex64)
        sight = self.transmitters.look(round_.moment, 0, self.observer.innovates)
        return self.observer.of(round_.moment, 0, sight, nothing)

    def _plain_sum(self, round_: _Round) -> _Sums:
        """The sum over a channel without fading: h = b = 1."""
        per_real = self.layout.per_real(round_.amplitude)
        total = per_real * tf.reduce_sum(round_.messages.reals, axis=0)
        symbols = self.mapping.modulate(total, None)
        received = tf.tile(symbols[tf.newaxis], [self.settings.channel.antennas, 1])
        energy = tf.square(round_.messages.sent_norms * round_.amplitude)
        return _Sums(received, energy, tf.zeros([]), Observed(), tf.zeros([]))

    def _energy(self, precoding: Any, reals: Any) -> Any:
        """[block] energy of a worker's reals on the air."""
        gain = self.mapping.per_real(tf.square(tf.abs(precoding)), self.layout.size)
        return self.layout.per_block(gain * self.mapping.energies(reals))

    # ---- what the receiver knows ----

    def _prior(self, messages: Message, amplitude: Any, senders: Any) -> Any:
        """[symbol] mean energy of a sender's symbol at b = 1, known from the control channel."""
        total = tf.reduce_sum(tf.square(messages.sent_norms), axis=0)
        per_block = tf.math.divide_no_nan(total, senders)
        per_block *= tf.square(amplitude) / tf.constant(self.layout.blocks, tf.float32)
        return self.mapping.per_symbol(self.layout.per_real(per_block))

    def _link(self, round_: _Round, senders: Any) -> Link:
        channel, statistics = self.settings.channel, self.transmitters.statistics
        rule, speed_mps = self.transmitters.rule, round_.moment.speed_mps
        planned = channel.fading and rule.plans
        rho, rho_squared = self.transmitters.correlation(speed_mps)
        gain: Any = statistics.gain
        square: Any = statistics.square
        power: Any = statistics.power
        if planned:
            arrival = round_.arrival[:, : self.layout.symbols]
            gain = tf.reduce_mean(arrival, axis=0)
            square = tf.reduce_mean(tf.square(arrival), axis=0)
            power = 1.0
        if self.transmitters.sounding is not None:
            # h = rho h^ + sqrt(1 - rho^2) e: the part that is not known comes in with b's energy
            gain = gain * rho
            square = rho_squared * square + (1 - rho_squared) * power
        return Link(
            workers=senders,
            gain=gain,
            share=statistics.share,
            square=square,
            planned=planned,
            aligned=rule.aligns,
            fading=channel.fading,
            noise_variance=channel.noise_variance,
            informed=self.observer.informed,
            csi_error=self.observer.error(speed_mps, senders),
            power=float(np.mean(self.fading.powers())),
        )
