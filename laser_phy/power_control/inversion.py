"""Channel inversion: every worker arrives with the same gain on every subcarrier."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

from laser_phy.core.lazy import tf
from laser_phy.power_control.base import PowerControl
from laser_phy.power_control.moments import GainLaw, RuleMoments


class Inversion(PowerControl):
    """b = rho / h. E|b|^2 is infinite under Rayleigh fading, so it needs `power.budget: round`."""

    name: Literal["inversion"] = "inversion"
    has_mean: ClassVar[bool] = False

    def statistics(self, law: GainLaw) -> RuleMoments:
        mean = law.mean_inverse(0.0)
        scale = mean**-0.5 if math.isfinite(mean) else 1.0
        return RuleMoments(
            scale=scale, gain=scale, sent_fraction=1.0, square=scale**2, power=scale**2 * mean
        )

    def precode(self, gain: Any, statistics: RuleMoments) -> Any:
        return tf.math.reciprocal_no_nan(gain) * tf.cast(statistics.scale, gain.dtype)
