"""Path-loss compensation: all workers arrive with the same mean power."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

from laser_phy.core.lazy import tf
from laser_phy.power_control.base import PowerControl
from laser_phy.power_control.moments import GainLaw, RuleMoments


class PathLoss(PowerControl):
    """b_k = sqrt(min_l s_l / s_k), s_k = E|h_k|^2: as the open loop of a cellular uplink.

    For receivers that know nothing of single workers, `blind` and `energy`: with `none` they weigh
    a worker by its mean gain, mean_k s_k x_k / mean_k s_k, and a worker in the shadow is not heard.
    With this rule they are unbiased, at the price of the weakest worker's power. Nothing changes
    where all mean gains are equal. Only the gain's mean is known and corrected, not its phase.
    """

    name: Literal["path_loss"] = "path_loss"
    needs: ClassVar[str] = "statistics"
    aligns: ClassVar[bool] = False

    def statistics(self, law: GainLaw) -> RuleMoments:
        return RuleMoments(
            scale=math.sqrt(law.mean), gain=1.0, sent_fraction=1.0, square=law.mean, power=1.0
        )

    def precode(self, gain: Any, statistics: RuleMoments) -> Any:
        return tf.cast(statistics.scale, gain.dtype) / gain
