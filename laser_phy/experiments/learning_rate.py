"""Settings of the learning rate's course over the rounds, `task.optimizer.schedule`.

A new kind is one class with a `build`, and its name in `KINDS`.
"""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import model_validator

from laser_phy.core.kinds import Family, Kind
from laser_phy.core.settings import setting


class Schedule(Kind):
    """What every course of the learning rate has."""

    def build(self, learning_rate: float, rounds: int, rounds_per_epoch: int) -> Any:
        """What a Keras optimizer takes for its learning rate.

        Args:
            learning_rate: the optimizer's own; the highest of the run.
            rounds: length of the whole run.
            rounds_per_epoch: what an epoch is, in rounds.
        """
        raise NotImplementedError


class Constant(Schedule):
    """The same learning rate in every round."""

    name: Literal["constant"] = "constant"

    def build(self, learning_rate: float, rounds: int, rounds_per_epoch: int) -> Any:
        return learning_rate


class OneCycle(Schedule):
    """Up along half a cosine, then down along another: peak/start_ratio, peak, peak/final_ratio."""

    name: Literal["one_cycle"] = "one_cycle"
    warm_up: float = setting(0.02, ge=0, lt=1, unit="share of the rounds")
    """Share of the run in which the rate rises."""
    start_ratio: float = setting(100.0, ge=1, le=1e9, unit="peak / first rate")
    """How far below its peak the rate begins."""
    final_ratio: float = setting(5.0, ge=1, le=1e9, unit="peak / last rate")
    """How far below its peak the rate ends."""

    def build(self, learning_rate: float, rounds: int, rounds_per_epoch: int) -> Any:
        from laser_phy.training.optimizers import OneCycleCosine

        return OneCycleCosine(
            learning_rate, rounds, self.warm_up, self.start_ratio, self.final_ratio
        )


class Step(Schedule):
    """Multiplied by a factor at the beginning of some epochs."""

    name: Literal["step"] = "step"
    epochs: tuple[int, ...] = setting((150,), min_length=1, unit="epochs")
    """Epochs that pass before each change."""
    factor: float = setting(0.1, gt=0, le=1, unit="new rate / old rate")
    """What the rate is multiplied by at each change."""

    @model_validator(mode="after")
    def _ascend(self) -> Self:
        if list(self.epochs) != sorted(set(self.epochs)) or self.epochs[0] < 1:
            raise ValueError(
                f"epochs must be >= 1 and ascend (epochs); got {list(self.epochs)}. "
                "Write for example epochs: [100, 150]."
            )
        return self

    def build(self, learning_rate: float, rounds: int, rounds_per_epoch: int) -> Any:
        import keras

        # Keras keeps the old rate up to and at a boundary.
        boundaries = [epoch * rounds_per_epoch - 1 for epoch in self.epochs]
        rates = [learning_rate * self.factor**i for i in range(len(boundaries) + 1)]
        return keras.optimizers.schedules.PiecewiseConstantDecay(boundaries, rates)


KINDS = Family("learning_rate", Schedule, Constant, OneCycle, Step)
AnySchedule: Any = KINDS.field
