"""Responses that are given as an array: a round is one snapshot of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from laser_phy.channels.base import Channel, Fading
from laser_phy.channels.gain_law import Empirical, GainLaw
from laser_phy.channels.grid import Grid
from laser_phy.core.lazy import tf


class SnapshotFading(Fading):
    """h_k of realisation t is snapshot t mod n of an array, still within a round.

    Scaled to a mean power of 1 over workers, antennas, subcarriers and snapshots, so that the ratio
    of the workers' gains stays. For `build` of a channel of one's own:

        return SnapshotFading(grid, key, self, workers, np.load(self.path))

    Args:
        grid, key, settings, workers: as `Channel.build` is given them.
        responses: [snapshot, worker, antenna, subcarrier] complex; without the antenna's axis where
            there is one. Subcarriers are those of `ofdm` that carry data, lowest first.

    Raises:
        ValueError: other lengths than the settings', numbers that are not finite, or no power.
    """

    def __init__(
        self, grid: Grid, key: int, settings: Channel, workers: int, responses: np.ndarray
    ) -> None:
        super().__init__(grid, key, settings, workers)
        given = np.asarray(responses)
        table = given[:, :, np.newaxis] if given.ndim == 3 else given
        wanted = (workers, settings.antennas, len(grid.frequencies_hz))
        if table.ndim != 4 or table.shape[1:] != wanted or not len(table):
            raise ValueError(
                f"responses must be [snapshot, worker, antenna, subcarrier] with {wanted[0]} "
                f"workers, {wanted[1]} antennas and {wanted[2]} data subcarriers; got shape "
                f"{list(given.shape)}."
            )
        power = np.mean(np.square(np.abs(table.astype(np.complex128))), axis=(0, 2, 3))  # worker
        if not np.all(np.isfinite(power)) or not power.any():
            raise ValueError(
                "responses must be finite and not all 0; got "
                f"{np.count_nonzero(~np.isfinite(table))} entries that are not finite."
            )
        self._powers = power / power.mean()
        self.responses = (table / np.sqrt(power.mean())).astype(np.complex64)

    def response(self, state: Any, worker: Any) -> Any:
        realisation, _ = state
        snapshot = tf.cast(realisation, tf.int64) % len(self.responses)
        index = tf.stack([snapshot, tf.cast(worker, tf.int64)])
        band = tf.gather_nd(tf.constant(self.responses), index)  # antenna, subcarrier
        return tf.tile(band, [1, len(self.grid.times)])

    def laws(self) -> list[GainLaw]:
        beam = self.responses.sum(axis=2) / self.settings.antennas**0.5  # snapshot, worker, carrier
        gains = np.square(np.abs(beam))
        return [Empirical(gains[:, worker]) for worker in range(self.workers)]

    def powers(self) -> list[float]:
        return [float(power) for power in self._powers]
