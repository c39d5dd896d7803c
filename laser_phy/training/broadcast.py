"""The way back over a noisy downlink: every worker goes on with what it received."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from laser_phy.core.loops import in_turn
from laser_phy.downlink.downlink import Downlink
from laser_phy.training.worker_models import WorkerModels
from laser_phy.uplink.diagnostics import with_ratios
from laser_phy.uplink.uplink import Aggregate, Uplink

BYTES = 4
"""A float32 on the error-free control channel."""


class _Sums(NamedTuple):
    """Sums over workers, of energies.

    Attributes:
        error: of what was received.
        signal: that arrived, without noise.
        distance: squared, of a worker's new weights from the server's.
    """

    error: Any
    signal: Any
    distance: Any


class ModelBroadcast:
    """Sends a round's answer to every worker, and keeps their replicas.

    Args:
        model: whose trainable variables hold the server's weights between rounds.
        uplink: built; its compressor decodes what is broadcast.
        downlink: built, not ideal.
        models: to be built here.
        optimizer: applies the update, at the server and at every worker.

    Raises:
        ValueError: a payload that the compressor cannot be broadcast with.
    """

    def __init__(
        self,
        model: keras.Model,
        uplink: Uplink,
        downlink: Downlink,
        models: WorkerModels,
        optimizer: keras.optimizers.Optimizer,
    ) -> None:
        self.model, self.uplink, self.downlink = model, uplink, downlink
        # Nobody's loss but the server's is scaled: workers apply gradients as they are.
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)
        self.models, self.optimizer = models, optimizer
        self.settings = downlink.settings
        if uplink.codec.passes > 1:
            raise ValueError(
                "a broadcast downlink needs one transmission a round, so that workers decode what "
                "the server did; got laser with factors: both. Write factors: alternate."
            )
        groups = {"weights": model.trainable_variables, "state": uplink.state}
        if self.applies:
            # The learning rate is everybody's, and what schedules and callbacks set.
            groups["optimizer"] = [v for v in optimizer.variables if v.name != "learning_rate"]
        if not models.built:
            models.build(groups, uplink.workers)
        models.live = {group: list(variables) for group, variables in groups.items()}

    @staticmethod
    def phases(uplink: Uplink, downlink: Downlink) -> list[tuple[int, ...]]:
        """Block sizes of what is broadcast in each kind of round."""
        if downlink.settings.payload == "weights":
            return [tuple(uplink.codec.sizes)]
        return list(uplink.codec.phases)

    @property
    def applies(self) -> bool:
        """Workers apply updates with an optimizer of their own."""
        return bool(self.settings.payload == "update")

    def take_weights(self, worker: Any) -> None:
        """Put a worker's weights into the model."""
        self.models.put("weights", self.models.read("weights", worker))

    def state(self, worker: Any) -> list[Any]:
        """The compressor's state as a worker has it."""
        return self.models.read("state", worker)

    def send(self, aggregate: Aggregate, round_: Any) -> dict[str, Any]:
        """Send the answer of round `round_`; the model has the server's new weights already.

        Args:
            aggregate: what the server decoded.
            round_: int64 scalar.

        Returns:
            Diagnostics of the downlink.
        """
        if self.settings.basis == "seed":
            state = self.uplink.in_phase(
                round_, lambda phase: self.uplink.codec.seeded_state(phase, self._server(), round_)
            )
            self.uplink.set_shared_state(state)
        server = {group: self.models.values(group) for group in self.models.live}
        if self.applies:
            values = self.uplink.in_phase(
                round_, lambda phase: self._updates(phase, aggregate, server, round_)
            )
        else:
            values = self._weights(server, round_)
        for group, held in server.items():
            self.models.put(group, held)
        self._resync(server, round_)
        values["server_weights_energy"] = _energy(server["weights"])
        return with_ratios(values)

    def _server(self) -> list[Any]:
        return [variable.value for variable in self.uplink.state]

    # ---- payloads ----

    def _updates(
        self, phase: int, aggregate: Aggregate, server: dict[str, Any], round_: Any
    ) -> Any:
        """Every worker decodes its own copy of the message and applies it; diagnostics."""
        reals = aggregate.message[: self.downlink.layouts[phase].size]
        signal = self.downlink.send(phase, reals, round_)

        def receive(worker: Any) -> _Sums:
            received = self.downlink.receive(phase, signal, reals, worker)
            gradients, own = self.uplink.codec.decode(phase, received.reals, self.state(worker))
            weights = self._apply(worker, gradients)
            self._write_state(worker, own, server)
            away = [a - b for a, b in zip(weights, server["weights"], strict=True)]
            return _Sums(received.error, received.signal, _energy(away))

        return self._values(phase, reals, self._over_workers(receive))

    def _apply(self, worker: Any, gradients: list[Any]) -> list[Any]:
        """A worker's weights after an update by its own optimizer."""
        for group in ("weights", "optimizer"):
            self.models.put(group, self.models.read(group, worker))
        self.optimizer.apply(gradients, self.model.trainable_variables)
        for group in ("weights", "optimizer"):
            self.models.write(group, worker, self.models.values(group))
        return self.models.values("weights")

    def _weights(self, server: dict[str, Any], round_: Any) -> Any:
        """Every worker takes the weights it received; diagnostics."""
        weights = server["weights"]
        reals = tf.concat([tf.reshape(tf.cast(w, tf.float32), [-1]) for w in weights], axis=0)
        signal = self.downlink.send(0, reals, round_)

        def receive(worker: Any) -> _Sums:
            received = self.downlink.receive(0, signal, reals, worker)
            parts = tf.split(received.reals, self.uplink.codec.sizes)
            parts = [tf.reshape(p, s) for p, s in zip(parts, self.uplink.shapes, strict=True)]
            self.models.write("weights", worker, parts)
            self._write_state(worker, None, server)
            return _Sums(received.error, received.signal, distance=received.error)

        return self._values(0, reals, self._over_workers(receive))

    def _write_state(self, worker: Any, own: Any, server: dict[str, Any]) -> None:
        """The worker's next basis: from what it received, or the server's."""
        own_basis = self.settings.basis == "received"
        self.models.write("state", worker, own if own_basis else server["state"])

    def _over_workers(self, receive: Callable[[Any], _Sums]) -> _Sums:
        def add(worker: Any, sums: _Sums) -> _Sums:
            return _Sums(*[a + b for a, b in zip(sums, receive(worker), strict=True)])

        return in_turn(self.uplink.workers, add, _Sums(*[tf.zeros([])] * 3))

    def _values(self, phase: int, reals: Any, sums: _Sums) -> dict[str, Any]:
        """The diagnostics of a broadcast of `reals`."""
        workers, receivers = float(self.uplink.workers), self.downlink.receivers[phase]
        message, symbols = _energy([reals]), float(self.downlink.layouts[phase].symbols)
        noise = symbols * workers * self.settings.channel.noise_variance
        return {
            "downlink_error_energy": sums.error,
            "downlink_message_energy": workers * message,
            "downlink_signal_energy": sums.signal,
            "downlink_noise_energy": tf.constant(noise),
            "replica_distance": sums.distance / workers,
            "downlink_energy": tf.where(message > 0, self.downlink.energy.value, 0.0),
            "downlink_pilot_energy": tf.constant(receivers.pilot_energy),
            "downlink_symbols_per_round": tf.constant(symbols),
            "downlink_air_time_ms": tf.constant(1e3 * receivers.grid.air_time_s),
            "downlink_control_bytes_per_round": tf.constant(self.control_bytes()),
        }

    # ---- what costs no noise ----

    def _resync(self, server: dict[str, Any], round_: Any) -> None:
        """Every `resync_every` rounds all workers get the server's state without error."""
        if self.settings.resync_every is None:
            return

        def copy() -> Any:
            for group, values in server.items():
                self.models.spread(group, values)
            return tf.constant(0)

        due = (round_ + 1) % self.settings.resync_every == 0
        tf.cond(due, copy, lambda: tf.constant(0))

    def control_bytes(self) -> float:
        """Bytes a round without error: amplitudes, protected bases, and the share of resyncs.

        A protected basis costs a copy of the factor that it comes from; a resync copies the
        weights, the optimizer's state and both bases.
        """
        codec = self.uplink.codec
        phases = self.downlink.layouts
        total = sum(2 * len(layout.blocks) for layout in phases) / len(phases)
        bases = [codec.state_reals(phase) for phase in range(len(codec.phases))]
        if self.settings.basis == "protected":
            total += sum(bases) / len(bases)
        if self.settings.resync_every is not None:
            copied = sum(math.prod(v.shape) for group in self.models.live.values() for v in group)
            total += copied / self.settings.resync_every
        return BYTES * total


def _energy(tensors: Sequence[Any]) -> Any:
    """Sum of squares."""
    return tf.add_n([tf.reduce_sum(tf.square(tf.cast(tensor, tf.float32))) for tensor in tensors])
