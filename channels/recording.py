"""Files of impulse responses: what is in them, read and written as npz or HDF5."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np

SUFFIXES = (".npz", ".h5", ".hdf5")


@dataclass(frozen=True)
class Recording:
    """Impulse responses of links to one server.

    The fields, with their names in the file:

    Attributes:
        gains: [link, antenna, path] complex, linear amplitude of each path at the server's
            antennas. Links with fewer paths are padded with zeros.
        delays_s: [link, path] delay of each path in seconds, counted from the link's first.
        departures: [link, path, 3], optional: unit vector of the direction in which a path leaves
            the worker. With it a worker can move; without, its channel stands still.
        carrier_hz: scalar, optional: the carrier the responses were recorded at.
    """

    gains: np.ndarray
    delays_s: np.ndarray
    departures: np.ndarray | None = None
    carrier_hz: float | None = None

    def __post_init__(self) -> None:
        links, _, paths = shape = self.gains.shape if self.gains.ndim == 3 else (0, 0, 0)
        if 0 in shape:
            raise ValueError(
                "gains must be [link, antenna, path] with at least one of each; "
                f"got the shape {list(self.gains.shape)}."
            )
        for name, expected in {"delays_s": (links, paths), "departures": (links, paths, 3)}.items():
            value = getattr(self, name)
            if value is not None and value.shape != expected:
                raise ValueError(
                    f"{name} must have the shape {list(expected)}, as gains have "
                    f"{list(self.gains.shape)}; got {list(value.shape)}."
                )
        silent = np.flatnonzero(self.powers == 0)
        if silent.size:
            raise ValueError(f"gains must not be all zero on a link; link {silent[0]} is.")

    @property
    def powers(self) -> np.ndarray:
        """[link] power of all paths, mean over antennas."""
        return np.sum(np.abs(self.gains) ** 2, axis=2).mean(axis=1)

    @property
    def antennas(self) -> int:
        """Antennas at the server."""
        return self.gains.shape[1]

    def __len__(self) -> int:
        return len(self.gains)


def shipped() -> list[str]:
    """Names of the recordings that come with the package."""
    folder = files("laser_phy.channels") / "recordings"
    return sorted(Path(item.name).stem for item in folder.iterdir() if item.name.endswith(".npz"))


def resolve(path: str) -> Path:
    """The file of a path, or of the name of a recording that ships.

    Raises:
        FileNotFoundError: it is neither.
    """
    if path in shipped():
        return Path(str(files("laser_phy.channels") / "recordings" / f"{path}.npz"))
    file = Path(path).expanduser()
    if not file.is_file():
        raise FileNotFoundError(
            f"path must be a file of impulse responses (npz or HDF5), or one that ships: "
            f"{', '.join(shipped())}; got {path!r}."
        )
    return file


def load(path: str) -> Recording:
    """Read a recording.

    Raises:
        FileNotFoundError: there is none.
        ValueError: a field is missing or has the wrong shape.
    """
    file = resolve(path)
    if file.suffix == ".npz":
        with np.load(file, allow_pickle=False) as stored:
            fields = {name: stored[name] for name in stored.files}
    else:
        import h5py

        with h5py.File(file) as stored:
            fields = {name: np.asarray(item) for name, item in stored.items()}
    missing = {"gains", "delays_s"} - fields.keys()
    if missing:
        raise ValueError(
            f"{file} must have the fields gains and delays_s; got {sorted(fields)} without "
            f"{' and '.join(sorted(missing))}."
        )
    carrier = fields.get("carrier_hz")
    return Recording(
        gains=fields["gains"].astype(np.complex64),
        delays_s=fields["delays_s"].astype(np.float64),
        departures=fields["departures"].astype(np.float32) if "departures" in fields else None,
        carrier_hz=None if carrier is None else float(carrier),
    )


def save(recording: Recording, path: str | Path) -> None:
    """Write a recording that the channel `cir` reads; the suffix says npz or HDF5."""
    file = Path(path)
    if file.suffix not in SUFFIXES:
        raise ValueError(f"path must end in one of {', '.join(SUFFIXES)}; got {file.name!r}.")
    fields = {
        "gains": recording.gains,
        "delays_s": recording.delays_s,
        "departures": recording.departures,
        "carrier_hz": recording.carrier_hz,
    }
    fields = {name: np.asarray(value) for name, value in fields.items() if value is not None}
    if file.suffix == ".npz":
        np.savez_compressed(file, **fields)  # type: ignore[arg-type]
        return
    import h5py

    with h5py.File(file, "w") as stored:
        for name, value in fields.items():
            stored[name] = value
