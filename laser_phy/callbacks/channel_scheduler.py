"""SNR, speed and the age of CSI over a run."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

from laser_phy.callbacks.link_callback import LinkScheduler

Course = Callable[[int], float] | Sequence[float]
"""A function of the epoch (or round), or its values from the first on, of which the last stays."""


class ChannelScheduler(LinkScheduler):
    """Moves what the channel is like: workers that drive away are slower heard and faster aged.

    All workers share what is moved. Each value is a variable of the link, so that nothing is
    retraced and checkpoints hold it.

    Args:
        snr_db: transmit energy per data symbol over the noise `no`, as `uplink.power.snr_db`; it
            sets the energy of a round, as a path loss does that the transmitters do not make up
            for. Pilots have an SNR of their own, and keep it.
        speed_mps: of the workers, on a channel that moves.
        csi_age_s: of CSI that is `outdated`, on both sides where both are. On a channel that moves
            at most the age the link was built with.
        per: what the courses are functions of, counted from 0. With "round", the rounds of one
            execution share the value of the first.

    Raises:
        ValueError: nothing to move, a value out of its bounds, or a link that has no such thing.
    """

    def __init__(
        self,
        snr_db: Course | None = None,
        speed_mps: Course | None = None,
        csi_age_s: Course | None = None,
        per: Literal["epoch", "round"] = "epoch",
    ) -> None:
        super().__init__()
        if per not in ("epoch", "round"):
            raise ValueError(f"per must be 'epoch' or 'round'; got {per!r}.")
        courses = {"snr_db": snr_db, "speed_mps": speed_mps, "csi_age_s": csi_age_s}
        self.courses = {name: course for name, course in courses.items() if course is not None}
        for name, course in self.courses.items():
            if not callable(course) and not len(course):
                raise ValueError(f"{name} must have at least one value; got none.")
        if not self.courses:
            raise ValueError("one of snr_db, speed_mps and csi_age_s must be given; got none.")
        self.per = per
        self.moves_energy = snr_db is not None

    def on_train_begin(self, logs: Any = None) -> None:
        super().on_train_begin(logs)
        settings = self.uplink.settings
        if "speed_mps" in self.courses and not settings.channel.moves:
            raise ValueError(
                f"speed_mps needs a channel that moves; got channel {settings.channel.name!r}. "
                "Take tdl, cdl, umi, uma, site or cir."
            )
        if "csi_age_s" in self.courses and not self.uplink.csi_age_s:
            raise ValueError(
                "csi_age_s needs CSI that is outdated; got csi.transmitter "
                f"{settings.csi.transmitter.name} and csi.receiver {settings.csi.receiver.name}. "
                "Write for example csi={'transmitter': {'name': 'outdated', 'age_s': 2e-3}}."
            )

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        super().on_epoch_begin(epoch, logs)
        if self.per == "epoch":
            self._set(epoch)

    def move(self, first: int, last: int) -> None:
        if self.per == "round":
            self._set(first)

    def _set(self, index: int) -> None:
        for name, course in self.courses.items():
            value = course(index) if callable(course) else course[min(index, len(course) - 1)]
            if not math.isfinite(value):
                raise ValueError(f"{name} must be finite; got {value} in {self.per} {index}.")
            getattr(self, f"_set_{name}")(float(value), f"in {self.per} {index}")

    def _set_snr_db(self, value: float, when: str) -> None:
        power = self.uplink.settings.power
        power = type(power)(snr_db=value, allocation=power.allocation)
        self.uplink.energy.assign(power.energy(self.uplink.symbols_per_round))

    def _set_speed_mps(self, value: float, when: str) -> None:
        if value < 0:
            raise ValueError(f"speed_mps must be >= 0 (m/s); got {value:g} {when}.")
        self.uplink.speed_mps.assign(value)

    def _set_csi_age_s(self, value: float, when: str) -> None:
        settings = self.uplink.settings
        for side, age_s in self.uplink.csi_age_s.items():
            longest = getattr(settings.csi, side).age_s if settings.channel.moves else math.inf
            if not 0 <= value <= longest * (1 + 1e-6):
                raise ValueError(
                    f"csi_age_s must be between 0 and {longest:g} (s), the age_s of csi.{side} "
                    f"that the link is built for; got {value:g} {when}. Build it with the longest."
                )
            age_s.assign(value)
