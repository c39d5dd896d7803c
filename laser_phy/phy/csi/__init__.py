"""Channel state information: what the transmitters and the receiver know of the channel.

A new kind is one file with a `Knowledge` class, and its name in one or both tuples below.
"""

from typing import Any

from laser_phy.core.kinds import Family
from laser_phy.core.settings import Settings, setting
from laser_phy.phy.csi.base import Knowledge
from laser_phy.phy.csi.estimated import Estimated
from laser_phy.phy.csi.none import NoCsi
from laser_phy.phy.csi.outdated import Outdated
from laser_phy.phy.csi.perfect import Perfect
from laser_phy.phy.csi.phase import Phase
from laser_phy.phy.csi.statistical import Statistical

TRANSMITTER_KINDS = Family(
    "csi.transmitter", Knowledge, Perfect, Estimated, Outdated, Phase, Statistical, NoCsi
)
RECEIVER_KINDS = Family("csi.receiver", Knowledge, Perfect, Estimated, Outdated, Statistical, NoCsi)
WORKER_KINDS = Family("downlink.csi", Knowledge, Perfect, Estimated, Outdated)
AnyTransmitterCsi: Any = TRANSMITTER_KINDS.field
AnyReceiverCsi: Any = RECEIVER_KINDS.field
AnyListenerCsi: Any = WORKER_KINDS.field
"""For workers that hear a broadcast: without knowledge they could not read it."""


class Csi(Settings):
    """Who knows what; a string is short for `{name: ...}`."""

    transmitter: AnyTransmitterCsi = setting(Perfect())
    """What every worker knows of its own channel."""
    receiver: AnyReceiverCsi = setting(Perfect())
    """What the server knows of the workers' channels."""

    @property
    def sides(self) -> dict[str, Knowledge]:
        """What each knows."""
        return {"transmitter": self.transmitter, "receiver": self.receiver}

    @property
    def pilots(self) -> bool:
        """Some knowledge comes from pilots on the grid."""
        return any(knows.pilots for knows in self.sides.values())


__all__ = [
    "RECEIVER_KINDS",
    "TRANSMITTER_KINDS",
    "AnyListenerCsi",
    "Csi",
    "Estimated",
    "Knowledge",
    "NoCsi",
    "Outdated",
    "Perfect",
    "Phase",
    "Statistical",
]
