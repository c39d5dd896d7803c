"""Compressors: what a worker sends of its gradient, and what the server makes of the sum.

A new kind is one file with a `Compressor` class, and its name in `KINDS` below.
"""

from typing import Any

from laser_phy.compressors.a_dsgd import ADsgd
from laser_phy.compressors.base import Codec, Compressor, Message
from laser_phy.compressors.digital import Digital
from laser_phy.compressors.identity import Identity
from laser_phy.compressors.laser import Laser
from laser_phy.compressors.random_k import RandomK
from laser_phy.compressors.signum import Signum
from laser_phy.compressors.sketch import Sketch
from laser_phy.compressors.vector import VectorCompressor
from laser_phy.core.kinds import Family

KINDS = Family("compressor", Compressor, Laser, Identity, RandomK, Sketch, Signum, ADsgd, Digital)
AnyCompressor: Any = KINDS.field

__all__ = [
    "KINDS",
    "ADsgd",
    "AnyCompressor",
    "Codec",
    "Compressor",
    "Digital",
    "Identity",
    "Laser",
    "Message",
    "RandomK",
    "Signum",
    "Sketch",
    "VectorCompressor",
]
