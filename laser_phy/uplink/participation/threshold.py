"""Those that hear themselves well send."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from laser_phy.core.settings import setting
from laser_phy.uplink.participation.base import Participation


class Threshold(Participation):
    """A worker sits out where its mean power gain over the round is below a threshold.

    It measures its channel itself. The server's mean is over those that sent; one that sits out
    keeps gradient and memory in its memory, as far as the compressor has one.
    """

    name: Literal["threshold"] = "threshold"
    minimum_gain: float = setting(0.1, ge=0, le=100, unit="power gain, linear")
    """Mean |h|^2 over antennas and elements below which a worker does not send."""

    measures: ClassVar[bool] = True

    def sends(self, workers: int, round_: Any, seed: Any, mean_gains: Any) -> Any:
        return mean_gains >= self.minimum_gain
