"""Pictures of a scenario's channel: gains, power of every rule, and a constellation on its way."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np

from laser_phy.core.figures import BLUE, VERMILION, new_figure
from laser_phy.core.settings import SettingsError
from laser_phy.experiments.scenario import Scenario
from laser_phy.uplink.settings import UplinkSettings

SLOTS = 2
WORKERS_SHOWN = 3
CLEAR_SNR_DB = 20.0
RULES = ("none", "inversion", "truncated_inversion", "regularized", "phase", "joint")
"""Of one power over all subcarriers are `none`, `phase` and `path_loss`, which is not drawn."""


def channel_pictures(scenario: Scenario, path: str | Path) -> Path:
    """Draw what happens to two slots of symbols, and write the figure to `path`.

    |H|^2 over time and subcarrier of the first workers (with what stays silent), the power that
    every rule fit for this CSI puts on the subcarriers, and a constellation that all workers send,
    after the air: at the scenario's energy, and where the noise is weak.

    Args:
        scenario: its uplink, number of workers and seed are used.
        path: PNG, SVG or PDF.
    """
    settings, workers = scenario.uplink, scenario.task.workers
    figure = new_figure(13, 10.5)
    axes = figure.subplots(3, WORKERS_SHOWN)
    figure.suptitle(
        f"{scenario.name}: {settings.channel.name}, {_antennas(settings)}, CSI "
        f"{settings.csi.transmitter.name} at the transmitters and {settings.csi.receiver.name} at "
        "the receiver"
    )
    uplink = _link(settings, workers, scenario.seed)
    gains, powers = _look(uplink)
    _maps(figure, axes[0], uplink, gains, powers)
    _powers(axes[1], settings, workers, scenario.seed, gains)
    _constellations(axes[2], settings, workers, scenario.seed)
    path = Path(path)
    figure.savefig(path)
    return path


def _antennas(settings: UplinkSettings) -> str:
    count = settings.channel.antennas
    return f"{count} antenna{'s' * (count > 1)}"


def fitting_rules(settings: UplinkSettings) -> list[str]:
    """Names of the power control rules that can do with what the transmitters know."""
    fields = {name: getattr(settings, name) for name in UplinkSettings.model_fields}
    fields["power"] = settings.power.model_copy(update={"budget": "round"})
    fitting = []
    for rule in RULES:
        with contextlib.suppress(SettingsError):
            UplinkSettings(**{**fields, "power_control": {"name": rule}})
            fitting.append(rule)
    return fitting


def _reals(settings: UplinkSettings) -> int:
    low, high = settings.ofdm.guard_carriers
    carriers = settings.ofdm.fft_size - low - high - settings.ofdm.dc_null
    return 2 * carriers * settings.ofdm.slot_symbols * SLOTS


def _link(settings: UplinkSettings, workers: int, seed: int, **changes: Any) -> Any:
    """The scenario's link for an uncompressed message that fills two slots."""
    from laser_phy.uplink.uplink import Uplink

    fields = {name: getattr(settings, name) for name in UplinkSettings.model_fields}
    uplink = Uplink(**{**fields, "compressor": {"name": "identity"}, **changes})
    uplink.build([(_reals(settings),)], workers, seed)
    return uplink


def _look(uplink: Any) -> tuple[np.ndarray, np.ndarray]:
    """[worker, time, subcarrier] power gains behind the beam, and transmit powers |b|^2."""
    import tensorflow as tf

    from laser_phy.uplink.snapshot import gains_and_powers

    link = uplink.links[0]
    gains, powers = gains_and_powers(link, tf.constant(0, tf.int64), uplink.mobility)
    shape = (uplink.workers, len(link.grid.times), len(link.grid.frequencies_hz))
    return gains.reshape(shape), powers.reshape(shape)


def _carriers(uplink: Any) -> np.ndarray:
    spacing = uplink.settings.ofdm.subcarrier_spacing_hz
    return np.rint(uplink.links[0].grid.frequencies_hz / spacing)


def _decibel(power: np.ndarray) -> np.ndarray:
    return 10 * np.log10(np.maximum(power, 1e-12))


