"""The interface of a power control rule."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple, Protocol

from laser_phy.settings import Settings


class GainLaw(Protocol):
    """Distribution of a worker's power gain s = |h|^2 on a resource element."""

    def mean_inverse(self, threshold: float) -> float:
        """E[1/s; s >= threshold]."""

    def probability(self, threshold: float) -> float:
        """P(s >= threshold)."""


class Statistics(NamedTuple):
    """What sender and receiver know beforehand of a rule on a channel.

    Attributes:
        scale: rho, the factor that makes E|b|^2 = 1 (1 where the rule has no mean).
        gain: E[h b] of an element that is sent: what the receiver divides by.
        share: probability that an element is sent.
    """

    scale: float
    gain: float
    share: float


class PowerControl(Settings):
    """Settings of a rule b(h).

    Attributes:
        needs_csi: the rule uses the transmitter's channel.
        aligns: h b is real and positive, so that the sum in the air is the sum of the messages.
        has_mean: E|b|^2 is finite under Rayleigh fading.
    """

    name: str
    needs_csi: ClassVar[bool] = True
    aligns: ClassVar[bool] = True
    has_mean: ClassVar[bool] = True

    def statistics(self, law: GainLaw) -> Statistics:
        """Normaliser, mean gain and share of elements sent, for gains of this law."""
        raise NotImplementedError

    def precode(self, gain: Any, statistics: Statistics) -> Any:
        """b [symbol] complex64 for the channel `gain` [symbol] that the worker knows."""
        raise NotImplementedError
