"""Power: a round's energy, its split over the blocks of a message, and its course over rounds."""

from laser_phy.power.allocation import ALLOCATIONS, first_pass_shares, mean_shares
from laser_phy.power.budget import Energy, Power
from laser_phy.power.schedule import (
    KINDS,
    AnySchedule,
    Constant,
    Cosine,
    Linear,
    Schedule,
    Step,
    course,
)

__all__ = [
    "ALLOCATIONS",
    "KINDS",
    "AnySchedule",
    "Constant",
    "Cosine",
    "Energy",
    "Linear",
    "Power",
    "Schedule",
    "Step",
    "course",
    "first_pass_shares",
    "mean_shares",
]
