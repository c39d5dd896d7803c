"""The downlink: the server's message through every worker's channel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

import keras
import numpy as np
import tensorflow as tf

from laser_phy.channels.awgn import Noise
from laser_phy.channels.grid import round_grid
from laser_phy.downlink_settings import Directed, IdealDownlink
from laser_phy.layout import Layout
from laser_phy.ofdm import spread, to_reals, to_symbols
from laser_phy.power import mean_shares
from laser_phy.streams import stream_key


class Signal(NamedTuple):
    """What the server sends in a round.

    Attributes:
        symbols: [symbol] complex64, scaled.
        budget: [block] energy p_j and
        amplitude: [block] a_j, both known to the workers from the control channel.
        state: of the channel.
        round: int64 scalar, of the noise.
    """

    symbols: Any
    budget: Any
    amplitude: Any
    state: Any
    round: Any


class Heard(NamedTuple):
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
            self.layouts = [Layout(blocks) for blocks in phases]
            self.grids = [round_grid(settings.ofdm, layout.symbols) for layout in self.layouts]
            key = stream_key(seed, "downlink")
            self.fadings = [settings.channel.build(grid, key, workers) for grid in self.grids]
            self.elements = [
                spread(layout.symbols, grid.elements)
                for layout, grid in zip(self.layouts, self.grids, strict=True)
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
        layout, settings = self.layouts[phase], self.settings
        norms = tf.sqrt(layout.per_block(tf.square(reals)))[tf.newaxis]
        budget = self.energy.value * mean_shares("compressed_norm", norms, norms)
        amplitude = tf.math.divide_no_nan(tf.sqrt(budget), norms[0])
        realisation = round_ // settings.channel.coherence_rounds
        return Signal(
            symbols=to_symbols(layout.per_real(amplitude) * reals),
            budget=budget,
            amplitude=amplitude,
            state=self.fadings[phase].draw(realisation, self.speed_mps.value),
            round=round_,
        )

    def receive(self, phase: int, signal: Signal, reals: Any, worker: Any) -> Heard:
        """Worker `worker`'s estimate; `reals` is what was sent, for the diagnostics alone."""
        layout, settings = self.layouts[phase], self.settings
        antennas = float(settings.channel.antennas)
        response = self.fadings[phase].response(signal.state, worker)
        response = tf.gather(response, self.elements[phase], axis=1)
        # One stream from all antennas with the common beam w = 1/sqrt(M), as on the uplink.
        gain = tf.reduce_sum(response, axis=0) / tf.cast(antennas**0.5, tf.complex64)
        arriving = gain * signal.symbols
        received = self.noise.add(arriving[tf.newaxis], signal.round, worker)[0]
        prior = self._prior(layout, signal.budget)
        known = settings.csi.view(gain)
        noise_variance = settings.channel.noise_variance
        symbols = received * settings.receiver.weight(known, prior, noise_variance)
        estimate = to_reals(symbols, layout.size)
        estimate = tf.math.divide_no_nan(estimate, layout.per_real(signal.amplitude))
        return Heard(
            reals=estimate,
            error=tf.reduce_sum(tf.square(estimate - reals)),
            signal=tf.reduce_sum(tf.square(tf.abs(arriving))),
        )

    def _prior(self, layout: Layout, budget: Any) -> Any:
        """[symbol] mean energy of a sent symbol: a block's energy over its reals, two a symbol."""
        pairs = to_symbols(layout.per_real(budget / tf.constant(layout.blocks, tf.float32)))
        return tf.math.real(pairs) + tf.math.imag(pairs)
