"""A random part of the workers sends."""

from __future__ import annotations

from typing import Any, Literal

from laser_phy.core.lazy import tf
from laser_phy.core.settings import setting
from laser_phy.uplink.participation.base import Participation


class Fraction(Participation):
    """A random part of the workers sends, others every round.

    The server's mean is over those that sent; one that sits out keeps gradient and memory.
    """

    name: Literal["fraction"] = "fraction"
    fraction: float = setting(0.5, gt=0, le=1, unit="of the workers")
    """Part of the workers that sends; at least one does."""

    def sends(self, workers: int, round_: Any, seed: Any, mean_gains: Any) -> Any:
        drawn = tf.random.stateless_uniform([workers], seed)
        below = tf.cast(drawn[tf.newaxis, :] < drawn[:, tf.newaxis], tf.int32)  # worker, other
        return tf.reduce_sum(below, axis=1) < max(1, round(self.fraction * workers))
