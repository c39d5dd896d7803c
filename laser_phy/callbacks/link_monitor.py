"""The link's diagnostics, for people and files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np

from laser_phy.callbacks.line_figure import Panel, draw
from laser_phy.callbacks.link_callback import LinkCallback
from laser_phy.callbacks.tensorboard_events import Events
from laser_phy.core import files
from laser_phy.training.metrics import TRACE_ROUNDS

Rows = list[dict[str, float]]
WORKERS_SHOWN = 16
PANELS = (
    Panel("signal over noise (dB)", ("uplink_snr_db",)),
    Panel("NMSE (dB)", ("gradient_nmse_db", "uplink_nmse_db")),
    Panel("energy a round", ("energy_mean_worker", "energy_max_worker")),
    Panel("loss", ("loss", "val_loss")),
    Panel("accuracy", ("accuracy", "val_accuracy")),
)


class LinkMonitor(LinkCallback):
    """Hands the link's numbers on: a row a round, or a row an epoch.

    Rounds are written down inside the training step and read in blocks, so that single rounds are
    seen with any `steps_per_execution` and reading them costs little.

    Args:
        on_rounds: called with new rows (list of dicts: round, loss and the diagnostics; or epoch,
            rounds and all logs); by default they are kept in `rows`.
        every: rounds between two reads, at most 256, which is what the model remembers.
        per: "round" or "epoch".
        csv: file of the rows. A resumed run goes on behind the last round that it remembers.
        tensorboard: folder for TensorBoard: the rows as scalars `round/...` or `epoch/...`; with
            rounds also, at the end of every epoch, histograms `link/...` of its last round: energy
            and message norm of every worker, and the channel gains |h|^2 of the first 16 workers
            over the subcarriers, in dB.

    Raises:
        ValueError: `every` outside 1 to 256, or the model is not `OverTheAir`.
        ImportError: TensorBoard is asked for and not installed.
    """

    def __init__(
        self,
        on_rounds: Callable[[Rows], Any] | None = None,
        every: int = 64,
        per: Literal["round", "epoch"] = "round",
        csv: str | Path | None = None,
        tensorboard: str | Path | None = None,
    ) -> None:
        super().__init__()
        if not 1 <= every <= TRACE_ROUNDS:
            raise ValueError(f"every must be between 1 and {TRACE_ROUNDS} (rounds); got {every}.")
        if per not in ("round", "epoch"):
            raise ValueError(f"per must be 'round' or 'epoch'; got {per!r}.")
        self.rows: Rows = []
        self.per, self._every = per, every
        self._csv = None if csv is None else Path(csv)
        self._events = None if tensorboard is None else Events(Path(tensorboard))
        self._on_rounds = on_rounds
        self._next: int | None = None
        self._batches = 0

    def on_train_begin(self, logs: Any = None) -> None:
        super().on_train_begin(logs)
        steps = self.model.steps_per_execution
        if steps > TRACE_ROUNDS:
            raise ValueError(
                f"steps_per_execution must be <= {TRACE_ROUNDS} (rounds) with LinkMonitor, which "
                f"is what the model remembers; got {steps}."
            )
        self._next = None
        self._batches = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if self._next is not None:
            return
        # Not when training begins: a callback behind this one may go back to a checkpoint then.
        self._next = self.uplink.rounds
        key, first = ("round", self._next) if self.per == "round" else ("epoch", epoch)
        self.rows[:] = [row for row in self.rows if row[key] < first]
        if self._csv is not None:
            self._csv.parent.mkdir(parents=True, exist_ok=True)
            files.keep_rows(self._csv, lambda row: int(row[key]) < first)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        # batch counts rounds, and jumps by steps_per_execution; the counter of the link is not
        # read here, because that alone would cost a small round's time.
        waited = batch + 1 - self._batches
        if waited >= self._every or waited + self.model.steps_per_execution > TRACE_ROUNDS:
            self._batches = batch + 1
            self.flush()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._batches = 0
        self.flush()
        if self.per == "epoch":
            values = {name: float(value) for name, value in (logs or {}).items()}
            self._hand_on([{"epoch": epoch, "rounds": self.uplink.rounds} | values])
        if self._events is not None:
            if self.per == "round":
                self._events.histograms(self._histograms(), self.uplink.rounds - 1)
            self._events.flush()

    def flush(self) -> None:
        """Read and hand on what has come since the last time."""
        rows = self.model.round_trace(self._next or 0) if self.per == "round" else []
        if rows:
            self._next = int(rows[-1]["round"]) + 1
            self._hand_on(rows)

    def _hand_on(self, rows: Rows) -> None:
        (self._on_rounds or self.rows.extend)(rows)
        if self._csv is not None:
            files.append_rows(self._csv, rows)
        if self._events is not None:
            self._events.scalars(rows, self.per)

    def _histograms(self) -> dict[str, np.ndarray]:
        values = {f"link/{name}": value for name, value in self.model.trace.workers().items()}
        if self.uplink.settings.channel.fading:
            seen = self.uplink.snapshot(self.uplink.rounds - 1, workers=WORKERS_SHOWN)
            values["link/gain_db"] = seen["gain_db"]
        return values

    def plot(self, path: str | Path) -> Path:
        """Draw `rows`: SNR, errors, energy, and how well it learns.

        Returns:
            The file, PNG or SVG as its name says.
        """
        return draw(Path(path), self.rows, self.per, PANELS)
