"""Receivers: from the received symbols to the estimate of the workers' mean.

A new kind is one file with a `Receiver` class, and its name in `KINDS` below.
"""

from typing import Any

from laser_phy.core.settings import one_of
from laser_phy.receivers.base import Link, Observed, Receiver
from laser_phy.receivers.blind import Blind
from laser_phy.receivers.energy import Energy
from laser_phy.receivers.lmmse import Lmmse
from laser_phy.receivers.scale import Scale

KINDS = (Scale, Lmmse, Blind, Energy)
AnyReceiver: Any = one_of(*KINDS)

__all__ = [
    "KINDS",
    "AnyReceiver",
    "Blind",
    "Energy",
    "Link",
    "Lmmse",
    "Observed",
    "Receiver",
    "Scale",
]
