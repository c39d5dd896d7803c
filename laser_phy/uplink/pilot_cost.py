"""What the pilots of a round cost, and who pays."""

from __future__ import annotations

from typing import NamedTuple

from laser_phy.channels import Grid
from laser_phy.core.constants import NOISE_VARIANCE
from laser_phy.phy.pilots import PilotEstimates
from laser_phy.uplink.receiver_csi import ReceiverCsi


class Cost(NamedTuple):
    """The price of a round's pilots.

    Attributes:
        symbols: OFDM symbols that they take, up and down.
        extra_time_s: of them, those that the uplink's grid has no room for.
        server_energy: of the downlink's.
        worker_energy: of the uplink's, mean over workers.
    """

    symbols: int
    extra_time_s: float
    server_energy: float
    worker_energy: float


def pilot_cost(
    downlink: PilotEstimates | None, observer: ReceiverCsi, grid: Grid, workers: int
) -> Cost:
    """Transmitters learn from one downlink pilot a subcarrier. For a receiver that knows each of K
    workers they share the subcarriers of an uplink pilot symbol; for the sum channel all of them
    send on all subcarriers. A pilot element costs pilot_snr times `no`."""
    elements = len(grid.pilot_times) * len(grid.frequencies_hz)
    sides = [side for side in (downlink, observer.sounding) if side is not None]
    server = worker = 0.0
    if downlink is not None:
        server = elements * NOISE_VARIANCE / downlink.csi.error
    if observer.sounding is not None:
        worker = elements * NOISE_VARIANCE / observer.sounding.csi.error
        worker /= 1 if observer.common else workers
    extra = max(len(sides) - 1, 0) * len(grid.pilot_times)
    return Cost(
        symbols=len(sides) * len(grid.pilot_times),
        extra_time_s=extra * grid.symbol_duration_s,
        server_energy=server,
        worker_energy=worker,
    )
