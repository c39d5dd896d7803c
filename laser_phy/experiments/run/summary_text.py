"""A run's summary in words, and what to try next."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from laser_phy.channels import KINDS as CHANNELS
from laser_phy.compressors import KINDS as COMPRESSORS
from laser_phy.core.constants import CONTROL_ENERGY_PER_BIT, FLOOR_DB
from laser_phy.core.numbers import metric as metric_text
from laser_phy.core.numbers import number


def in_words(summary: Mapping[str, Any]) -> list[str]:
    """The summary as sentences, one paragraph an entry."""
    paragraphs = [_outcome(summary), _excluded(summary)]
    link = summary.get("uplink") or {}
    if link:
        paragraphs += [
            _energy(summary, link),
            _snr(summary, link),
            _bits(link),
            _error(link),
            _air(summary, link),
            _control(summary, link),
        ]
    return [paragraph for paragraph in paragraphs if paragraph]


def next_steps(
    summary: Mapping[str, Any], scenario: Mapping[str, Any], command: str, folder: Path
) -> list[str]:
    """Commands worth trying after this run.

    Args:
        summary: as `summary.json` has it.
        scenario: resolved, as `scenario.yaml` has it.
        command: the scenario as the command line names it, with its `--set`s.
        folder: of the run; others are put beside it.
    """
    uplink = scenario["uplink"]
    tries: list[tuple[str, list[str], str]] = []
    compressor: Any = COMPRESSORS.kinds.get(uplink["compressor"]["name"])
    if compressor is None or compressor.compresses:
        change = ["uplink.compressor={name: identity}"]
        tries.append(("uncompressed", change, "the same energy, nothing compressed"))
    else:
        change = ["uplink.compressor={name: laser, rank: 4}"]
        tries.append(("laser", change, "the same energy on low-rank factors"))
    if summary.get("energy_budget"):
        more = float(f"{4 * summary['energy_budget']:.3g}")
        change = [f"uplink.power={{energy_per_round: {more:g}}}"]
        tries.append(("4x", change, "four times the energy"))
    channel: Any = CHANNELS.kinds.get(uplink["channel"]["name"])
    if channel is not None and not channel.fading:
        change = ["uplink.channel=rayleigh", "uplink.power_control=truncated_inversion"]
        tries.append(("rayleigh", change, "over a fading channel"))
    else:
        tries.append(("awgn", ["uplink.channel=awgn"], "noise alone, no fading"))
    steps = []
    for suffix, changes, why in tries:
        sets = " ".join(f"--set {shlex.quote(change)}" for change in changes)
        out = shlex.quote(str(folder.with_name(f"{folder.name}_{suffix}")))
        steps.append(f"laser-phy run {command} {sets} --out {out}   # {why}")
    return steps


def _outcome(summary: Mapping[str, Any]) -> str:
    metric = summary["metric"]
    name = metric["name"].removeprefix("val_")
    how = {"done": "Finished", "diverged": "DIVERGED", "interrupted": "Interrupted"}
    text = (
        f"{how[summary['status']]} after {summary['rounds']:,} rounds in {summary['wall_s']:.0f} s"
        f" ({number(summary['rounds_per_s'])} rounds a second once started)."
    )
    final, best = metric_text(name, metric["final"]), metric_text(name, metric["best"])
    text += f" Test {name}: {final} at the end, {best} at best."
    if metric.get("ema"):
        final, best = (metric_text(name, metric["ema"][key]) for key in ("final", "best"))
        text += f" With the running mean of the weights: {final} at the end, {best} at best."
    if summary["status"] == "diverged":
        text += (
            " The loss stopped being a finite number: lower task.optimizer.learning_rate, or give "
            "the link more energy."
        )
    return text


def _energy(summary: Mapping[str, Any], link: Mapping[str, Any]) -> str:
    budget, rule = summary["energy_budget"], summary["budget_rule"]
    meaning = (
        "no worker may spend more in any round"
        if rule == "round"
        else "a mean over the channel's states, single rounds may exceed it"
    )
    return (
        f"Energy: of a budget of {number(budget)} a worker and round ({meaning}; noise is 1 a real "
        f"number) the mean worker spent {number(link['energy_mean_worker'])}; the most that one "
        f"worker spent in one round is {number(link['energy_max_worker'])}."
    )


def _snr(summary: Mapping[str, Any], link: Mapping[str, Any]) -> str:
    snr, symbols = link["uplink_snr_db"], link["symbols_per_round"]
    if snr is None or snr >= 100:
        return ""
    text = f"Uplink SNR: {snr:.1f} dB, signal over noise of a received symbol."
    if snr < 0 and "bits_per_worker" not in link:
        text += (
            f" Below 0 dB is no fault: the budget is spread over {number(symbols, 4)} symbols, so "
            "each sinks in the noise, yet the workers' signals add up in the air and the optimizer "
            "averages over rounds. What sets the quality is the energy a number sent, which is why "
            "sending fewer numbers helps."
        )
    return text


def _bits(link: Mapping[str, Any]) -> str:
    bits = link.get("bits_per_worker")
    if bits is None:
        return ""
    if bits == 0:
        return (
            "Bits: none. The capacity that the energy buys did not carry the smallest message in "
            "any round: nothing was sent, and nothing learned."
        )
    return f"Bits: {number(bits)} a worker and round, decoded without error."


def _error(link: Mapping[str, Any]) -> str:
    gradient, uplink = link.get("gradient_nmse_db"), link["uplink_nmse_db"]
    if gradient is None or uplink is None:
        return ""
    sent = f"off by {uplink:.1f} dB from" if uplink > FLOOR_DB + 1 else "exactly"
    text = (
        f"Error: what the server decodes is {sent} what was sent, and off by {gradient:.1f} dB "
        "from the true mean gradient."
    )
    if gradient > 0:
        text += (
            " Above 0 dB one round's estimate is further from the true gradient than nothing at "
            "all would be. Training goes well all the same where errors average out over rounds, "
            "and where error feedback sends later what was left out now."
        )
    return text


def _excluded(summary: Mapping[str, Any]) -> str:
    rounds = summary.get("excluded_rounds") or {}
    if not rounds:
        return ""
    most = sorted(rounds.items(), key=lambda item: -item[1])
    shown = ", ".join(f"worker {worker} in {count}" for worker, count in most[:8])
    return (
        f"Left out for gradients that were not finite: {shown}"
        f"{', ...' if len(most) > 8 else ''} rounds."
    )


def _air(summary: Mapping[str, Any], link: Mapping[str, Any]) -> str:
    per_round = link["air_time_ms"]
    if not per_round:
        return ""
    total_s = per_round * summary["rounds"] / 1000
    text = f"AnalogLink time: {number(per_round)} ms a round, {number(total_s)} s in all."
    if link["truncated_fraction"]:
        text += (
            f" {100 * link['truncated_fraction']:.1f} % of the resource elements stayed silent, "
            "their channel being too weak."
        )
    return text


def _control(summary: Mapping[str, Any], link: Mapping[str, Any]) -> str:
    size = link.get("control_bytes_per_round")
    if not size:
        return ""
    energy = 8 * size * CONTROL_ENERGY_PER_BIT
    budget = summary["energy_budget"] or 0.0
    text = (
        f"Control channel: {number(size, 6)} bytes a round of norms and shares, taken as free. At "
        f"capacity they would cost an energy of {number(energy)}"
    )
    return text + (", more than the budget itself." if energy > budget else ".")
