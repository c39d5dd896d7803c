"""The energy of a round along a schedule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from laser_phy.callbacks.link_callback import LinkScheduler
from laser_phy.power import Power, Schedule, course


class PowerScheduler(LinkScheduler):
    """Moves the energy of a round: `uplink.energy` is P f(t), whose mean over the run is P.

    The rules are those of a scenario's `uplink.power.schedule`. Several rounds in one execution
    share their mean, and a resumed run goes on where it was, as the link counts its rounds.

    Args:
        schedule: `lp.power.Cosine(direction="falling")`, for example; its name ("cosine"); or any
            function of progress, from 0 to 1, which is scaled to the mean P.
        rounds: length of the whole run, over which the mean is P; epochs times steps of `fit`
            unless given.

    Raises:
        ValueError: rounds < 1, or a function that is negative, not finite, or 0 everywhere.
    """

    moves_energy = True

    def __init__(
        self, schedule: Schedule | str | Callable[[float], float], rounds: int | None = None
    ) -> None:
        super().__init__()
        self._schedule: Schedule | Callable[[float], float] = (
            Power.from_config({"schedule": schedule}).schedule
            if isinstance(schedule, str)
            else schedule
        )
        self.rounds = rounds
        self._until = np.zeros(1)
        if rounds is not None:
            self._plan(rounds)

    def _plan(self, rounds: int) -> None:
        self.rounds = rounds
        self._until = np.concatenate([[0.0], np.cumsum(course(self._schedule, rounds))])

    def on_train_begin(self, logs: Any = None) -> None:
        super().on_train_begin(logs)
        if self.rounds is None:
            if not self.params.get("steps"):
                raise ValueError(
                    "rounds is missing: this data does not say how many batches an epoch has. "
                    "Write PowerScheduler(..., rounds=epochs * batches)."
                )
            self._plan(self.params["epochs"] * self.params["steps"])

    def move(self, first: int, last: int) -> None:
        last = min(last, len(self._until) - 1)
        mean = (self._until[last] - self._until[first]) / (last - first) if last > first else 1.0
        self.uplink.energy.assign(self.uplink.energy_budget * mean)
