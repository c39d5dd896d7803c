"""Recorded impulse responses: measured or ray-traced links, from a file."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from laser_phy.channels import randomness
from laser_phy.channels.gain_law import Empirical, GainLaw
from laser_phy.channels.grid import Grid
from laser_phy.channels.moving import Moving, PathFading
from laser_phy.channels.recording import Recording, load
from laser_phy.channels.simulated import simulated_laws
from laser_phy.core.lazy import tf
from laser_phy.core.settings import setting

LAW_DRAWS = 256  # cheap here, and with few paths one draw tells little


class Cir(Moving):
    """Links from a file of impulse responses, npz or HDF5 (fields: `channels/recording.py`).

    Where the file has directions of departure, a worker is elsewhere in the neighbourhood of the
    recorded place in every realisation, many wavelengths away, so that the phases of its paths are
    independent; and it moves through the recorded plane waves in a random direction. Without
    directions the link is the recorded one, up to a phase. Gains are normalised so that their mean
    over workers is 1, their ratios kept.
    """

    name: Literal["cir"] = "cir"
    path: str = setting("street_canyon", example="measured.h5")
    """A file, or the name of a recording that ships: street_canyon."""
    assignment: Literal["worker", "random"] = setting("worker")
    """`worker`: worker k has link k, modulo the links. `random`: any link, new in a realisation."""

    @property
    def law(self) -> None:
        return None

    def build(self, grid: Grid, key: int, workers: int) -> RecordedFading:
        recording = load(self.path)
        if recording.antennas < self.antennas:
            raise ValueError(
                f"antennas must be <= {recording.antennas}, the antennas of {self.path}; "
                f"got {self.antennas}."
            )
        carrier = recording.carrier_hz or self.carrier_hz
        if not math.isclose(carrier, self.carrier_hz, rel_tol=1e-3):
            raise ValueError(
                f"carrier_hz must be {carrier:g} (Hz), as in {self.path}; got {self.carrier_hz:g}."
            )
        return RecordedFading(grid, key, self, workers, recording, self.assignment)


class RecordedFading(PathFading):
    """a[m, p](t) = g[m, p] e^(j (phi_p + 2 pi k_p . v t / lambda)).

    k_p is the direction in which path p leaves the worker and v the worker's velocity: moving
    towards k_p shortens the path. phi_p is uniform, for every path its own where directions are
    known, else the same for all.

    Args:
        recording: the links; the first `antennas` antennas are used.
        assignment: `worker` or `random`, as in `Cir`.
    """

    def __init__(
        self,
        grid: Grid,
        key: int,
        settings: Moving,
        workers: int,
        recording: Recording,
        assignment: str = "worker",
    ) -> None:
        randomness.prepare()
        self.recording = recording
        super().__init__(grid, key, settings, workers)
        self.assignment = assignment
        gains = recording.gains[:, : settings.antennas]
        powers = np.sum(np.abs(gains) ** 2, axis=2).mean(axis=1)  # link
        self._link_of = np.arange(workers) % len(recording)
        heard = powers if assignment == "random" else powers[self._link_of]
        self._gains = (gains / np.sqrt(heard.mean())).astype(np.complex64)
        self._powers = heard / heard.mean()
        self._delays = recording.delays_s.astype(np.float32)
        directions = recording.departures
        self._moves = directions is not None
        self._directions = np.zeros((*self._delays.shape, 3)) if directions is None else directions
        self._directions = self._directions.astype(np.float32)
        self._laws: list[GainLaw] | None = None

    def longest_delay_s(self) -> float:
        return float(self.recording.delays_s.max())

    def paths(self, state: Any, worker: Any) -> tuple[Any, Any]:
        from sionna.phy import config

        realisation, speed_mps = state
        randomness.seek(self.key, realisation, worker)
        heading = config.tf_rng.uniform([], 0.0, 2 * math.pi)
        links, paths = self._delays.shape
        phases = config.tf_rng.uniform([paths if self._moves else 1], 0.0, 2 * math.pi)
        link = tf.cast(worker, tf.int32) % links
        if self.assignment == "random":
            link = config.tf_rng.uniform([], 0, links, tf.int32)
        towards = tf.stack([tf.cos(heading), tf.sin(heading), 0.0])
        times = tf.range(self.steps, dtype=tf.float32) / self.rate(speed_mps)
        wavelengths = tf.linalg.matvec(tf.gather(self._directions, link), towards)[
            :, tf.newaxis
        ] * (times / self.settings.wavelength_m)  # path, step
        turns = 2 * math.pi * wavelengths + phases[:, tf.newaxis]
        gains = tf.gather(self._gains, link)
        moved = gains[:, :, tf.newaxis] * tf.complex(tf.cos(turns), tf.sin(turns))
        return moved, tf.gather(self._delays, link)

    def powers(self) -> list[float]:
        if self.assignment == "random":
            return super().powers()
        return [float(power) for power in self._powers]

    def laws(self) -> list[GainLaw]:
        if self._laws is None:
            links = min(self.workers, len(self.recording))
            if self.assignment == "random":
                self._laws = [self._law_over_links()] * self.workers
            else:
                own = simulated_laws(self, links, LAW_DRAWS)
                self._laws = [own[link] for link in self._link_of]
        return self._laws

    def twin(self, grid: Grid) -> RecordedFading:
        settings = self.settings.model_copy(update={"domain": "frequency"})
        return RecordedFading(
            grid, self.key, settings, self.workers, self.recording, self.assignment
        )

    def _law_over_links(self) -> GainLaw:
        """All links are equally likely: one law, of the samples of all."""
        links = len(self.recording)
        each = RecordedFading(self.grid, self.key, self.settings, links, self.recording)
        draws = max(1, 8 * LAW_DRAWS // links)
        laws = [law for law in simulated_laws(each, links, draws) if isinstance(law, Empirical)]
        return Empirical(np.concatenate([law.samples for law in laws]))
