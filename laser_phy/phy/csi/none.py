"""No knowledge."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from laser_phy.phy.csi.base import Knowledge


class NoCsi(Knowledge):
    """Nothing is known of the channel."""

    name: Literal["none"] = "none"
    of_phase: ClassVar[bool] = False
    of_gain: ClassVar[bool] = False
    of_mean: ClassVar[bool] = False

    def view(self, response: Any) -> Any:
        return None
