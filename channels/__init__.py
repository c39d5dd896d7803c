"""Radio channels, and the only place that imports sionna.

A new kind is one file with a `Channel` class, and its name in `KINDS` below. Importing this package
imports neither sionna nor tensorflow: the settings are light, `build` does the heavy work.
"""

from typing import Any

from laser_phy.channels.awgn import Awgn
from laser_phy.channels.base import Channel, Fading
from laser_phy.channels.cdl import Cdl
from laser_phy.channels.cell import Uma, Umi
from laser_phy.channels.cir import Cir
from laser_phy.channels.grid import Grid
from laser_phy.channels.ideal import Ideal
from laser_phy.channels.rayleigh import Rayleigh
from laser_phy.channels.rician import Rician
from laser_phy.channels.site import Site, save_site
from laser_phy.channels.snapshots import SnapshotFading
from laser_phy.channels.tdl import Tdl
from laser_phy.core.kinds import Family

KINDS = Family("channel", Channel, Ideal, Awgn, Rayleigh, Rician, Tdl, Cdl, Umi, Uma, Site, Cir)
AnyChannel: Any = KINDS.field

__all__ = [
    "KINDS",
    "AnyChannel",
    "Awgn",
    "Cdl",
    "Channel",
    "Cir",
    "Fading",
    "Grid",
    "Ideal",
    "Rayleigh",
    "Rician",
    "Site",
    "SnapshotFading",
    "Tdl",
    "Uma",
    "Umi",
    "save_site",
]
