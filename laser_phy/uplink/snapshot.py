"""The channel and the power of one round over the subcarriers, for pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from laser_phy.phy.pilots import Mobility
from laser_phy.uplink.link import RoundLink
from laser_phy.uplink.transmitter import Transmitter


def gains_and_powers(
    link: RoundLink, round_: Any, mobility: Mobility, workers: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """[worker, data element] power gains behind the beam, and transmit powers |b|^2.

    All elements of the grid, with the energy of an even message.

    Args:
        link: of one kind of round.
        round_: int64 scalar, of the channel.
        mobility: of the workers, and the age of what is known.
        workers: the first ones, all by default.
    """
    settings, everywhere = link.settings, np.arange(link.grid.elements)
    channels = link.channels.elsewhere(everywhere, settings.sounding_sides)
    transmitter = Transmitter(settings, channels)
    transmission = channels.transmission(tf.zeros([], tf.int64), round_, mobility)
    symbols = link.layout.symbols
    prior = tf.fill([len(channels.sampling.used)], settings.power.energy(symbols) / symbols)
    received_amplitude = transmitter.plan(transmission, prior)
    gains, powers = [], []
    for worker in range(min(workers or link.workers, link.workers)):
        response = channels.response(transmission, worker)
        gain = settings.receiver.beam_gain(channels.data(response))
        precoding = transmitter.precoding(transmission, worker, response, received_amplitude)
        gains.append(np.abs(gain) ** 2)
        powers.append(np.abs(precoding)[: len(everywhere)] ** 2)
    return np.stack(gains), np.stack(powers)


def snapshot(
    link: RoundLink, round_: int, mobility: Mobility, workers: int | None = None
) -> dict[str, np.ndarray]:
    """Gains and transmit powers of the first `workers` workers in the first data symbol of a round.

    Returns:
        `subcarrier` [subcarrier] index from the centre; `gain_db` [worker, subcarrier] power gain
        behind the receiver's beam; `power_db` [worker, subcarrier] |b|^2, -inf where silent;
        `truncated` [worker, subcarrier] True where silent.
    """
    grid = link.grid
    carriers = len(grid.frequencies_hz)
    gains, powers = gains_and_powers(link, tf.constant(round_, tf.int64), mobility, workers)
    gains, powers = gains[:, :carriers], powers[:, :carriers]
    with np.errstate(divide="ignore"):
        gain_db, power_db = 10 * np.log10(gains), 10 * np.log10(powers)
    spacing = link.settings.ofdm.subcarrier_spacing_hz
    return {
        "subcarrier": np.rint(grid.frequencies_hz / spacing).astype(int),
        "gain_db": gain_db,
        "power_db": power_db,
        "truncated": powers == 0,
    }
