"""3GPP 38.901 urban cells by Sionna: workers dropped in a sector, some of them weak."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal, cast

import numpy as np

from laser_phy.channels import randomness
from laser_phy.channels.antenna_array import WithArray, panel
from laser_phy.channels.chunks import Clock, fits, in_chunks
from laser_phy.channels.gain_law import GainLaw
from laser_phy.channels.grid import Grid
from laser_phy.channels.moving import PathFading
from laser_phy.channels.simulated import simulated_laws
from laser_phy.core.lazy import tf
from laser_phy.core.settings import setting

DROP = 2**42  # the realisation whose draws place the workers; no training reaches it

RAYS = 400  # of a link: at most 20 clusters of 20
LONGEST_DELAY_S = 5e-6  # delays are drawn without a bound; beyond this is hardly any power


class Cell(WithArray):
    """What the urban cells share.

    Workers are dropped uniformly in one sector; their places, line of sight, path loss, penetration
    loss and shadowing are fixed by the scenario's seed, and small-scale fading is new in every
    realisation. Gains are normalised so that their mean over workers is 1, their ratios kept:
    budgets in dB stay comparable with other channels, while a worker at the edge is far below the
    mean. All antennas are vertical and omnidirectional, so that the ratios are those of path loss
    and shadowing alone.
    """

    carrier_hz: float = setting(3.5e9, ge=0.5e9, le=100e9, unit="Hz")
    """Carrier frequency, in the range of 38.901."""
    indoor_probability: float = setting(0.0, ge=0, le=1, unit="probability")
    """Share of workers inside buildings, with penetration loss; 38.901 evaluates with 0.8."""

    model: ClassVar[str]
    server_height_m: ClassVar[float]
    nearest_m: ClassVar[float]

    @property
    def law(self) -> None:
        return None

    def build(self, grid: Grid, key: int, workers: int) -> CellFading:
        return CellFading(grid, key, cast("Umi | Uma", self), workers)


class Umi(Cell):
    """Urban micro-cell, street canyon: a server at 10 m, below the roofs."""

    name: Literal["umi"] = "umi"
    inter_site_distance_m: float = setting(200.0, ge=50, le=5000, unit="m")
    """Distance of two servers; a sector reaches to two thirds of it at most."""

    model: ClassVar[str] = "umi"
    server_height_m: ClassVar[float] = 10.0
    nearest_m: ClassVar[float] = 10.0


class Uma(Cell):
    """Urban macro-cell: a server at 25 m, above the roofs."""

    name: Literal["uma"] = "uma"
    inter_site_distance_m: float = setting(500.0, ge=100, le=5000, unit="m")
    """Distance of two servers; a sector reaches to two thirds of it at most."""

    model: ClassVar[str] = "uma"
    server_height_m: ClassVar[float] = 25.0
    nearest_m: ClassVar[float] = 35.0


class CellFading(PathFading):
    """Sionna's UMi or UMa with one server and K workers, drawn together once a realisation.

    Sionna is told to leave path loss and shadowing out, because it would draw a new penetration
    loss at every call; they are drawn once, when building, from its own generator. Each worker and
    realisation gets a common phase: over rounds a worker moves by many wavelengths.

    Attributes:
        positions_m: [worker, 3], the server at [0, 0, height].
        gains_db: [worker] path gain with shadowing and penetration, before normalisation.
    """

    settings: Umi | Uma

    def __init__(self, grid: Grid, key: int, settings: Umi | Uma, workers: int) -> None:
        super().__init__(grid, key, settings, workers)
        randomness.prepare()
        with tf.init_scope():
            self._drop()
        # UMi and UMa have Python conditions on tensors, and Keras turns AutoGraph off around this:
        # a tf.function of its own turns it on again.
        self._sample = tf.function(self._link_paths, autograph=True)

    def _drop(self) -> None:
        from sionna.phy.channel import gen_single_sector_topology

        settings, workers = self.settings, self.workers
        randomness.seek(self.key, DROP)
        places, server, _, _, velocities, indoor = gen_single_sector_topology(
            1, workers, settings.model,
            min_bs_ut_dist=settings.nearest_m,
            isd=settings.inter_site_distance_m,
            bs_height=settings.server_height_m,
            indoor_probability=settings.indoor_probability,
            min_ut_velocity=1.0,
            max_ut_velocity=1.0,
        )  # fmt: skip
        self._model = _model(settings)
        self._clock = Clock(self._model)
        self._model.set_topology(
            ut_loc=places,
            bs_loc=server,
            ut_orientations=tf.zeros([1, workers, 3]),
            bs_orientations=tf.constant([[[math.pi / 3, 0.0, 0.0]]]),  # faces its sector, upright
            ut_velocities=velocities,
            in_state=indoor,
        )
        self.positions_m = places.numpy()[0]
        gains = np.asarray(self._model.link_gains(), np.float64)
        self.gains_db = 10 * np.log10(gains)
        self._powers = gains / gains.mean()

    def longest_delay_s(self) -> float:
        return LONGEST_DELAY_S

    def draw(self, realisation: Any, speed_mps: Any) -> Any:
        from sionna.phy import config

        rate = self.rate(speed_mps)

        def sample(first: Any, count: int) -> tuple[Any, Any]:
            randomness.seek(self.key, realisation)
            return self._sample(tf.cast(first, tf.float32) / rate, count, rate)

        numbers = RAYS * self.workers * self.settings.antennas
        if fits(self.steps, numbers):
            gains, delays = sample(0, self.steps)
        else:
            delays = sample(0, 1)[1]
            gains = in_chunks(lambda first, count: sample(first, count)[0], self.steps, numbers)
        phases = config.tf_rng.uniform([self.workers], 0.0, 2 * math.pi)
        amplitudes = np.sqrt(self._powers).astype(np.float32)
        scale = amplitudes * tf.complex(tf.cos(phases), tf.sin(phases))
        return gains * scale[:, tf.newaxis, tf.newaxis, tf.newaxis], delays

    def _link_paths(self, start_s: Any, count: int, rate: Any) -> tuple[Any, Any]:
        """Gains [worker, antenna, path, step] from `start_s` on, and delays [worker, path]."""
        self._clock.start_s = start_s
        gains, delays = self._model(count, rate)
        return tf.transpose(gains[0, 0, :, :, 0], [1, 0, 2, 3]), delays[0, 0]

    def paths(self, state: Any, worker: Any) -> tuple[Any, Any]:
        gains, delays = state
        return tf.gather(gains, worker), tf.gather(delays, worker)

    def laws(self) -> list[GainLaw]:
        if not hasattr(self, "_laws"):
            self._laws = simulated_laws(self, self.workers)
        return self._laws

    def powers(self) -> list[float]:
        return [float(power) for power in self._powers]


def _model(settings: Umi | Uma) -> Any:
    """Sionna's model of unit mean gain, with the gains of its links beside it."""
    from sionna.phy.channel.tr38901 import UMa, UMi

    class WithGains(UMi if settings.model == "umi" else UMa):  # type: ignore[misc]
        def link_gains(self) -> Any:
            """[worker] linear power gains: path loss, penetration loss and shadowing."""
            loss_db = self._lsp_sampler.sample_pathloss()  # batch, server, worker
            return (self._lsp.sf * 10 ** (-loss_db / 10))[0, 0]

    return WithGains(
        settings.carrier_hz,
        "low",
        ut_array=panel(1, 1, settings.carrier_hz),
        bs_array=panel(settings.antennas, settings.rows, settings.carrier_hz),
        direction="uplink",
        enable_pathloss=False,
        enable_shadow_fading=False,
    )
