"""Power control: each worker's complex factor b on every subcarrier, from what it knows.

A new rule is one file with a `PowerControl` class, and its name in `KINDS` below.
"""

from laser_phy.power_control.base import PowerControl, Statistics
from laser_phy.power_control.inversion import Inversion
from laser_phy.power_control.none import NoControl
from laser_phy.power_control.truncated_inversion import TruncatedInversion
from laser_phy.settings import one_of

KINDS = (NoControl, Inversion, TruncatedInversion)
AnyPowerControl = one_of(*KINDS)

__all__ = [
    "KINDS",
    "AnyPowerControl",
    "Inversion",
    "NoControl",
    "PowerControl",
    "Statistics",
    "TruncatedInversion",
]
