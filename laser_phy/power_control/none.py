"""No power control: symbols are sent as they are."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from laser_phy.core.lazy import tf
from laser_phy.power_control.base import PowerControl
from laser_phy.power_control.moments import GainLaw, RuleMoments


class NoControl(PowerControl):
    """b = 1. The messages add up with the workers' random phases."""

    name: Literal["none"] = "none"
    needs: ClassVar[str] = "nothing"
    aligns: ClassVar[bool] = False

    def statistics(self, law: GainLaw) -> RuleMoments:
        return RuleMoments(scale=1.0, gain=1.0, sent_fraction=1.0, square=law.mean, power=1.0)

    def precode(self, gain: Any, statistics: RuleMoments) -> Any:
        return tf.ones_like(gain)
