"""What knowledge of the channel is worth: a table, made by `python docs/csi_table.py`.

NMSE in dB of the mean gradient (error over its energy) at 0, 10 and 20 dB of transmit energy a
symbol over the noise, for every pair of transmitter and receiver knowledge, at 1 and 30 m/s, with 1
and 16 antennas: 16 workers, messages that are not alike, TDL-A of 100 ns at 3.5 GHz, pilots at
20 dB, knowledge that is outdated by 1 ms.

Power control is truncated inversion at .1 where transmitters know the channel, phase correction
where they know its phase, none where they know nothing. The receiver is one that makes use of what
it knows: least error (`scale` with `debias: mmse`, or `lmmse` where messages are not aligned) with
gains or their law, unbiased scaling with nothing, energies where nobody knows; `blind` is shown
beside `lmmse`. `formula` is the closed form for Rayleigh gains, where there is one.

One graph a row: the energy is a variable of the link.
"""

from __future__ import annotations

import argparse
import itertools
import math
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

import laser_phy as lp
from laser_phy.core.constants import NOISE_VARIANCE

WORKERS, REALS, AGE_S, THRESHOLD = 16, 4096, 1e-3, 0.1
SNRS_DB = (0.0, 10.0, 20.0)
SPEEDS_MPS = (1.0, 30.0)
ANTENNAS = (1, 16)
TRANSMITTERS = ("perfect", "estimated", "outdated", "phase", "statistical", "none")
RECEIVERS = ("perfect", "estimated", "outdated", "statistical", "none")
BLIND = ("statistical", "none")


class Row(NamedTuple):
    """One line of the table; `nmse_db` and `formula_db` an entry for each of `SNRS_DB`."""

    transmitter: str
    receiver: str
    scheme: str
    antennas: int
    speed_mps: float
    nmse_db: list[float]
    formula_db: list[float | None]


def knowledge(name: str) -> Any:
    """The setting of a state of knowledge."""
    return {"name": "outdated", "age_s": AGE_S} if name == "outdated" else name


