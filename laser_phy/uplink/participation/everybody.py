"""All workers send."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from laser_phy.core.lazy import tf
from laser_phy.uplink.participation.base import Participation


class AllWorkers(Participation):
    """Every worker sends in every round."""

    name: Literal["all"] = "all"
    everybody: ClassVar[bool] = True

    def sends(self, workers: int, round_: Any, seed: Any, mean_gains: Any) -> Any:
        return tf.ones([workers], tf.bool)
