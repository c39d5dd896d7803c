"""The chain from K gradients to one, in its order. Only this file knows that order.

encode (per worker)   compressor: gradient and memory -> message of reals in blocks
receive               shares of the budget -> OFDM mapping -> power control -> channel, sum in the
                      air -> amplitude, noise -> receiver -> reals -> compressor: gradient estimate
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from laser_phy.compressors import Message
from laser_phy.uplink.aggregate import Aggregate
from laser_phy.uplink.diagnostics import control_bytes, round_diagnostics
from laser_phy.uplink.link_state import LinkState
from laser_phy.uplink.power_scaling import pass_budget
from laser_phy.uplink.worker_devices import collect, own_copy


class Chain(LinkState):
    """What a round does."""

    def participants(self) -> Any:
        """[worker] bool, who takes part in the round to come.

        A worker that goes by its own channel is looked at here, and its channel drawn: ask once a
        round, before the workers' loop, and hand the answer to `encode` and `receive`.
        """
        round_ = self.round.value
        return self.in_phase(
            round_, lambda phase: self.links[phase].participants(round_, self.mobility)
        )

    def encode(
        self,
        worker: Any,
        gradients: Sequence[Any],
        state: Sequence[Any] | None = None,
        present: Any = None,
        participants: Any = None,
    ) -> Message:
        """Worker `worker`'s message; its error-feedback memory moves on.

        Args:
            worker: integer scalar, 0 to K - 1.
            gradients: list of float32 tensors of the built shapes.
            state: the compressor's state as this worker has it, where that is not the server's.
            present: bool scalar; a worker that is not sends nothing, and its memory stays as it
                was, without this gradient. None: it is.
            participants: of `participants`; asked here if None.
        """
        gradients = [tf.cast(gradient, tf.float32) for gradient in gradients]

        def encode(memory: Any, shared: Any) -> tuple[Message, Any]:
            known = self.with_energy(shared if state is None else list(state))
            message, left = self.in_phase(
                self.round.value,
                lambda phase: self.contract.message(
                    phase, *self.codec.encode(phase, gradients, memory, known)
                ),
            )
            silent = self.codec.skip_round(gradients, memory)
            message, left = self._unless_silent(worker, message, left, silent, participants)
            return _if_present(present, message, left, memory)

        return self._remember(worker, encode)

    def with_energy(self, state: Sequence[Any]) -> list[Any]:
        """The compressor's state with what the energy of this round decides."""
        noise = self.settings.channel.noise_of_a_real
        return self.codec.with_energy(list(state), self.energy.value, self.workers, noise)

    def _unless_silent(
        self, worker: Any, message: Message, memory: Any, silent: Any, participants: Any
    ) -> tuple[Message, Any]:
        """Message and memory; of a worker that does not take part nothing, and `silent`."""
        if self.settings.participation.everybody:
            return message, memory
        sends = (self.participants() if participants is None else participants)[worker]
        return message.masked(sends), tf.where(sends, memory, silent)

    def _remember(self, worker: Any, encode: Callable[[Any, Any], tuple[Message, Any]]) -> Message:
        """The message of `encode(memory, state)`, whose new memory the worker keeps."""
        remembers = self.codec.memory_size > 0
        # gather, not memory[worker]: slicing a variable copies all of it
        row = worker - self.devices.first
        memory = tf.gather(own_copy(self.memory), row) if remembers else tf.zeros([0])
        message, memory = encode(memory, [variable.value for variable in self.state])
        if remembers:
            index = tf.reshape(row, [1, 1])
            own_copy(self.memory).scatter_nd_update(index, memory[tf.newaxis])
        return message

    def receive(
        self,
        messages: Message,
        mean_gradients: Sequence[Any] | None = None,
        present: Any = None,
        participants: Any = None,
    ) -> Aggregate:
        """The server's estimate of the mean gradient; the round counter moves on.

        Args:
            messages: `Message` whose fields have a leading worker axis.
            mean_gradients: the true mean, for the diagnostic `gradient_nmse_db` alone.
            present: [worker] bool as `encode` was told; the mean is over those. None: all are.
            participants: as `encode` was told.
        """
        if present is None:
            present = tf.ones([self.workers], tf.bool)
        if participants is None:
            participants = self.participants()
        sending = tf.cast(tf.logical_and(participants, present), tf.float32)
        gradients, record, message = self._all_passes(messages, present, participants, sending)
        diagnostics = round_diagnostics(record, gradients, mean_gradients)
        diagnostics["control_bytes_per_round"] = tf.constant(
            float(control_bytes(self.settings, self.workers, self.codec.signalled_blocks))
        )
        absent = tf.logical_not(present)
        diagnostics["excluded_workers"] = tf.reduce_sum(tf.cast(absent, tf.float32))
        self.excluded.assign_add(tf.cast(absent, tf.int64))
        if not self.settings.compressor.analog:
            state = [variable.value for variable in self.state]
            diagnostics["bits_per_worker"] = self.codec.message_bits(self.with_energy(state))
        self.round.assign_add(1)
        norms = tf.norm(messages.sent_norms, axis=1)
        workers = {"worker_energy": record.worker_energy, "message_norm": norms}
        return Aggregate(gradients, diagnostics, workers, message)

    def _all_passes(
        self, messages: Message, present: Any, participants: Any, sending: Any
    ) -> tuple[Any, ...]:
        """Gradients and record of a round, and the decoded message where it has one pass."""
        energy = self.energy.value
        gradients, state, record, left, message = self.in_phase(
            self.round.value, lambda phase: self._transmit(phase, messages, energy, sending)
        )
        self.set_shared_state(state)
        for phase in range(1, self.codec.passes):
            messages = self._resume(phase, present, participants)
            more, state, later, left, _ = self._transmit(phase, messages, left, sending)
            self.set_shared_state(state)
            record = record.joined(later)
            gradients = [
                b if a is None else a if b is None else a + b
                for a, b in zip(gradients, more, strict=True)
            ]
        return gradients, record, message if self.codec.passes == 1 else None

    def set_shared_state(self, state: Sequence[Any]) -> None:
        """What server and workers know from now on."""
        for variable, value in zip(self.state, state, strict=True):
            variable.assign(value)

    def _resume(self, phase: int, present: Any, participants: Any) -> Message:
        """The workers' messages of a later pass of the same round, from their memories."""

        def step(worker: Any, carry: Any) -> tuple[Message, Any]:
            def resume(memory: Any, state: Any) -> tuple[Message, Any]:
                message, left = self.codec.resume(phase, memory, state)
                message, left = self._unless_silent(worker, message, left, memory, participants)
                return _if_present(present[worker], message, left, memory)

            return self._remember(worker, resume), carry

        return self.collect(step, [], phase)[0]

    def _transmit(
        self, phase: int, messages: Message, energy: Any, sending: Any
    ) -> tuple[Any, ...]:
        """Gradients, shared state, record, what is left of `energy`, and the decoded message."""
        layout, link = self.layouts[phase], self.links[phase]
        budget = pass_budget(self.settings, self.codec, self.workers, phase, messages, energy)
        messages = messages._replace(reals=messages.reals[:, : layout.size])
        round_, pass_ = self.round.value, phase if self.codec.passes > 1 else 0
        transmission = link.transmission(round_, pass_, self.mobility)
        estimate, record = link.transmit(
            messages, budget, transmission, sending,
            add_noise=lambda symbols: self.noise.add(symbols, round_, pass_),
        )  # fmt: skip
        state = [variable.value for variable in self.state]
        gradients, state = self.codec.decode(phase, estimate, state)
        gradients = self.contract.estimates(gradients)
        message = tf.pad(estimate, [[0, self.codec.message_size - layout.size]])
        return gradients, state, record, energy - tf.reduce_sum(budget), message

    def collect(
        self, step: Callable[[Any, Any], tuple[Message, Any]], carry: Any, phase: int = 0
    ) -> Any:
        """The messages of all workers, made one after the other: `laser_phy.uplink.worker_devices`.

        Args:
            step: `step(worker, carry)` gives the worker's message and the new carry.
            carry: nest of tensors.
            phase: of the codec, where a round has several passes.

        Returns:
            `Message` with a leading worker axis, and the last carry, of this replica's workers.
        """
        blocks = len(self.codec.phases[phase])
        sizes = Message(self.codec.message_size, blocks, blocks)
        return collect(step, carry, self.devices, sizes)


def _if_present(present: Any, message: Message, left: Any, memory: Any) -> tuple[Message, Any]:
    """Message and memory `left`; of a worker that is not present nothing, and `memory`."""
    if present is None:
        return message, left
    return message.masked(present), tf.where(present, left, memory)
