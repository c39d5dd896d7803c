"""Paths between a server and its workers, by Sionna RT, in a process of its own.

Sionna RT compiles through the LLVM library of the machine; TensorFlow brings an LLVM of its own,
and a process that loads both dies of a segmentation fault. `trace_apart` starts this module as a
program, which imports no TensorFlow.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from laser_phy.channels.recording import Recording, save

ATTEMPTS = 8
SAMPLES = 1_000_000  # rays the server sends out to find paths with


class NoLlvm(RuntimeError):
    """Sionna RT does not find LLVM."""


def trace_apart(site: Mapping[str, Any], workers: int, file: Path) -> None:
    """Trace a site in a process of its own, which writes the recording to `file`.

    Args:
        site: settings of the channel, as `to_config` gives them.
        workers: how many links.
        file: that is written.

    Raises:
        NoLlvm: Sionna RT cannot run.
        ValueError: the scene is unknown, or no path reaches the workers.
    """
    order = json.dumps({"site": dict(site), "workers": workers, "file": str(file)})
    done = subprocess.run(
        [sys.executable, "-m", "laser_phy.channels.tracing"],
        input=order,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
    )
    if done.returncode in REFUSALS:
        raise REFUSALS[done.returncode](done.stderr.strip())
    if done.returncode:
        raise RuntimeError(f"ray tracing failed with status {done.returncode}: {done.stderr}")


def ray_tracer() -> Any:
    """`sionna.rt`, with the package to install named where it cannot run.

    Raises:
        NoLlvm: Sionna RT cannot compile for this machine.
    """
    try:
        import sionna.rt
    except ImportError as error:
        raise NoLlvm(
            "channel site traces rays with Sionna RT, which needs LLVM on this machine and did not "
            "find it. Install it (Debian, Ubuntu: apt install libllvm15; elsewhere point "
            "DRJIT_LIBLLVM_PATH at libLLVM.so), or use impulse responses that were traced before: "
            f"channel: {{name: cir, path: street_canyon}}. ({error})"
        ) from error
    return sionna.rt


REFUSALS = {3: NoLlvm, 4: ValueError}  # exit status -> what it means


def trace(site: Any, workers: int) -> Recording:
    """Place the workers and trace their paths.

    Args:
        site: the fields of the channel `site`.
        workers: how many links.

    Raises:
        NoLlvm: Sionna RT cannot run.
        ValueError: the scene is unknown, or no path reaches the workers.
    """
    rt = ray_tracer()
    scene = rt.load_scene(_scene_file(rt, site.scene))
    scene.frequency = site.carrier_hz
    # Rays leave the server, one source for all workers, and the channel is reciprocal: the uplink
    # has the same gains, and leaves a worker where the downlink arrives.
    scene.tx_array = _array(rt, site.rows, site.antennas // site.rows)
    scene.rx_array = _array(rt, 1, 1)
    scene.add(rt.Transmitter("server", position=list(site.server_position_m)))
    found: list[Recording] = []
    for attempt in range(ATTEMPTS):
        found += _links(rt, scene, site, candidates(site, workers, attempt))
        if site.placement == "given":
            break
        floor = max([link.powers[0] for link in found], default=0) * 10 ** (-site.coverage_db / 10)
        found = [link for link in found if link.powers[0] >= floor]
        if len(found) >= workers:
            break
    if len(found) < workers:
        raise ValueError(
            f"only {len(found)} of {workers} workers are reached by a path in {site.scene} "
            f"(placement {site.placement}, radius_m {site.radius_m:g}). Move the server, make "
            "radius_m smaller or coverage_db larger, or allow more reflections or diffraction."
        )
    return _stack(found[:workers], site.carrier_hz)


def candidates(site: Any, workers: int, attempt: int) -> np.ndarray:
    """Places [candidate, 3] to try for workers, new ones in every attempt."""
    if site.placement == "given":
        return np.asarray(site.worker_positions_m, float)[:workers]
    many = 4 * workers
    generator = np.random.default_rng([site.placement_seed, attempt])
    if site.placement == "circle":
        # From each of K equal sectors in turn, in random order within it on later attempts.
        jitter = generator.uniform(size=(4, workers)) if attempt else np.arange(4)[:, None] / 4
        angle = (np.arange(workers) + jitter).ravel() * 2 * np.pi / workers
        radius = np.full(many, site.radius_m)
    else:
        angle = generator.uniform(0, 2 * np.pi, many)
        radius = site.radius_m * np.sqrt(generator.uniform(size=many))
    x, y, _ = site.server_position_m
    height = np.full(many, site.worker_height_m)
    return np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle), height], axis=1)


def _scene_file(rt: Any, name: str) -> str:
    if name.endswith(".xml"):
        return name
    scenes = sorted(s for s in dir(rt.scene) if str(getattr(rt.scene, s)).endswith(".xml"))
    if name not in scenes:
        raise ValueError(f"scene must be a .xml file or one of {', '.join(scenes)}; got {name!r}.")
    return str(getattr(rt.scene, name))


def _array(rt: Any, rows: int, columns: int) -> Any:
    return rt.PlanarArray(
        num_rows=rows,
        num_cols=columns,
        vertical_spacing=0.5,
        horizontal_spacing=0.5,
        pattern="iso",
        polarization="V",
    )


def _links(rt: Any, scene: Any, site: Any, places: np.ndarray) -> list[Recording]:
    """One recording [1, antenna, path] for each place that a path reaches, in their order."""
    for name in list(scene.receivers):
        scene.remove(name)
    for index, place in enumerate(places):
        scene.add(rt.Receiver(f"worker {index}", position=[float(x) for x in place]))
    paths = rt.PathSolver()(
        scene,
        max_depth=site.reflections,
        samples_per_src=SAMPLES,
        refraction=False,
        diffraction=site.diffraction,
        synthetic_array=True,
        seed=site.placement_seed + 1,
    )
    gains, delays = paths.cir(normalize_delays=True, out_type="numpy")
    gains, delays = gains[:, 0, 0, :, :, 0], delays[:, 0]  # place, antenna, path; place, path
    zenith, azimuth = np.asarray(paths.theta_r)[:, 0], np.asarray(paths.phi_r)[:, 0]  # place, path
    directions = np.stack(
        [np.sin(zenith) * np.cos(azimuth), np.sin(zenith) * np.sin(azimuth), np.cos(zenith)], -1
    )
    links = []
    for place in range(len(places)):
        used = np.abs(gains[place]).max(axis=0) > 0
        if used.any():
            links.append(
                Recording(
                    gains=gains[None, place][:, :, used].astype(np.complex64),
                    delays_s=delays[None, place, used].astype(np.float64),
                    departures=directions[None, place, used].astype(np.float32),
                )
            )
    return links


def _stack(links: list[Recording], carrier_hz: float) -> Recording:
    """One recording of all links, padded with zero paths to the longest."""
    longest = max(link.gains.shape[2] for link in links)

    def padded(values: np.ndarray, axis: int) -> np.ndarray:
        widths = [(0, 0)] * values.ndim
        widths[axis] = (0, longest - values.shape[axis])
        return np.pad(values, widths)

    return Recording(
        gains=np.concatenate([padded(link.gains, 2) for link in links]),
        delays_s=np.concatenate([padded(link.delays_s, 1) for link in links]),
        departures=np.concatenate(
            [padded(link.departures, 1) for link in links if link.departures is not None]
        ),
        carrier_hz=carrier_hz,
    )


def main() -> None:
    """Read an order of `trace_apart` from the standard input, and carry it out."""
    order = json.loads(sys.stdin.read())
    try:
        recording = trace(SimpleNamespace(**order["site"]), order["workers"])
    except tuple(REFUSALS.values()) as error:
        print(error, file=sys.stderr)
        sys.exit(next(code for code, kind in REFUSALS.items() if isinstance(error, kind)))
    save(recording, order["file"])


if __name__ == "__main__":
    main()
