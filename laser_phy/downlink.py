"""The downlink: how the server's answer comes back to the workers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from laser_phy.settings import Settings, one_of


class IdealDownlink(Settings):
    """Every worker receives exactly what the server decoded, as in the paper."""

    name: Literal["ideal"] = "ideal"


KINDS = (IdealDownlink,)
DownlinkSettings = one_of(*KINDS)


class Downlink:
    """The downlink of a model; ideal unless told otherwise.

    Args:
        fields: fields of a scenario's `downlink:`.
    """

    def __init__(self, **fields: Any) -> None:
        self.settings = IdealDownlink.from_config(fields)

    @classmethod
    def from_config(cls, mapping: Mapping[str, Any]) -> Downlink:
        """The downlink a scenario describes under `downlink:`."""
        return cls(**mapping)

    def get_config(self) -> dict[str, Any]:
        """The mapping that `from_config` takes back."""
        return self.settings.to_config()
