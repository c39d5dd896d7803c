"""Which workers send in a round."""

from __future__ import annotations

from typing import Any, Literal

from laser_phy.core.kinds import Family, Kind
from laser_phy.core.settings import setting


class Participation(Kind):
    """Settings of who takes part."""


class AllWorkers(Participation):
    """Every worker sends in every round."""

    name: Literal["all"] = "all"


class Threshold(Participation):
    """A worker sits out where its mean power gain over the round is below a threshold.

    It measures its channel itself. The server's mean is over those that sent; one that sits out
    keeps gradient and memory in its memory, as far as the compressor has one.
    """

    name: Literal["threshold"] = "threshold"
    minimum_gain: float = setting(0.1, ge=0, le=100, unit="power gain, linear")
    """Mean |h|^2 over antennas and elements below which a worker does not send."""


class Fraction(Participation):
    """A random part of the workers sends, others every round.

    The server's mean is over those that sent; one that sits out keeps gradient and memory.
    """

    name: Literal["fraction"] = "fraction"
    fraction: float = setting(0.5, gt=0, le=1, unit="of the workers")
    """Part of the workers that sends; at least one does."""


KINDS = Family("participation", Participation, AllWorkers, Threshold, Fraction)
AnyParticipation: Any = KINDS.field
