"""Receivers: from the received symbols to the estimate of the workers' mean.

A new kind is one file with a `Receiver` class, and its name in `KINDS` below.
"""

from laser_phy.receivers.base import Link, Receiver
from laser_phy.receivers.scale import Scale
from laser_phy.settings import one_of

KINDS = (Scale,)
AnyReceiver = one_of(*KINDS)

__all__ = ["KINDS", "AnyReceiver", "Link", "Receiver", "Scale"]
