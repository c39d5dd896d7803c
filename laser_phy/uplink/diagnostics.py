"""Numbers of a round: energies, signal-to-noise ratio, errors, air time, control channel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from laser_phy.channels import Grid
from laser_phy.core.constants import FLOOR_DB
from laser_phy.phy.pilots import PilotEstimates
from laser_phy.uplink.settings import UplinkSettings

RATIOS_DB = {
    "uplink_nmse_db": ("uplink_error_energy", "uplink_message_energy"),
    "gradient_nmse_db": ("gradient_error_energy", "gradient_energy"),
    "uplink_snr_db": ("received_signal_energy", "received_noise_energy"),
    "downlink_nmse_db": ("downlink_error_energy", "downlink_message_energy"),
    "downlink_snr_db": ("downlink_signal_energy", "downlink_noise_energy"),
    "replica_spread_db": ("replica_distance", "server_weights_energy"),
}
"""Diagnostics in dB, and the energies (numerator, denominator) that are summed before the log."""

NAMES = (
    "uplink_nmse_db",
    "gradient_nmse_db",
    "uplink_snr_db",
    "energy_max_worker",
    "energy_mean_worker",
    "symbols_per_round",
    "air_time_ms",
    "truncated_fraction",
    "control_bytes_per_round",
    "excluded_workers",
)
"""Diagnostics that the logs of `fit` have, in their order."""


def uplink_names(uplink: UplinkSettings) -> tuple[str, ...]:
    """Diagnostics that the logs have with this uplink."""
    names: tuple[str, ...] = NAMES
    if not uplink.compressor.analog:
        names += ("bits_per_worker",)
    if uplink.pilots:
        names += ("pilot_energy", "energy_total")
    if not uplink.participation.everybody:
        names += ("senders",)
    if uplink.impairments.papr:
        names += ("papr_db",)
    return names


DOWNLINK_NAMES = (
    "downlink_nmse_db",
    "downlink_snr_db",
    "replica_spread_db",
    "downlink_energy",
    "downlink_pilot_energy",
    "downlink_symbols_per_round",
    "downlink_air_time_ms",
    "downlink_control_bytes_per_round",
)
"""Those that a broadcast downlink adds."""

MAXIMA = ("energy_max_worker",)
"""Diagnostics whose maximum over rounds is reported, and not their mean."""


class LinkMeasurements(NamedTuple):
    """What was measured on the air in a round; float32 scalars, but `worker_energy` [worker].

    Energies of sums over the symbols (or reals) of a round: `signal` and `noise` of the received
    sum, `error` of the decoded mean message, `reference` of the true mean message, both means over
    the `senders` workers that sent.
    """

    worker_energy: Any
    signal: Any
    noise: Any
    error: Any
    reference: Any
    silent: Any
    symbols: Any
    air_time_ms: Any
    pilot_symbols: Any
    server_pilot_energy: Any
    worker_pilot_energy: Any
    senders: Any
    papr_db: Any

    def joined(self, later: LinkMeasurements) -> LinkMeasurements:
        """The record of two transmissions of a round, one after the other."""
        sums = LinkMeasurements(*[a + b for a, b in zip(self, later, strict=True)])
        silent = self.silent * self.symbols + later.silent * later.symbols
        return sums._replace(
            silent=silent / sums.symbols,
            senders=self.senders,
            papr_db=tf.maximum(self.papr_db, later.papr_db),
        )


class PilotCost(NamedTuple):
    """The price of a round's pilots.

    Attributes:
        symbols: OFDM symbols that they take, up and down.
        extra_time_s: of them, those that the uplink's grid has no room for.
        server_energy: of the downlink's.
        worker_energy: of the uplink's, mean over workers.
    """

    symbols: int = 0
    extra_time_s: float = 0.0
    server_energy: float = 0.0
    worker_energy: float = 0.0


def pilot_cost(
    down: PilotEstimates | None, up: PilotEstimates | None, common: bool, grid: Grid, workers: int
) -> PilotCost:
    """Who pays what for pilots: pilot_snr times `no` an element.

    Args:
        down: from which transmitters learn: one downlink pilot a subcarrier, behind the beam.
        up: from which the receiver learns.
        common: all workers send one pilot at once, on all subcarriers, which shows the sum channel;
            else K workers, each of which is to be known, share the subcarriers of a pilot symbol.
        grid: of the round.
        workers: K.
    """
    sides = [side for side in (down, up) if side is not None]
    extra = max(len(sides) - 1, 0) * len(grid.pilot_times)
    worker = 0.0 if up is None else up.energy / (1 if common else workers)
    return PilotCost(
        symbols=len(sides) * len(grid.pilot_times),
        extra_time_s=extra * grid.symbol_duration_s,
        server_energy=0.0 if down is None else down.energy,
        worker_energy=worker,
    )


def ratio_db(numerator: Any, denominator: Any) -> Any:
    """10 log10(numerator / denominator), at least -200 and at most 200 dB; 0 / 0 is -200."""
    numerator = tf.convert_to_tensor(numerator)  # NumPy would warn of a denominator of 0
    ratio = tf.where(numerator > 0, numerator / denominator, 0.0)
    decibel = 10.0 / math.log(10.0) * tf.math.log(ratio)
    return tf.where(
        tf.math.is_nan(decibel), decibel, tf.clip_by_value(decibel, FLOOR_DB, -FLOOR_DB)
    )


def round_diagnostics(
    air: LinkMeasurements, gradients: Sequence[Any], mean_gradients: Sequence[Any] | None
) -> dict[str, Any]:
    """The scalars of a round; energies first, then the ratios in dB.

    Args:
        air: record of the round.
        gradients: decoded.
        mean_gradients: the true mean, or None where it is not known.
    """
    workers = float(air.worker_energy.shape[0])
    pilots = air.server_pilot_energy + workers * air.worker_pilot_energy
    values = {
        "energy_max_worker": tf.reduce_max(air.worker_energy),
        "energy_mean_worker": tf.reduce_mean(air.worker_energy),
        "symbols_per_round": air.symbols,
        "air_time_ms": air.air_time_ms,
        "truncated_fraction": air.silent,
        "uplink_error_energy": air.error,
        "uplink_message_energy": air.reference,
        "received_signal_energy": air.signal,
        "received_noise_energy": air.noise,
        "pilot_symbols": air.pilot_symbols,
        "pilot_energy": pilots,
        "pilot_energy_server": air.server_pilot_energy,
        "pilot_energy_worker": air.worker_pilot_energy,
        "energy_total": tf.reduce_sum(air.worker_energy) + pilots,
        "senders": air.senders,
        "papr_db": air.papr_db,
    }
    if mean_gradients is not None:
        values["gradient_error_energy"] = tf.add_n(
            [
                tf.reduce_sum(tf.square(estimate - mean))
                for estimate, mean in zip(gradients, mean_gradients, strict=True)
            ]
        )
        values["gradient_energy"] = tf.add_n([tf.reduce_sum(tf.square(g)) for g in mean_gradients])
    return with_ratios(values)


def with_ratios(values: dict[str, Any]) -> dict[str, Any]:
    """`values` and every ratio in dB whose two energies are among them."""
    ratios = {
        name: ratio_db(values[numerator], values[denominator])
        for name, (numerator, denominator) in RATIOS_DB.items()
        if numerator in values
    }
    return values | ratios


def control_bytes(uplink: UplinkSettings, workers: int, blocks: int) -> int:
    """Bytes a round on the error-free control channel, as float32.

    Every worker sends a norm a block (after precoding under `budget: round`, the L1 norm where
    reals are energies), and a second one where its share is not that norm: allocations by gradient
    norm, or by compressed norm in those two cases. The server answers with one amplitude a block
    for all. Where reals are sent as energies above a common level, each worker's largest entry and
    that level are known too.
    """
    modulation = uplink.receiver.modulation()
    norms_tell = modulation.norms_tell and uplink.power.budget == "mean"
    second = uplink.power.allocation.signals_more(norms_tell)
    level = modulation.shifted
    return 4 * blocks * (workers * (1 + second + level) + 1 + level)
