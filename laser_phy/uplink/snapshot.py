"""The channel and the power of one round over the subcarriers, for pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from laser_phy.phy.pilots import Mobility, channel_sampling
from laser_phy.uplink.analog_link import AnalogLink
from laser_phy.uplink.transmitter import Transmitter


def gains_and_powers(
    air: AnalogLink, realisation: Any, motion: Mobility, workers: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """[worker, data element] power gains behind the beam, and transmit powers |b|^2.

    All elements of the grid, with the energy of an even message.

    Args:
        air: of one kind of round.
        realisation: int64 scalar, of the channel.
        motion: of the workers, and the age of what is known.
        workers: the first ones, all by default.
    """
    settings, everywhere = air.settings, np.arange(air.grid.elements)
    timeline = channel_sampling(settings.sounding_sides, settings.channel, air.grid, everywhere)
    transmitters = Transmitter(settings, air.grid, timeline, air.fading)
    moment = transmitters.moment(tf.zeros([], tf.int64), 0, realisation, motion)
    symbols = air.layout.symbols
    prior = tf.fill([len(timeline.used)], settings.power.energy(symbols) / symbols)
    arrival = transmitters.plan(moment, prior)
    gains, powers = [], []
    for worker in range(min(workers or air.workers, air.workers)):
        response = transmitters.look(moment, worker)
        gain = air.receiver.beam_gain(transmitters.used(response))
        precoding = transmitters.precoding(moment, worker, response, arrival)
        gains.append(np.abs(gain)[: len(everywhere)] ** 2)
        powers.append(np.abs(precoding)[: len(everywhere)] ** 2)
    return np.stack(gains), np.stack(powers)


def snapshot(
    air: AnalogLink, realisation: int, motion: Mobility, workers: int | None = None
) -> dict[str, np.ndarray]:
    """Gains and transmit powers of the first `workers` workers in the first data symbol of a round.

    Returns:
        `subcarrier` [subcarrier] index from the centre; `gain_db` [worker, subcarrier] power gain
        behind the receiver's beam; `power_db` [worker, subcarrier] |b|^2, -inf where silent;
        `truncated` [worker, subcarrier] True where silent.
    """
    grid = air.grid
    carriers = len(grid.frequencies_hz)
    gains, powers = gains_and_powers(air, tf.constant(realisation, tf.int64), motion, workers)
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
