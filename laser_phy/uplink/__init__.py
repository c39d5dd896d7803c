"""From the workers to the server: many gradients in, one out."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from laser_phy.uplink.aggregate import Aggregate as Aggregate
    from laser_phy.uplink.settings import UplinkSettings as UplinkSettings
    from laser_phy.uplink.uplink import Uplink as Uplink

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={"aggregate": ["Aggregate"], "uplink": ["Uplink"], "settings": ["UplinkSettings"]},
)
