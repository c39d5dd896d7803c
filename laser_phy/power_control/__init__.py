"""Power control: each worker's complex factor b on every subcarrier, from what it knows.

A new rule is one file with a `PowerControl` class, and its name in `KINDS` below.
"""

from typing import Any

from laser_phy.core.kinds import Family
from laser_phy.power_control.base import FunctionRule, PowerControl, precoding_for
from laser_phy.power_control.inversion import Inversion
from laser_phy.power_control.joint import Joint
from laser_phy.power_control.moments import GainLaw, RuleMoments, common_moments
from laser_phy.power_control.none import NoControl
from laser_phy.power_control.path_loss import PathLoss
from laser_phy.power_control.phase import PhaseOnly
from laser_phy.power_control.regularized import Regularized
from laser_phy.power_control.truncated_inversion import TruncatedInversion

KINDS = Family(
    "power_control", PowerControl,
    NoControl, Inversion, TruncatedInversion, Regularized, PhaseOnly, PathLoss, Joint,
    of_function=FunctionRule,
)  # fmt: skip
AnyPowerControl: Any = KINDS.field

__all__ = [
    "KINDS",
    "AnyPowerControl",
    "GainLaw",
    "Inversion",
    "Joint",
    "NoControl",
    "PathLoss",
    "PhaseOnly",
    "PowerControl",
    "Regularized",
    "RuleMoments",
    "TruncatedInversion",
    "common_moments",
    "precoding_for",
]
