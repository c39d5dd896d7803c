"""Power: a round's energy, its split over the blocks of a message, and its course over rounds."""

from laser_phy.power.allocation import (
    ALLOCATIONS,
    Allocation,
    CompressedNorm,
    Decoding,
    Norm,
    Optimal,
    SquaredNorm,
    Uniform,
    first_pass_shares,
    mean_shares,
)
from laser_phy.power.budget import EnergyBudget, Power
from laser_phy.power.schedule import (
    KINDS,
    AnySchedule,
    Constant,
    Cosine,
    LinearEnergy,
    Schedule,
    Step,
    course,
)

__all__ = [
    "ALLOCATIONS",
    "KINDS",
    "Allocation",
    "AnySchedule",
    "CompressedNorm",
    "Constant",
    "Cosine",
    "Decoding",
    "EnergyBudget",
    "LinearEnergy",
    "Norm",
    "Optimal",
    "Power",
    "Schedule",
    "SquaredNorm",
    "Step",
    "Uniform",
    "course",
    "first_pass_shares",
    "mean_shares",
]
