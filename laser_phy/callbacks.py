"""Keras callbacks of the link. They observe or schedule; they compute no physics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from laser_phy.link_metrics import TRACE_ROUNDS
from laser_phy.power import Schedule


class LinkMonitor(keras.callbacks.Callback):
    """Hands every round's numbers on: diagnostics and loss, a row a round.

    Args:
        on_rounds: called with new rows (list of dicts: round, loss and the diagnostics); by
            default they are kept in `rows`.
        every: rounds between two reads, at most 256, which is what the model remembers.

    Raises:
        ValueError: `every` outside 1 to 256, or the model is not `OverTheAir`.
    """

    def __init__(
        self, on_rounds: Callable[[list[dict[str, float]]], Any] | None = None, every: int = 64
    ) -> None:
        super().__init__()
        if not 1 <= every <= TRACE_ROUNDS:
            raise ValueError(f"every must be between 1 and {TRACE_ROUNDS} (rounds); got {every}.")
        self.rows: list[dict[str, float]] = []
        self._on_rounds = on_rounds or self.rows.extend
        self._every = every
        self._next = 0
        self._batches = 0

    def on_train_begin(self, logs: Any = None) -> None:
        if not hasattr(self.model, "round_trace"):
            raise ValueError(
                f"LinkMonitor needs a model wrapped in OverTheAir; got {type(self.model).__name__}."
            )
        self._next = int(self.model.uplink.round)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        # batch counts rounds, and jumps by steps_per_execution; the counter of the link is not
        # read here, because that alone would cost a small round's time.
        if batch + 1 - self._batches >= self._every:
            self._batches = batch + 1
            self.flush()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._batches = 0
        self.flush()

    def flush(self) -> None:
        """Read and hand on what has come since the last time."""
        rows = self.model.round_trace(self._next)
        if rows:
            self._next = int(rows[-1]["round"]) + 1
            self._on_rounds(rows)


class PowerScheduler(keras.callbacks.Callback):
    """Moves the energy of a round along a schedule: `uplink.energy` is P f(t), of mean P.

    Several rounds in one execution share their mean, and a resumed run goes on where it was.

    Args:
        schedule: `lp.power.Linear(direction="falling")`, for example.
        rounds: length of the whole run, over which the mean is P.

    Raises:
        ValueError: rounds < 1.
    """

    def __init__(self, schedule: Schedule, rounds: int) -> None:
        super().__init__()
        self.rounds = rounds
        self._until = np.concatenate([[0.0], np.cumsum(schedule.factors(rounds))])
        self._next = 0

    def on_train_begin(self, logs: Any = None) -> None:
        self._next = int(self.model.uplink.round)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        # Counted here: reading the link's counter would cost a small round's time.
        first, self._next = self._next, self._next + self.model.steps_per_execution
        last = min(self._next, self.rounds)
        mean = (self._until[last] - self._until[first]) / (last - first) if last > first else 1.0
        self.model.uplink.energy.assign(self.model.uplink.energy_budget * mean)
