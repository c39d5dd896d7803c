"""Knowledge of means and variances."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from laser_phy.phy.csi.base import Knowledge


class Statistical(Knowledge):
    """Means and variances of the gains only: of this round's channel itself, nothing.

    It is what normalisers, a receiver of least error (`debias: mmse`) and the rule `path_loss` are
    made from.
    """

    name: Literal["statistical"] = "statistical"
    of_phase: ClassVar[bool] = False
    of_gain: ClassVar[bool] = False

    def view(self, response: Any) -> Any:
        return None
