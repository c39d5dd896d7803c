"""The downlink: the server's message through every worker's channel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

import keras
import numpy as np
import tensorflow as tf

from laser_phy.channels.awgn import Noise
from laser_phy.core.random_streams import stream_key
from laser_phy.downlink.settings import Directed, IdealDownlink
from laser_phy.downlink.worker_receiver import WorkerReceiver
from laser_phy.phy.layout import BlockLayout
from laser_phy.phy.ofdm import to_reals, to_symbols
from laser_phy.power import mean_shares
from laser_phy.uplink.transmitter import Transmission


class Signal(NamedTuple):
    """What the server sends in a round.

    Attributes:
        symbols: [symbol] complex64, scaled.
        budget: [block] energy p_j and
        amplitude: [block] a_j, both known to the workers from the control channel.
        moment: of the channel and the noise.
    """

    symbols: Any
    budget: Any
    amplitude: Any
    moment: Transmission


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
        self.ideal = isinstance(self.settings, IdealDownlink)

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
            self.listeners = [
                WorkerReceiver(settings, layout.symbols, key, workers) for layout in self.layouts
            ]
            self.noise = Noise(stream_key(seed, "downlink_noise"), settings.channel.noise_variance)
            self.energy = self._scalar("energy", self.energy_budget)
            speed = getattr(settings.channel, "speed_mps", 0.0)
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
        norms = tf.sqrt(layout.per_block(tf.square(reals)))[tf.newaxis]
        budget = self.energy.value * mean_shares("compressed_norm", norms, norms)
        amplitude = tf.math.divide_no_nan(tf.sqrt(budget), norms[0])
        return Signal(
            symbols=to_symbols(layout.per_real(amplitude) * reals),
            budget=budget,
            amplitude=amplitude,
            moment=self.listeners[phase].moment(round_, self.speed_mps.value),
        )

    def receive(self, phase: int, signal: Signal, reals: Any, worker: Any) -> Received:
        """Worker `worker`'s estimate; `reals` is what was sent, for the diagnostics alone."""
        layout, settings = self.layouts[phase], self.settings
        listeners, moment = self.listeners[phase], signal.moment
        arriving, gain, unknown = listeners.listen(moment, worker, signal.symbols)
        received = self.noise.add(arriving[tf.newaxis], moment.round, worker)[0]
        prior = self._prior(layout, signal.budget)
        disturbance = settings.channel.noise_variance + prior * unknown
        symbols = received * settings.receiver.weight(gain, prior, disturbance)
        estimate = to_reals(symbols, layout.size)
        estimate = tf.math.divide_no_nan(estimate, layout.per_real(signal.amplitude))
        return Received(
            reals=estimate,
            error=tf.reduce_sum(tf.square(estimate - reals)),
            signal=tf.reduce_sum(tf.square(tf.abs(arriving))),
        )

    def _prior(self, layout: BlockLayout, budget: Any) -> Any:
        """[symbol] mean energy of a sent symbol: a block's energy over its reals, two a symbol."""
        pairs = to_symbols(layout.per_real(budget / tf.constant(layout.blocks, tf.float32)))
        return tf.math.real(pairs) + tf.math.imag(pairs)