def schemes(transmitter: str, receiver: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Receivers, by name, and settings for what both sides know."""
    rule: Any = {"name": "truncated_inversion", "threshold": THRESHOLD}
    rule = {"phase": "phase", "statistical": "none", "none": "none"}.get(transmitter, rule)
    names = ["unbiased"] if receiver == "none" else ["least error"]
    if transmitter in BLIND:
        names = ["energy"] if receiver in BLIND else ["lmmse", "blind"]
    for name in names:
        scale = {"name": "scale", "debias": "mmse", "correlation": 0.0}
        settings = {"unbiased": "scale", "least error": scale}.get(name, name)
        yield name, {"power_control": rule, "receiver": settings}


def formula(uplink: lp.Uplink, name: str, snr_db: float, x: Any) -> float | None:
    """Closed form of the NMSE in dB for messages x [worker, real] and Rayleigh gains."""
    settings, antennas = uplink.settings, uplink.settings.channel.antennas
    symbol = 10 ** (snr_db / 10) * NOISE_VARIANCE
    mean, energies = x.mean(axis=0), np.square(x).sum(axis=1)
    a2 = symbol * uplink.symbols_per_round / energies.max()  # amplitude squared
    if name == "energy":
        gamma = symbol * uplink.symbols_per_round / np.abs(x).sum(axis=1).max()
        plus = gamma * np.maximum(x, 0).sum(axis=0) + NOISE_VARIANCE
        minus = gamma * np.maximum(-x, 0).sum(axis=0) + NOISE_VARIANCE
        error = np.sum(plus**2 + minus**2) / (antennas * WORKERS**2 * gamma**2)
    elif name == "blind" and settings.csi.receiver.name in ("perfect", "estimated"):
        noise = REALS / 2 * NOISE_VARIANCE / (WORKERS * a2)
        pilots = uplink.links[0].csi.pilots  # its noise meets all that is received
        noisy = 1 + (pilots.error / WORKERS if pilots else 0)
        error = noisy * (energies.mean() + noise) / antennas
    elif name == "unbiased" or (name == "least error" and settings.csi.receiver.name != "perfect"):
        # a gain of mean rho m and E|h b|^2 = rho^2 q + (1 - rho^2): see the uplink's statistics
        known = uplink.links[0].transmitter
        rho, rho2 = map(float, known.correlation(uplink.mobility))
        gain = rho * known.moments.gain * known.moments.sent_fraction
        square = rho2 * known.moments.square + 1 - rho2
        weight = 1 / (WORKERS * gain)
        if name == "least error":
            prior = a2 * energies.mean() / (REALS / 2)  # energy of a symbol
            weight = prior * gain / (prior * WORKERS * square + NOISE_VARIANCE)
        scattered = (square - gain**2) * energies.sum() + REALS / a2
        error = (WORKERS * weight * gain - 1) ** 2 * (mean @ mean) + weight**2 * scattered
    else:
        return None
    return float(10 * math.log10(error / (mean @ mean)))


def build(
    transmitter: str, receiver: str, antennas: int, speed: float, scheme: dict[str, Any]
) -> lp.Uplink:
    """The link of a row."""
    uplink = lp.Uplink.from_config(
        {
            "compressor": "identity",
            "channel": {"name": "tdl", "speed_mps": speed, "antennas": antennas},
            "power": {"snr_db": 0.0},
            "csi": {"transmitter": knowledge(transmitter), "receiver": knowledge(receiver)},
            **scheme,
        }
    )
    uplink.build([(REALS,)], WORKERS, seed=1)
    return uplink


def messages() -> Any:
    """[worker, real] float32."""
    return np.random.default_rng(0).normal(size=(WORKERS, REALS)).astype(np.float32)


def samples(uplink: lp.Uplink, rounds: int) -> Any:
    """NMSE [snr, round] of `rounds` rounds at each of `SNRS_DB`, in one graph."""
    x = tf.constant(messages())

    @tf.function(autograph=False)
    def error() -> Any:
        seen = uplink([x]).diagnostics
        return seen["gradient_error_energy"] / seen["gradient_energy"]

    found = []
    for snr_db in SNRS_DB:
        uplink.energy.assign(10 ** (snr_db / 10) * NOISE_VARIANCE * uplink.symbols_per_round)
        found.append([float(error()) for _ in range(rounds)])
    return np.array(found)


def table(rounds: int) -> Iterator[Row]:
    """All rows."""
    for antennas, speed, transmitter, receiver in itertools.product(
        ANTENNAS, SPEEDS_MPS, TRANSMITTERS, RECEIVERS
    ):
        for name, scheme in schemes(transmitter, receiver):
            uplink = build(transmitter, receiver, antennas, speed, scheme)
            found = 10 * np.log10(samples(uplink, rounds).mean(axis=1))
            known = [formula(uplink, name, snr_db, messages()) for snr_db in SNRS_DB]
            yield Row(transmitter, receiver, name, antennas, speed, list(found), known)


def line(row: Row) -> str:
    """A row of the table in Markdown."""
    numbers = [*row.nmse_db, *row.formula_db]
    cells = [row.transmitter, row.receiver, row.scheme, str(row.antennas), f"{row.speed_mps:g}"]
    cells += ["" if number is None else f"{number:.1f}" for number in numbers]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10, help="rounds of each entry")
    rounds = parser.parse_args().rounds
    start = time.monotonic()
    heads = ["transmitters", "receiver", "scheme", "antennas", "m/s"]
    heads += [f"{snr:g} dB" for snr in SNRS_DB] + [f"formula {snr:g} dB" for snr in SNRS_DB]
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for row in table(rounds):
        print(line(row), flush=True)
    print(f"\n{rounds} rounds an entry, {time.monotonic() - start:.0f} s.")


if __name__ == "__main__":
    main()
