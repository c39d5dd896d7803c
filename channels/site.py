"""A real or drawn place: paths traced through a scene by Sionna RT, kept on disk."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import Literal, Self

from pydantic import model_validator

from laser_phy.channels.antenna_array import WithArray
from laser_phy.channels.cir import RecordedFading
from laser_phy.channels.grid import Grid
from laser_phy.channels.recording import Recording, load, save
from laser_phy.core.cache import cache_folder
from laser_phy.core.files import replace_whole
from laser_phy.core.settings import setting

Position = tuple[float, float, float]


class Site(WithArray):
    """Workers and a server in a scene; the paths between them are traced once and kept.

    `circle` and `random` pass places over that are out of coverage. Workers then move around their
    places as in `cir`: the traced plane waves turn with the worker's way, which gives fading and
    Doppler. Gains are normalised so that their mean over workers is 1, their ratios kept. Tracing
    needs LLVM on the machine; a traced site saved with `save_site` runs without, as `cir`.
    """

    name: Literal["site"] = "site"
    scene: str = setting("simple_street_canyon", example="munich")
    """A built-in scene of Sionna RT, or a Mitsuba scene file (.xml)."""
    server_position_m: Position = setting((-30.0, 0.0, 20.0), unit="m")
    """Where the server's antennas are: x, y, z in the scene."""
    placement: Literal["circle", "random", "given"] = setting("random")
    """Workers on a circle around the server, uniformly in it, or at `worker_positions_m`."""
    radius_m: float = setting(60.0, gt=0, le=1e5, unit="m")
    """Radius of the circle."""
    worker_height_m: float = setting(1.5, ge=-1e4, le=1e5, unit="m")
    """Height of the workers' antennas, where they are not given."""
    worker_positions_m: tuple[Position, ...] = setting((), unit="m")
    """Places of the workers, for `placement: given`."""
    coverage_db: float = setting(25.0, gt=0, le=300, unit="dB")
    """Places further below the strongest are passed over, as being out of coverage."""
    reflections: int = setting(4, ge=0, le=20, unit="bounces")
    """Largest number of specular reflections of a path."""
    diffraction: bool = setting(False)
    """Trace paths around edges too."""
    placement_seed: int = setting(0, ge=0)
    """Of the random places and of the tracing."""

    @property
    def law(self) -> None:
        return None

    @model_validator(mode="after")
    def _places_are_given(self) -> Self:
        if (self.placement == "given") != bool(self.worker_positions_m):
            raise ValueError(
                f"worker_positions_m must be given with placement given, and only then; got "
                f"{len(self.worker_positions_m)} places with placement {self.placement}."
            )
        return self

    def build(self, grid: Grid, key: int, workers: int) -> RecordedFading:
        return RecordedFading(grid, key, self, workers, traced(self, workers))

    def cache_file(self, workers: int) -> Path:
        """Where the traced paths of this site are kept: named by all that they depend on."""
        moves = {"speed_mps", "coherence_rounds", "domain", "name"}
        what = self.model_dump(mode="json", exclude=moves)
        if self.scene.endswith(".xml"):
            what["scene"] = hashlib.sha256(Path(self.scene).expanduser().read_bytes()).hexdigest()
        what |= {"workers": workers, "sionna-rt": version("sionna-rt")}
        digest = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:20]
        return cache_folder() / f"site-{digest}.npz"


def traced(site: Site, workers: int) -> Recording:
    """The paths of a site, from the cache or from Sionna RT."""
    file = site.cache_file(workers)
    if file.is_file():
        return load(str(file))
    from laser_phy.channels.tracing import trace_apart

    # whole or not at all, whoever else traces the same site
    file.parent.mkdir(parents=True, exist_ok=True)
    replace_whole(file, lambda unfinished: trace_apart(site.to_config(), workers, unfinished))
    return load(str(file))


def save_site(site: Site, workers: int, path: str | Path) -> None:
    """Trace a site and write its impulse responses to a file that `cir` reads."""
    save(traced(site, workers), path)
