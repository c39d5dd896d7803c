"""Truncated channel inversion: weak subcarriers stay silent (Zhu, Wang, Huang 2018)."""

from __future__ import annotations

import math
from typing import Any, Literal

from laser_phy.core.lazy import tf
from laser_phy.core.settings import setting
from laser_phy.power_control.base import PowerControl
from laser_phy.power_control.moments import GainLaw, RuleMoments


class TruncatedInversion(PowerControl):
    """b = rho / h where |h|^2 >= g, else 0, with rho^2 E[1/|h|^2; |h|^2 >= g] = 1.

    Under Rayleigh fading rho^2 = 1 / E1(g) and the share e^-g of the elements is sent
    (Zhu, Wang, Huang, "Broadband analog aggregation", 2018).
    """

    name: Literal["truncated_inversion"] = "truncated_inversion"
    threshold: float = setting(0.1, ge=0, le=100, unit="power gain, linear")
    """g, the power gain |h|^2 below which a worker leaves a resource element empty."""

    def problem(self, budget: str, channel: str) -> str | None:
        if self.threshold == 0 and budget == "mean":
            return (
                "threshold must be > 0 (power gain, linear) with power.budget mean, because plain "
                "inversion has no mean power on a fading channel; got 0. Write power.budget: round."
            )
        return None

    def statistics(self, law: GainLaw) -> RuleMoments:
        sent = law.probability(self.threshold)
        if not sent > 0:  # a worker too weak to be heard, among others: it says nothing of rho
            return RuleMoments(scale=math.inf, gain=0.0, sent_fraction=0.0, square=0.0, power=0.0)
        scale = law.mean_inverse(self.threshold) ** -0.5
        return RuleMoments(scale, scale, sent, square=scale**2 * sent, power=1.0)

    def precode(self, gain: Any, statistics: RuleMoments) -> Any:
        strong = tf.square(tf.abs(gain)) >= self.threshold
        inverse = tf.math.reciprocal_no_nan(gain) * tf.cast(statistics.scale, gain.dtype)
        return tf.where(strong, inverse, tf.zeros_like(gain))
