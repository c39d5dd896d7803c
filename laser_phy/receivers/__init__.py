"""Receivers: from the received symbols to the estimate of the workers' mean.

A new kind is one file with a `Receiver` class, and its name in `KINDS` below.
"""

from typing import Any

from laser_phy.core.kinds import Family
from laser_phy.receivers.base import ChannelObservation, Link, Receiver
from laser_phy.receivers.blind import Blind
from laser_phy.receivers.energy import Energy
from laser_phy.receivers.lmmse import Lmmse
from laser_phy.receivers.scale import Scale

KINDS = Family("receiver", Receiver, Scale, Lmmse, Blind, Energy)
AnyReceiver: Any = KINDS.field

__all__ = [
    "KINDS",
    "AnyReceiver",
    "Blind",
    "ChannelObservation",
    "Energy",
    "Link",
    "Lmmse",
    "Receiver",
    "Scale",
]
