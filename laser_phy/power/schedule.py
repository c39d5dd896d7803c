"""Energy over the rounds of a run: P_t = P f(t), of mean exactly P over the run.

P_t runs between P/3 and 5P/3 as in the LASER paper (Makkuva et al., ICML 2024). A new kind is one
class with a `_falling`, and its name in `KINDS`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal

import numpy as np

from laser_phy.core.errors import at_least
from laser_phy.core.kinds import Family, Kind
from laser_phy.core.settings import setting

HIGHEST, LOWEST = 5 / 3, 1 / 3


class Schedule(Kind):
    """Settings of a course of the energy. A kind writes `factors`.

    Attributes:
        moves: the energy is not the same in all rounds.
    """

    moves: ClassVar[bool] = True

    def factors(self, rounds: int) -> np.ndarray:
        """f(t) = P_t / P for t = 0 to `rounds` - 1, of mean 1.

        Raises:
            ValueError: rounds < 1.
        """
        at_least("rounds", rounds, unit="length of the run")
        return np.ones(rounds)

    def mean_factor(self, first: int, last: int, rounds: int) -> float:
        """Mean of f over the rounds `first` to `last` - 1; 1 from the end of the run on.

        Who changes the energy every tenth round alone gives these ten rounds their mean, and the
        mean over the run is P all the same.
        """
        part = self.factors(rounds)[first:last]
        return float(part.mean()) if len(part) else 1.0


class Constant(Schedule):
    """P_t = P."""

    name: Literal["constant"] = "constant"
    moves: ClassVar[bool] = False


class _Moving(Schedule):
    direction: Literal["falling", "rising"] = setting("falling")
    """From 5P/3 down to P/3, or up."""

    def _falling(self, position: np.ndarray) -> np.ndarray:
        """f at `position` in [-1, 1], odd around it: f(-x) - 1 = 1 - f(x)."""
        raise NotImplementedError

    def factors(self, rounds: int) -> np.ndarray:
        super().factors(rounds)
        # Symmetric around the middle of the run, so that the mean is 1 for every length.
        position = np.linspace(-1.0, 1.0, rounds) if rounds > 1 else np.zeros(1)
        falling = self._falling((position - position[::-1]) / 2)
        return falling if self.direction == "falling" else falling[::-1]


class LinearEnergy(_Moving):
    """P_t = P (1 -+ 2/3 x), x from -1 in the first round to 1 in the last."""

    name: Literal["linear"] = "linear"

    def _falling(self, position: np.ndarray) -> np.ndarray:
        return 1 - (HIGHEST - LOWEST) / 2 * position


class Step(_Moving):
    """5P/3 in one half of the run and P/3 in the other; P in the middle round of an odd number."""

    name: Literal["step"] = "step"

    def _falling(self, position: np.ndarray) -> np.ndarray:
        return 1 - (HIGHEST - LOWEST) / 2 * np.sign(position)


class Cosine(_Moving):
    """P_t = P (1 -+ 2/3 sin(pi x / 2)): half a cosine from end to end, steepest in the middle."""

    name: Literal["cosine"] = "cosine"

    def _falling(self, position: np.ndarray) -> np.ndarray:
        return 1 - (HIGHEST - LOWEST) / 2 * np.sin(np.pi / 2 * position)


KINDS = Family("power.schedule", Schedule, Constant, LinearEnergy, Step, Cosine)
AnySchedule: Any = KINDS.field


def course(schedule: Schedule | Callable[[float], float], rounds: int) -> np.ndarray:
    """f(t) = P_t / P of `rounds` rounds, of mean 1.

    Args:
        schedule: settings, or any function of progress, which is asked in the middle of each round,
            at (t + 1/2) / rounds, and scaled to mean 1.
        rounds: length of the run.

    Raises:
        ValueError: rounds < 1, or a function that is negative, not finite, or 0 everywhere.
    """
    if isinstance(schedule, Schedule):
        return schedule.factors(rounds)
    Constant().factors(rounds)  # refuses what is no length
    progress = (np.arange(rounds) + 0.5) / rounds
    values = np.array([float(schedule(t)) for t in progress])
    wrong = ~(np.isfinite(values) & (values >= 0))
    if wrong.any():
        raise ValueError(
            "schedule must be >= 0 and finite (energy) at every progress from 0 to 1; got "
            f"{values[wrong][0]:g} at {progress[wrong][0]:.3g}."
        )
    if not values.any():
        raise ValueError("schedule must be > 0 (energy) somewhere; got 0 at every progress.")
    return values / values.mean()
