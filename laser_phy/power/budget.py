"""Transmit energy of a round: how much, how it is split, and how it moves over the rounds."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from laser_phy.core.constants import NOISE_VARIANCE
from laser_phy.core.settings import Settings, setting
from laser_phy.power.allocation import AnyAllocation, CompressedNorm
from laser_phy.power.schedule import AnySchedule, Constant


class EnergyBudget(Settings):
    """Transmit energy of a round, as such or as a ratio to the noise."""

    energy_per_round: float | None = setting(
        None, gt=0, le=1e30, unit="energy a sender and round, noise 1 per real"
    )
    """The paper's P: a sender's sum of |symbol|^2 over a round. 100 if neither it nor snr_db."""
    snr_db: float | None = setting(None, ge=-200, le=200, unit="dB")
    """Energy per data symbol over the noise `no` = 2 of a resource element."""

    @model_validator(mode="after")
    def _one_budget(self) -> Self:
        if self.energy_per_round is not None and self.snr_db is not None:
            raise ValueError(
                "power must have either energy_per_round or snr_db, not both; got "
                f"energy_per_round={self.energy_per_round:g} and snr_db={self.snr_db:g}. "
                "Remove one: the other is reported."
            )
        return self

    def energy(self, symbols: float) -> float:
        """Energy budget P of a round of `symbols` data symbols (the mean over kinds of round)."""
        if self.snr_db is not None:
            return float(10 ** (self.snr_db / 10) * NOISE_VARIANCE * symbols)
        return 100.0 if self.energy_per_round is None else self.energy_per_round


class Power(EnergyBudget):
    """Transmit energy of a worker in a round, and how it is split over the blocks."""

    allocation: AnyAllocation = setting(CompressedNorm())
    """Shares of the blocks: equal, by the norm of gradient plus memory or of what is sent, or the
    shares of least decoded error for the compressor and the receiver."""
    budget: Literal["mean", "round"] = "mean"
    """`round`: no worker exceeds the budget in any round. `mean`: E|b|^2 = 1 for every worker."""

    schedule: AnySchedule = setting(Constant())
    """How the energy moves over the rounds of a run; its mean is the budget."""
