"""The channel and the power of one round over the subcarriers, for pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from laser_phy.air import Air


def snapshot(air: Air, realisation: int, speed_mps: Any) -> dict[str, np.ndarray]:
    """Gains and transmit powers in the first data symbol of a round.

    Returns:
        `subcarrier` [subcarrier] index from the centre; `gain_db` [worker, subcarrier] power gain
        behind the receiver's beam; `power_db` [worker, subcarrier] |b|^2, -inf where silent;
        `truncated` [worker, subcarrier] True where silent.
    """
    grid = air.grid
    carriers = len(grid.frequencies_hz)
    gains, powers = air.look(tf.constant(realisation, tf.int64), tf.convert_to_tensor(speed_mps))
    gains, powers = gains[:, :carriers], powers[:, :carriers]
    with np.errstate(divide="ignore"):
        gain_db, power_db = 10 * np.log10(gains), 10 * np.log10(powers)
    spacing = air.settings.ofdm.subcarrier_spacing_hz
    return {
        "subcarrier": np.rint(grid.frequencies_hz / spacing).astype(int),
        "gain_db": gain_db,
        "power_db": power_db,
        "truncated": powers == 0,
    }
