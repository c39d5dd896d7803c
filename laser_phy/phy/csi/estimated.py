"""Estimates from pilots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from laser_phy.core.settings import setting
from laser_phy.phy.csi.base import Knowledge


class Estimated(Knowledge):
    """y = h p + n at the pilots, h_ls = y / p, interpolated over the slot by Sionna's estimators.

    With pilots s dB above the noise the error of h_ls has the variance 10^(-s/10) at a pilot;
    `lmmse` multiplies by b / (b + that), b the variance of what is estimated, which leaves
    b s2 / (b + s2). Transmitters scale their estimate to the power of their channel, so that rules
    keep their budget: h = rho h^ + sqrt(1 - rho^2) e with rho^2 = b / (b + s2).

    Pilots take the slot's pilot symbols, in which every side has its own: the server sends one in
    the downlink, behind the common beam, from which every worker learns its channel; for a receiver
    that knows each worker the K workers share the subcarriers of an uplink pilot symbol; the sum
    channel takes one pilot that all send at once. Uplink pilots are precoded as data is. None are
    sent for a side that has no use for them, as for a receiver that adds up what is aligned.

    With `domain: time` a pilot shows the gain in the middle of its FFT window: interference with
    it, and its echo in the data behind it, are left out.
    """

    name: Literal["estimated"] = "estimated"
    pilot_snr_db: float = setting(20.0, ge=-60, le=120, unit="dB")
    """Energy of a pilot over the noise `no` of a resource element, for a channel of gain 1."""
    estimator: Literal["ls", "lmmse"] = setting("ls")
    """Least squares, or shrunk by what noise and variance say."""
    interpolation: Literal["linear", "nearest"] = setting("linear")
    """Between pilots, over subcarriers and over the OFDM symbols of a slot."""

    pilots: ClassVar[bool] = True

    @property
    def error(self) -> float:
        """Variance of the least-squares error at a pilot, for a channel of gain 1."""
        return float(10 ** (-self.pilot_snr_db / 10))

    def view(self, response: Any) -> Any:
        raise NotImplementedError(f"{self.name} comes from pilots: see laser_phy.phy.pilots.")

    def problem(self, side: str, pilot_symbols: Sequence[int], channel: Any) -> str | None:
        if pilot_symbols:
            return None
        return (
            f"{side} {self.name} needs pilots; got ofdm.pilot_symbols []. Write "
            "ofdm.pilot_symbols: [2, 11], the OFDM symbols of a slot that carry them."
        )
