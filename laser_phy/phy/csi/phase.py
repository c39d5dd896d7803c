"""Knowledge of the phase."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from laser_phy.core.lazy import tf
from laser_phy.phy.csi.base import Knowledge


class Phase(Knowledge):
    """The phase of every element, h / |h|, and not its gain; for transmitters."""

    name: Literal["phase"] = "phase"
    of_gain: ClassVar[bool] = False
    of_mean: ClassVar[bool] = False

    def view(self, response: Any) -> Any:
        magnitude = tf.cast(tf.abs(response), response.dtype)
        return tf.math.divide_no_nan(response, magnitude)
