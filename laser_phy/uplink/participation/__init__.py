"""Which workers send in a round.

A new kind is one file with a `Participation` class, and its name in `KINDS` below.
"""

from typing import Any

from laser_phy.core.kinds import Family
from laser_phy.uplink.participation.base import Participation
from laser_phy.uplink.participation.everybody import AllWorkers
from laser_phy.uplink.participation.fraction import Fraction
from laser_phy.uplink.participation.threshold import Threshold

KINDS = Family("participation", Participation, AllWorkers, Threshold, Fraction)
AnyParticipation: Any = KINDS.field

__all__ = ["KINDS", "AllWorkers", "AnyParticipation", "Fraction", "Participation", "Threshold"]
