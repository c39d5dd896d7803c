"""Estimates that have aged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from laser_phy.core.settings import setting
from laser_phy.phy.csi.estimated import Estimated


class Outdated(Estimated):
    """An estimate of the channel as it was `age_s` before it is used.

    The correlation of a channel with itself falls as J0(2 pi f_d age_s) (Jakes), f_d = v f_c / c.
    Where the channel moves within a round its own motion ages the estimate, to the nearest OFDM
    symbol. Channels that are constant within a round have no Doppler of their own, it is given:
    h_old = J0 h + sqrt(1 - J0^2) e, e drawn from the same law.
    """

    name: Literal["outdated"] = "outdated"  # type: ignore[assignment]
    ages: ClassVar[bool] = True
    age_s: float = setting(1e-3, ge=0, le=1, unit="s")
    """Time from the estimate to its use."""
    doppler_hz: float | None = setting(None, ge=0, le=1e6, unit="Hz")
    """Largest Doppler shift f_d, of a channel that does not move within a round."""

    @property
    def age(self) -> float:
        return self.age_s

    def problem(self, side: str, pilot_symbols: Sequence[int], channel: Any) -> str | None:
        if problem := super().problem(side, pilot_symbols, channel):
            return problem
        if not channel.moves and self.doppler_hz is None:
            return (
                f"{side} outdated needs doppler_hz (Hz) on channel {channel.name!r}, which does "
                "not move by itself; got none. Write doppler_hz: 10, say, or take channel tdl, "
                "whose speed_mps says it."
            )
        if channel.moves and self.doppler_hz is not None:
            return (
                f"{side} outdated has doppler_hz {self.doppler_hz:g} (Hz), but channel "
                f"{channel.name!r} has a Doppler of its own. Remove it: speed_mps says it."
            )
        return None