def _maps(figure: Any, axes: Any, uplink: Any, gains: np.ndarray, powers: np.ndarray) -> None:
    carriers, times = _carriers(uplink), uplink.links[0].grid.times
    shown = range(min(uplink.workers, len(axes)))
    level = _decibel(gains[list(shown)])
    low, high = np.percentile(level, 1), max(level.max(), np.percentile(level, 1) + 1)
    for axis in axes[len(shown) :]:
        axis.set_axis_off()
    for worker, axis in zip(shown, axes, strict=False):
        image = axis.pcolormesh(
            carriers, times, level[worker], vmin=low, vmax=high, cmap="cividis", shading="nearest"
        )
        silent = powers[worker] == 0
        if silent.any():
            axis.contourf(carriers, times, silent, levels=[0.5, 1], colors="none", hatches=["////"])
        axis.set_title(f"worker {worker}: {silent.mean():.1%} silent", fontsize=10)
        axis.set_xlabel("subcarrier (0 is the centre)")
        axis.set_ylabel("OFDM symbol")
    behind = "|h|²" if uplink.settings.channel.antennas == 1 else "gain behind the antennas' sum"
    figure.colorbar(image, ax=list(axes), label=f"{behind} (dB)", shrink=0.9)


def _powers(
    axes: Any, settings: UplinkSettings, workers: int, seed: int, gains: np.ndarray
) -> None:
    budget = settings.power.model_copy(update={"budget": "round"})
    drawn = None
    for rule in fitting_rules(settings):
        uplink = _link(settings, workers, seed, power_control=rule, power=budget)
        drawn = uplink
        _, powers = _look(uplink)
        for worker, axis in zip(range(min(workers, len(axes))), axes, strict=False):
            first = powers[worker, 0]
            first = _decibel(first / max(powers[worker].mean(), 1e-30))
            drawn_at = np.where(first < -60, np.nan, first)
            style = "--" if rule == "phase" else "-"  # it lies on `none`
            axis.plot(_carriers(uplink), drawn_at, style, lw=1, label=rule)
    for worker, axis in enumerate(axes):
        if drawn is None or worker >= workers:
            axis.set_axis_off()
            continue
        gain = _decibel(gains[worker, 0])
        axis.plot(_carriers(drawn), gain, color="0.7", lw=1, zorder=0, label="|h|²")
        axis.set_ylim(-25, 15)
        axis.set_title(f"worker {worker}: power over its mean", fontsize=10)
        axis.set_xlabel("subcarrier (0 is the centre)")
        axis.set_ylabel("dB")
        axis.grid(alpha=0.25)
    axes[0].legend(fontsize=7, ncols=2)


def _constellations(axes: Any, settings: UplinkSettings, workers: int, seed: int) -> None:
    """QPSK that all workers send alike, so that the mean is one of four points."""
    import tensorflow as tf

    size = _reals(settings)
    bits = np.random.default_rng(seed).integers(2, size=size)
    reals = (2.0 * bits - 1).astype(np.float32)
    stacked = [tf.constant(np.repeat(reals[np.newaxis], workers, axis=0))]
    clear = {"energy_per_round": None, "snr_db": CLEAR_SNR_DB}
    uplinks = {
        "sent": None,
        "received, at the scenario's energy": _link(settings, workers, seed),
        f"received, at {CLEAR_SNR_DB:g} dB a symbol": _link(
            settings, workers, seed, power=settings.power.model_copy(update=clear)
        ),
    }
    for axis, (title, uplink) in zip(axes, uplinks.items(), strict=True):
        after = reals if uplink is None else uplink(stacked).gradients[0].numpy()
        limit = max(1.6, 1.2 * np.percentile(np.abs(after), 99))
        axis.scatter(after[0:4000:2], after[1:4000:2], s=3, alpha=0.35, color=BLUE)
        axis.scatter([-1, -1, 1, 1], [-1, 1, -1, 1], marker="+", s=60, color=VERMILION)
        axis.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("even reals")
        axis.set_ylabel("odd reals")
        axis.grid(alpha=0.25)
