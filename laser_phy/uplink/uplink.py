"""The uplink: the chain from K gradients to one, in its order. Only this file knows that order.

encode (per worker)   compressor: gradient and memory -> message of reals in blocks
receive               shares of the budget -> OFDM mapping -> power control -> channel, sum in the
                      air -> amplitude, noise -> receiver -> reals -> compressor: gradient estimate
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Self

import keras
import numpy as np
import tensorflow as tf

from laser_phy.channels.awgn import Noise
from laser_phy.channels.grid import round_grid
from laser_phy.compressors import Message
from laser_phy.core.random_streams import stream_key
from laser_phy.phy.csi import Outdated
from laser_phy.phy.layout import BlockLayout
from laser_phy.phy.modulation import mapping_of
from laser_phy.phy.pilots import Mobility
from laser_phy.uplink.analog_link import AnalogLink
from laser_phy.uplink.budget import pass_budget
from laser_phy.uplink.collection import collect
from laser_phy.uplink.diagnostics import control_bytes, round_diagnostics
from laser_phy.uplink.digital_link import DigitalLink
from laser_phy.uplink.settings import UplinkSettings
from laser_phy.uplink.snapshot import snapshot
from laser_phy.uplink.worker_devices import WorkerDevices, local


class Aggregate(NamedTuple):
    """What the server has after a round.

    Attributes:
        gradients: list of float32 tensors of the built shapes: the estimate of the workers' mean.
        diagnostics: dict of float32 scalars; the energies behind every ratio in dB are among them.
        workers: dict of [worker] float32: `worker_energy` spent, `message_norm` of what was to be
            sent (in the first pass, where there are several).
        message: [real] float32, the decoded mean message, zero-padded; None with several passes.
    """

    gradients: list[Any]
    diagnostics: dict[str, Any]
    workers: dict[str, Any]
    message: Any = None


@keras.saving.register_keras_serializable("laser_phy")
class Uplink(keras.layers.Layer):
    """K workers' gradients over the air, to an estimate of their mean.

    Use `build(shapes, workers, seed)` and then call the link on a list of stacked gradients, or,
    with one gradient in memory at a time, `encode` for every worker and `receive` for all.

    Every variable is tracked: error-feedback memories, the compressor's shared state, the round,
    and what schedules may change without retracing: energy, speed, and the age of outdated CSI.

    Args:
        **fields: fields of a scenario's `uplink:`, as settings objects
            (`compressor=lp.compressors.Laser(rank=4)`). Only `compressor` has no default.
    """

    def __init__(self, **fields: Any) -> None:
        base = {key: fields.pop(key) for key in ("name", "dtype", "trainable") if key in fields}
        name, trainable = base.get("name", "uplink"), base.get("trainable", True)
        super().__init__(name=name, trainable=trainable, dtype="float32", autocast=False)
        self.settings = UplinkSettings(**fields)
        self.workers = 0

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The link a scenario describes under `uplink:`; keys left out have their defaults."""
        config = dict(config)
        base = {key: config.pop(key) for key in ("name", "dtype", "trainable") if key in config}
        settings = UplinkSettings.from_config(config)
        return cls(
            **{name: getattr(settings, name) for name in UplinkSettings.model_fields}, **base
        )

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, **self.settings.to_config()}

    # ---- building ----

    def build(self, shapes: Sequence[Sequence[int]], workers: int, seed: int = 0) -> None:
        """Make codec, grids, channel and variables.

        Args:
            shapes: shape of every gradient tensor, without a worker axis.
            workers: K.
            seed: of the channel, the noise and the compressor.

        Raises:
            ValueError: no tensors, or a number of workers below 1.
        """
        if workers < 1:
            raise ValueError(f"workers must be >= 1; got {workers}.")
        if not len(shapes):
            raise ValueError("shapes must have at least one tensor; got none.")
        self.shapes = [tuple(int(n) for n in shape) for shape in shapes]
        self.workers, self.seed = int(workers), int(seed)
        self.split = WorkerDevices(self.workers)
        settings = self.settings
        key = stream_key(seed, "compressor")
        self.codec = settings.compressor.build(self.shapes, key)
        mapping = mapping_of(settings.receiver)
        self.layouts = [
            BlockLayout(blocks, mapping.symbols(self.codec.channel_uses(phase)))
            for phase, blocks in enumerate(self.codec.phases)
        ]
        channel_key, noise_key = stream_key(seed, "channel"), stream_key(seed, "noise")
        air = AnalogLink if settings.compressor.analog else DigitalLink
        self.airs: list[AnalogLink] = []
        for layout in self.layouts:
            grid = round_grid(settings.ofdm, layout.symbols, pilots=settings.pilots)
            self.airs.append(air(settings, layout, grid, channel_key, self.workers))
        self.noise = Noise(noise_key, settings.channel.noise_variance)
        self._build_variables()
        self.built = True

    def _build_variables(self) -> None:
        def variable(name: str, shape: tuple[int, ...], value: Any, dtype: str = "float32") -> Any:
            start = np.broadcast_to(value, shape)
            return self.add_weight(
                name=name, shape=shape, dtype=dtype, trainable=False, autocast=False,
                initializer=lambda shape, dtype=None: keras.ops.convert_to_tensor(start, dtype),
            )  # fmt: skip

        self.energy = variable("energy", (), self.energy_budget)
        self.speed_mps = variable("speed_mps", (), getattr(self.settings.channel, "speed_mps", 0.0))
        csi = self.settings.csi
        self.csi_age_s = {
            side: variable(f"{side}_age_s", (), knows.age_s)
            for side, knows in (("transmitter", csi.transmitter), ("receiver", csi.receiver))
            if isinstance(knows, Outdated)
        }
        self.round = variable("round", (), 0, "int64")
        self.excluded = variable("excluded", (self.workers,), 0, "int64")  # rounds, by worker
        # Often the largest of all: made where it lies, as copies on the way would triple the peak.
        self.memory = self.split.rows(self.codec.memory_size)
        self.state = [
            variable(f"state_{i}", value.shape, value, str(value.dtype))
            for i, value in enumerate(self.codec.initial_state())
        ]

    def get_build_config(self) -> dict[str, Any]:
        return {"shapes": self.shapes, "workers": self.workers, "seed": self.seed}

    def build_from_config(self, config: dict[str, Any]) -> None:
        self.build(**config)

    @property
    def rounds(self) -> int:
        """Rounds done."""
        return int(self.round.numpy())

    @property
    def symbols_per_round(self) -> float:
        """Data symbols of a round, the mean over kinds of round."""
        return self.codec.passes * float(np.mean([layout.symbols for layout in self.layouts]))

    @property
    def motion(self) -> Mobility:
        """Speed and ages as they are now."""
        ages = {f"{side}_age_s": age.value for side, age in self.csi_age_s.items()}
        return Mobility(self.speed_mps.value, **ages)

    @property
    def energy_budget(self) -> float:
        """P of the settings: energy a worker may spend in a round."""
        return self.settings.power.energy(self.symbols_per_round)

    # ---- a round ----

    def in_phase(self, round_: Any, function: Callable[[int], Any]) -> Any:
        """`function(phase)` for the kind of round `round_` is; every kind has static shapes."""
        if len(self.layouts) == 1 or self.codec.passes > 1:
            return function(0)
        branches = [lambda i=i: function(i) for i in range(len(self.layouts))]
        return tf.switch_case(tf.cast(round_ % len(self.layouts), tf.int32), branches)

    def encode(
        self,
        worker: Any,
        gradients: Sequence[Any],
        state: Sequence[Any] | None = None,
        present: Any = None,
    ) -> Message:
        """Worker `worker`'s message; its error-feedback memory moves on.

        Args:
            worker: integer scalar, 0 to K - 1.
            gradients: list of float32 tensors of the built shapes.
            state: the compressor's state as this worker has it, where that is not the server's.
            present: bool scalar; a worker that is not sends nothing, and its memory stays as it
                was, without this gradient. None: it is.
        """
        gradients = [tf.cast(gradient, tf.float32) for gradient in gradients]

        def encode(memory: Any, shared: Any) -> tuple[Message, Any]:
            known = self.funded(shared if state is None else list(state))
            message, kept = self.in_phase(
                self.round.value,
                lambda phase: self.codec.encode(phase, gradients, memory, known),
            )
            silent = self.codec.skip_round(gradients, memory)
            message, kept = self._unless_silent(worker, message, kept, silent)
            return _if_present(present, message, kept, memory)

        return self._remember(worker, encode)

    def funded(self, state: Sequence[Any]) -> list[Any]:
        """The compressor's state with what the energy of this round decides."""
        settings = self.settings
        return self.codec.funded(
            list(state), self.energy.value, self.workers, settings.channel.noise_of_a_real
        )

    def _unless_silent(
        self, worker: Any, message: Message, kept: Any, silent: Any
    ) -> tuple[Message, Any]:
        """Message and memory `kept`; of a worker that does not take part nothing, and `silent`."""
        if self.settings.participation.name == "all":
            return message, kept
        sends = self._sends(worker)
        return message.gated(sends), tf.where(sends, kept, silent)

    def _sends(self, worker: Any) -> Any:
        """Bool scalar: `worker` takes part in this round."""
        round_ = self.round.value
        realisation = round_ // self.settings.channel.coherence_rounds
        return self.in_phase(
            round_,
            lambda phase: self.airs[phase].sends(round_, realisation, self.motion, worker),
        )

    def _remember(self, worker: Any, encode: Callable[[Any, Any], tuple[Message, Any]]) -> Message:
        """The message of `encode(memory, state)`, whose new memory the worker keeps."""
        remembers = self.codec.memory_size > 0
        # gather, not memory[worker]: slicing a variable copies all of it
        row = worker - self.split.first
        memory = tf.gather(local(self.memory), row) if remembers else tf.zeros([0])
        message, memory = encode(memory, [variable.value for variable in self.state])
        if remembers:
            index = tf.reshape(row, [1, 1])
            local(self.memory).scatter_nd_update(index, memory[tf.newaxis])
        return message

    def receive(
        self,
        messages: Message,
        mean_gradients: Sequence[Any] | None = None,
        present: Any = None,
    ) -> Aggregate:
        """The server's estimate of the mean gradient; the round counter moves on.

        Args:
            messages: `Message` whose fields have a leading worker axis.
            mean_gradients: the true mean, for the diagnostic `gradient_nmse_db` alone.
            present: [worker] bool as `encode` was told; the mean is over those. None: all are.
        """
        if present is None:
            present = tf.ones([self.workers], tf.bool)
        energy = self.energy.value
        gradients, state, air, left, message = self.in_phase(
            self.round.value, lambda phase: self._over_the_air(phase, messages, energy, present)
        )
        self.share(state)
        norms = tf.norm(messages.sent_norms, axis=1)
        for phase in range(1, self.codec.passes):
            messages = self._resume(phase, present)
            more, state, record, left, _ = self._over_the_air(phase, messages, left, present)
            self.share(state)
            air = air.joined(record)
            gradients = [
                b if a is None else a if b is None else a + b
                for a, b in zip(gradients, more, strict=True)
            ]
        diagnostics = round_diagnostics(air, gradients, mean_gradients)
        diagnostics["control_bytes_per_round"] = tf.constant(
            float(control_bytes(self.settings, self.workers, self.codec.signalled_blocks))
        )
        absent = tf.logical_not(present)
        diagnostics["excluded_workers"] = tf.reduce_sum(tf.cast(absent, tf.float32))
        self.excluded.assign_add(tf.cast(absent, tf.int64))
        if not self.settings.compressor.analog:
            diagnostics["bits_per_worker"] = self.codec.message_bits(self.funded(state))
        self.round.assign_add(1)
        workers = {"worker_energy": air.worker_energy, "message_norm": norms}
        message = message if self.codec.passes == 1 else None
        return Aggregate(gradients, diagnostics, workers, message)

    def share(self, state: Sequence[Any]) -> None:
        """What server and workers know from now on."""
        for variable, value in zip(self.state, state, strict=True):
            variable.assign(value)

    def _resume(self, phase: int, present: Any) -> Message:
        """The workers' messages of a later pass of the same round, from their memories."""

        def step(worker: Any, carry: Any) -> tuple[Message, Any]:
            def resume(memory: Any, state: Any) -> tuple[Message, Any]:
                message, kept = self.codec.resume(phase, memory, state)
                message, kept = self._unless_silent(worker, message, kept, memory)
                return _if_present(present[worker], message, kept, memory)

            return self._remember(worker, resume), carry

        return self.collect(step, [], phase)[0]

    def _over_the_air(
        self, phase: int, messages: Message, energy: Any, present: Any
    ) -> tuple[Any, ...]:
        """Gradients, shared state, record, what is left of `energy`, and the decoded message."""
        layout = self.layouts[phase]
        budget = pass_budget(self.settings, self.codec, self.workers, phase, messages, energy)
        messages = messages._replace(reals=messages.reals[:, : layout.size])
        round_ = self.round.value
        realisation = round_ // self.settings.channel.coherence_rounds
        estimate, air = self.airs[phase].transmit(
            messages, budget, round_, self._pass(phase), realisation,
            self.motion, present,
            add_noise=lambda symbols: self.noise.add(symbols, round_, self._pass(phase)),
        )  # fmt: skip
        state = [variable.value for variable in self.state]
        gradients, state = self.codec.decode(phase, estimate, state)
        message = tf.pad(estimate, [[0, self.codec.message_size - layout.size]])
        return gradients, state, air, energy - tf.reduce_sum(budget), message

    def _pass(self, phase: int) -> int:
        """Which transmission of the round a phase is."""
        return phase if self.codec.passes > 1 else 0

    def snapshot(self, round: int = 0, workers: int | None = None) -> dict[str, np.ndarray]:
        """Channel and power over the subcarriers in a round: `laser_phy.uplink.snapshot`."""
        realisation = round // self.settings.channel.coherence_rounds
        return snapshot(self.airs[round % len(self.airs)], realisation, self.motion, workers)

    def call(self, stacked: Sequence[Any]) -> Aggregate:
        """`encode` for every worker, then `receive`.

        Args:
            stacked: list of float32 tensors [worker, *shape].
        """
        stacked = [tf.convert_to_tensor(tensor, tf.float32) for tensor in stacked]
        expected = [(self.workers, *shape) for shape in self.shapes]
        if [tuple(tensor.shape) for tensor in stacked] != expected:
            raise ValueError(
                f"stacked must be tensors of shapes {expected} (worker axis first); "
                f"got {[tuple(tensor.shape) for tensor in stacked]}."
            )
        messages, _ = self.collect(
            lambda worker, carry: (self.encode(worker, [t[worker] for t in stacked]), carry), []
        )
        return self.receive(messages, [tf.reduce_mean(tensor, axis=0) for tensor in stacked])

    def collect(
        self, step: Callable[[Any, Any], tuple[Message, Any]], carry: Any, phase: int = 0
    ) -> Any:
        """The messages of all workers, made one after the other: `laser_phy.uplink.collection`.

        Args:
            step: `step(worker, carry)` gives the worker's message and the new carry.
            carry: nest of tensors.
            phase: of the codec, where a round has several passes.

        Returns:
            `Message` with a leading worker axis, and the last carry, of this replica's workers.
        """
        blocks = len(self.codec.phases[phase])
        sizes = Message(self.codec.message_size, blocks, blocks)
        return collect(step, carry, self.split, sizes)


def _if_present(present: Any, message: Message, kept: Any, memory: Any) -> tuple[Message, Any]:
    """Message and memory `kept`; of a worker that is not present nothing, and `memory`."""
    if present is None:
        return message, kept
    return message.gated(present), tf.where(present, kept, memory)
