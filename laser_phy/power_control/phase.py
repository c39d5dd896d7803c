"""Phase correction alone: full power everywhere (Sery, Cohen 2019)."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np

from laser_phy.core.lazy import tf
from laser_phy.power_control.base import PowerControl
from laser_phy.power_control.moments import GainLaw, RuleMoments


class PhaseOnly(PowerControl):
    """b = h* / |h|. The messages add up in phase, each with its own gain |h|.

    Under Rayleigh fading E[h b] = sqrt(pi)/2 and var(h b) = 1 - pi/4. |b| = 1, so no worker exceeds
    its budget in any round (Sery, Cohen, "On analog gradient descent learning over multiple access
    fading channels", 2019).
    """

    name: Literal["phase"] = "phase"
    needs: ClassVar[str] = "phase"

    def statistics(self, law: GainLaw) -> RuleMoments:
        mean = law.expect(np.sqrt)
        return RuleMoments(scale=1.0, gain=mean, sent_fraction=1.0, square=law.mean, power=1.0)

    def precode(self, gain: Any, statistics: RuleMoments) -> Any:
        magnitude = tf.cast(tf.abs(gain), gain.dtype)
        unit = tf.math.divide_no_nan(tf.math.conj(gain), magnitude)
        return tf.where(magnitude == 0, tf.ones_like(gain), unit)
