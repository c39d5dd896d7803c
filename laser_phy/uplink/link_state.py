"""What an uplink is made of once it is built: codec, links of every kind of round, variables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from laser_phy.channels.awgn import Noise
from laser_phy.channels.grid import round_grid
from laser_phy.core.errors import at_least
from laser_phy.core.random_streams import stream_key
from laser_phy.phy.ofdm import BlockLayout
from laser_phy.phy.pilots import Mobility
from laser_phy.uplink.analog_link import AnalogLink
from laser_phy.uplink.codec_contract import CodecContract
from laser_phy.uplink.digital_link import DigitalLink
from laser_phy.uplink.settings import UplinkSettings
from laser_phy.uplink.worker_devices import WorkerDevices


class LinkState(keras.layers.Layer):
    """Codec, links and variables of an uplink; what a round does with them is `Chain`'s.

    Args:
        settings: of the uplink.
        name, trainable: of the layer.
    """

    def __init__(self, settings: UplinkSettings, name: str, trainable: bool) -> None:
        super().__init__(name=name, trainable=trainable, dtype="float32", autocast=False)
        self.settings = settings
        self.workers = 0

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
        at_least("workers", workers)
        if not len(shapes):
            raise ValueError("shapes must have at least one tensor; got none.")
        self.shapes = [tuple(int(n) for n in shape) for shape in shapes]
        self.workers, self.seed = int(workers), int(seed)
        self.devices = WorkerDevices(self.workers)
        settings = self.settings
        key = stream_key(seed, "compressor")
        self.codec = settings.compressor.build(self.shapes, key)
        self.contract = CodecContract(settings.compressor, self.codec)
        modulation = settings.receiver.modulation()
        self.layouts = [
            BlockLayout(blocks, modulation.symbols(self.codec.channel_uses(phase)))
            for phase, blocks in enumerate(self.codec.phases)
        ]
        channel_key, noise_key = stream_key(seed, "channel"), stream_key(seed, "noise")
        kind = AnalogLink if settings.compressor.analog else DigitalLink
        self.links: list[Any] = []
        for layout in self.layouts:
            grid = round_grid(settings.ofdm, layout.symbols, pilots=settings.pilots)
            self.links.append(kind(settings, layout, grid, channel_key, self.workers))
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
        self.speed_mps = variable("speed_mps", (), self.settings.channel.initial_speed_mps)
        self.csi_age_s = {
            side: variable(f"{side}_age_s", (), knows.age)
            for side, knows in self.settings.csi.sides.items()
            if knows.ages
        }
        self.round = variable("round", (), 0, "int64")
        self.excluded = variable("excluded", (self.workers,), 0, "int64")  # rounds, by worker
        # Often the largest of all: made where it lies, as copies on the way would triple the peak.
        self.memory = self.devices.rows(self.codec.memory_size)
        self.state = [
            variable(f"state_{i}", value.shape, value, str(value.dtype))
            for i, value in enumerate(self.codec.initial_state())
        ]

    @property
    def symbols_per_round(self) -> float:
        """Data symbols of a round, the mean over kinds of round."""
        return self.codec.passes * float(np.mean([layout.symbols for layout in self.layouts]))

    @property
    def mobility(self) -> Mobility:
        """Speed and ages as they are now."""
        ages = {f"{side}_age_s": age.value for side, age in self.csi_age_s.items()}
        return Mobility(self.speed_mps.value, **ages)

    @property
    def energy_budget(self) -> float:
        """P of the settings: energy a worker may spend in a round."""
        return self.settings.power.energy(self.symbols_per_round)

    def in_phase(self, round_: Any, function: Callable[[int], Any]) -> Any:
        """`function(phase)` for the kind of round `round_` is; every kind has static shapes."""
        if len(self.layouts) == 1 or self.codec.passes > 1:
            return function(0)
        branches = [lambda i=i: function(i) for i in range(len(self.layouts))]
        return tf.switch_case(tf.cast(round_ % len(self.layouts), tf.int32), branches)
