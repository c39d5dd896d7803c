"""Perfect knowledge."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from laser_phy.phy.csi.base import Knowledge


class Perfect(Knowledge):
    """The true channel, at every resource element (not causal where it moves within a round)."""

    name: Literal["perfect"] = "perfect"

    exact: ClassVar[bool] = True

    def view(self, response: Any) -> Any:
        return response
