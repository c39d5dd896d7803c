"""A limit to what training may cost."""

from __future__ import annotations

import math
from typing import Any

from laser_phy.callbacks.link_callback import LinkCallback

UNITS = {
    "energy": "noise 1 a real",
    "energy_total": "noise 1 a real",
    "air_time_s": "s",
    "control_bytes": "bytes",
}


class RoundBudget(LinkCallback):
    """Stops training after so much energy, air time, or bytes of the control channel.

    The link counts what its rounds have cost since the first, in variables that checkpoints hold:
    a resumed run goes on counting, and one that has nothing left does not start another round.
    Training stops behind the round (or execution) that reaches the limit, which it says.

    Args:
        energy: that all workers spend on data, in the unit of `energy_per_round`.
        energy_total: the same with pilots, which the budget of a round leaves out.
        air_time_s: of uplink and broadcasts, in seconds.
        control_bytes: on the error-free control channel, up and down.

    Attributes:
        stopped: the sentence that was said, None while there is something left.

    Raises:
        ValueError: no limit, or one that is not positive.
    """

    def __init__(
        self,
        energy: float | None = None,
        energy_total: float | None = None,
        air_time_s: float | None = None,
        control_bytes: float | None = None,
    ) -> None:
        super().__init__()
        limits = (energy, energy_total, air_time_s, control_bytes)
        self.limits = {
            n: limit for n, limit in zip(UNITS, limits, strict=True) if limit is not None
        }
        if not self.limits:
            raise ValueError(f"one of {', '.join(UNITS)} must be given; got none.")
        for name, limit in self.limits.items():
            if not (limit > 0 and math.isfinite(limit)):
                raise ValueError(f"{name} must be > 0 ({UNITS[name]}); got {limit}.")
        self.stopped: str | None = None

    def on_train_begin(self, logs: Any = None) -> None:
        super().on_train_begin(logs)
        self.stopped = None
        # Stopping here would come after one more round: Keras looks behind rounds only. It starts
        # at this epoch, which is how its own BackupAndRestore goes on.
        self._initial_epoch = self.model._initial_epoch
        if self._look():
            self.model._initial_epoch = self.params["epochs"]

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if self._look():
            self.model.stop_training = True

    def on_train_end(self, logs: Any = None) -> None:
        self.model._initial_epoch = self._initial_epoch

    def _look(self) -> bool:
        """True when a limit is reached; said once."""
        totals = self.model.trace.totals()
        for name, limit in self.limits.items():
            if totals[name] >= limit and self.stopped is None:
                self.stopped = (
                    f"RoundBudget: stopped after {self.uplink.rounds} rounds, which took "
                    f"{name} {totals[name]:g} of {limit:g} ({UNITS[name]})."
                )
                print(self.stopped)
        return self.stopped is not None
