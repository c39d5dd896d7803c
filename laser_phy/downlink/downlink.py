"""The downlink: the server's message through every worker's channel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

import keras
import numpy as np
import tensorflow as tf

from laser_phy.channels.awgn import Noise
from laser_phy.core.random_streams import stream_key
from laser_phy.downlink.settings import Directed
from laser_phy.downlink.worker_receiver import WorkerReceiver
from laser_phy.phy.modulation import LinearModulation
from laser_phy.phy.ofdm import BlockLayout
from laser_phy.phy.worker_channels import Transmission
from laser_phy.power import CompressedNorm, mean_shares

MODULATION = LinearModulation()


class Signal(NamedTuple):
    """What the server sends in a round.

    Attributes:
        symbols: [symbol] complex64, scaled.
        budget: [block] energy p_j and
        amplitude: [block] a_j, both known to the workers from the control channel.
        transmission: its channels.
        round: int64 scalar, which the noise goes by.
    """

    symbols: Any
    budget: Any
    amplitude: Any
    transmission: Transmission
    round: Any


class Received(NamedTuple):
    """What one worker made of it.

    Attributes:
        reals: [real] estimate of the server's message.
        error: its squared distance from the message.
        signal: received energy of the signal, without noise.
    """

    reals: Any
    error: Any
    signal: Any


@keras.saving.register_keras_serializable("laser_phy")
class Downlink(keras.layers.Layer):
    """From one message at the server to a noisy copy at each worker; ideal unless told otherwise.

    y_k = h_k a s + z with a_j = sqrt(p_j) / ||x_j||. Use `build(phases, workers, seed)`, then
    `send` once a round and `receive` for every worker.

    Args:
        **fields: fields of a scenario's `downlink:`.
    """

    def __init__(self, **fields: Any) -> None:
        super().__init__(name="downlink", dtype="float32", autocast=False)
        fields = {"name": "ideal", **fields}
        self.settings = Directed.from_config({"downlink": fields}).downlink
        self.ideal = self.settings.ideal

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The downlink a scenario describes under `downlink:`."""
        return cls(**config)

    def get_config(self) -> dict[str, Any]:
        return dict(self.settings.to_config())

    def build(self, phases: Sequence[Sequence[int]], workers: int, seed: int = 0) -> None:
        """Make grids, channels and variables.

        Args:
            phases: block sizes (reals) of the message in each kind of round.
            workers: K.
            seed: of channel and noise, streams of their own.
        """
        self.workers = workers
        if not self.ideal:
            settings = self.settings
            self.layouts = [BlockLayout(blocks) for blocks in phases]
            key = stream_key(seed, "downlink")
            self.receivers = [
                WorkerReceiver(settings, layout.symbols, key, workers) for layout in self.layouts
            ]
            self.noise = Noise(stream_key(seed, "downlink_noise"), settings.channel.noise_variance)
            self.energy = self._scalar("energy", self.energy_budget)
            speed = settings.channel.initial_speed_mps
            self.speed_mps = self._scalar("speed_mps", speed)
        self.built = True

    def _scalar(self, name: str, value: float) -> Any:
        constant = keras.initializers.Constant(value)
        return self.add_weight(name=name, shape=(), initializer=constant, trainable=False)

    @property
    def energy_budget(self) -> float:
        """Energy of a broadcast."""
        symbols = float(np.mean([layout.symbols for layout in self.layouts]))
        return float(self.settings.power.energy(symbols))

    def send(self, phase: int, reals: Any, round_: Any) -> Signal:
        """The server's transmission of `reals` [real] in round `round_`."""
        layout = self.layouts[phase]
        energies = layout.per_block(tf.square(reals))
        norms = tf.sqrt(energies)[tf.newaxis]
        budget = self.energy.value * mean_shares(CompressedNorm(), norms, norms)
        amplitude = MODULATION.amplitude(energies, budget)
        return Signal(
            symbols=MODULATION.modulate(layout.per_real(amplitude) * reals, None),
            budget=budget,
            amplitude=amplitude,
            transmission=self.receivers[phase].transmission(round_, self.speed_mps.value),
            round=round_,
        )

    def receive(self, phase: int, signal: Signal, reals: Any, worker: Any) -> Received:
        """Worker `worker`'s estimate; `reals` is what was sent, for the diagnostics alone."""
        layout, settings = self.layouts[phase], self.settings
        arrival = self.receivers[phase].receive(signal.transmission, worker, signal.symbols)
        received = self.noise.add(arrival.symbols[tf.newaxis], signal.round, worker)[0]
        # mean energy of a symbol: a block's energy over its reals, two a symbol
        per_real = signal.budget / tf.constant(layout.blocks, tf.float32)
        prior = MODULATION.per_symbol(layout.per_real(per_real))
        disturbance = settings.channel.noise_variance + prior * arrival.csi_error
        symbols = received * settings.receiver.weight(arrival.gain, prior, disturbance)
        estimate = MODULATION.demodulate(symbols, layout.size)
        estimate = tf.math.divide_no_nan(estimate, layout.per_real(signal.amplitude))
        return Received(
            reals=estimate,
            error=tf.reduce_sum(tf.square(estimate - reals)),
            signal=tf.reduce_sum(tf.square(tf.abs(arrival.symbols))),
        )
