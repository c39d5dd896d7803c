"""Regularised inversion: strong subcarriers are inverted, weak ones given up gradually."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from laser_phy.core.lazy import tf
from laser_phy.core.settings import setting
from laser_phy.power_control import cao
from laser_phy.power_control.base import PowerControl
from laser_phy.power_control.moments import GainLaw, RuleMoments


class Regularized(PowerControl):
    """b = c h* / (|h|^2 + d): between inversion (d = 0) and the matched filter (d large).

    `closed`: one d for all, c^2 E[s / (s + d)^2] = 1. Under Rayleigh fading, with E = e^d E1(d),
    1/c^2 = (1 + d) E - 1, E[h b] = c (1 - d E), E|h b|^2 = c^2 (1 + d - (d^2 + 2 d) E).

    `static` and `mean_power` are the optima of Cao, Zhu, Xu, Huang ("Optimized power control for
    over-the-air computation in fading channels", 2019) with resource elements as their states:
    each element's error of the sum is least under E|b|^2 <= 1 on every element, or on their mean
    over the round. The server works them out from all workers' channels and the noise. They are
    extended to messages that are alike: `correlation` is E[x_k x_l] / E[x^2] of two workers.
    """

    name: Literal["regularized"] = "regularized"
    variant: Literal["closed", "static", "mean_power"] = setting("closed")
    """`closed`: one regulariser; `static`, `mean_power`: the optimum for the round's channels."""
    regularization: float = setting(0.1, gt=0, le=100, unit="power gain, linear")
    """d of the variant `closed`."""
    correlation: float = setting(0.0, ge=0, le=0.99, unit="of the messages of two workers")
    """How alike the workers' messages are, for the variants `static` and `mean_power`."""

    @property
    def plans(self) -> bool:
        return self.variant != "closed"

    def statistics(self, law: GainLaw) -> RuleMoments:
        d = self.regularization
        power = law.expect(lambda s: s / np.square(s + d))
        return RuleMoments(
            scale=power**-0.5,
            gain=power**-0.5 * law.expect(lambda s: s / (s + d)),
            sent_fraction=1.0,
            square=law.expect(lambda s: np.square(s / (s + d))) / power,
            power=1.0,
        )

    def precode(self, gain: Any, statistics: RuleMoments) -> Any:
        divisor = tf.square(tf.abs(gain)) + self.regularization
        return tf.math.conj(gain) * tf.cast(statistics.scale / divisor, gain.dtype)

    def plan(self, gains: Any, noise_ratio: Any) -> Any:
        solve = cao.static if self.variant == "static" else cao.mean_power
        return solve(gains, noise_ratio, self.correlation)
