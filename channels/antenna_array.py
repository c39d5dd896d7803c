"""The server's antennas: a panel of vertically polarised elements, half a wavelength apart."""

from __future__ import annotations

from typing import Any, Self

from pydantic import model_validator

from laser_phy.channels.moving import Moving
from laser_phy.core.settings import setting


class WithArray(Moving):
    """Fields of channels with directions, where the server's antennas make an array."""

    rows: int = setting(1, ge=1, le=1024, unit="antennas")
    """Rows of the server's panel; 1 makes the antennas a horizontal line."""

    @model_validator(mode="after")
    def _panel_is_full(self) -> Self:
        if self.antennas % self.rows:
            raise ValueError(
                f"rows must divide antennas {self.antennas} (a full panel); got {self.rows}."
            )
        return self


def panel(antennas: int, rows: int, carrier_hz: float) -> Any:
    """Sionna's PanelArray of omnidirectional elements with one vertical polarisation."""
    from sionna.phy.channel.tr38901 import PanelArray

    return PanelArray(
        num_rows_per_panel=rows,
        num_cols_per_panel=antennas // rows,
        polarization="single",
        polarization_type="V",
        antenna_pattern="omni",
        carrier_frequency=carrier_hz,
    )
