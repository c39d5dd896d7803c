"""From the server to the workers."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from laser_phy.downlink.downlink import Downlink as Downlink

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submod_attrs={"downlink": ["Downlink"]}
)
