"""Checkpoints of a run: what the model holds, and what else is needed to go on bit for bit.

round_000000042.npz    the model's variables: weights, memories, counters, optimizer
round_000000042.json   the state around them, and the SHA-256 of both

The last two are kept. A state file is written after its variables, and either appears whole, so
that a kill leaves at most variables without a state, which count for nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from laser_phy.core.files import parts, replace_whole, sha256, write_whole, writing

KEPT = 2


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was found whole.

    Attributes:
        state: as it was given to `write`.
        variables: the file that `save` wrote.
    """

    state: dict[str, Any]
    variables: Path


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints in a folder, one process at a time."""

    folder: Path

    def write(self, state: Mapping[str, Any], save: Callable[[Path], Any]) -> None:
        """Add a checkpoint, and forget all but the last two.

        Args:
            state: what JSON can hold, `rounds` (passed so far) among it.
            save: writes the model's variables to the file it is given.

        Raises:
            DiskError: it cannot be written; those before are as they were.
        """
        file = self.folder / f"round_{state['rounds']:09d}.json"
        with writing(file):
            digest = replace_whole(_variables(file), save)
            body = {"state": dict(state), "variables_sha256": digest}
            sealed = body | {"sha256": _seal(body)}
            write_whole(file, json.dumps(sealed, indent=1) + "\n")
        self._forget(self._states()[KEPT:])

    def newest(
        self, say: Callable[[str], Any], fits: Callable[[dict[str, Any]], str]
    ) -> Checkpoint | None:
        """The last checkpoint that is whole; damaged ones are named, and removed.

        Args:
            say: told of each that is damaged.
            fits: what is wrong with a state beside its files; empty for nothing.
        """
        for part in parts(self.folder):
            part.unlink(missing_ok=True)
        for file in self._states():
            try:
                state = self._read(file)
                if not (trouble := fits(state)):
                    return Checkpoint(state, _variables(file))
            except (OSError, ValueError, KeyError, TypeError) as error:
                trouble = str(error)
            say(f"{file}: this checkpoint is damaged ({trouble}). Going back to the one before.")
            self._forget([file])
        return None

    def _read(self, file: Path) -> dict[str, Any]:
        sealed = json.loads(file.read_text(encoding="utf-8"))
        seal = sealed.pop("sha256")
        if seal != _seal(sealed):
            raise ValueError(f"its SHA-256 is {_seal(sealed)[:8]}..., and {seal[:8]}... was meant")
        found = sha256(_variables(file))
        if found != sealed["variables_sha256"]:
            raise ValueError(
                f"the SHA-256 of {_variables(file).name} is {found[:8]}..., and "
                f"{sealed['variables_sha256'][:8]}... was meant"
            )
        return dict(sealed["state"])

    def _states(self) -> list[Path]:
        """The newest first."""
        return sorted(self.folder.glob("round_*.json"), reverse=True)

    def _forget(self, states: list[Path]) -> None:
        for file in states:
            file.unlink(missing_ok=True)
        known = {_variables(file).name for file in self._states()}
        for variables in self.folder.glob("round_*.npz"):
            if variables.name not in known:
                variables.unlink(missing_ok=True)


def _variables(state: Path) -> Path:
    return state.with_suffix(".npz")


def _seal(body: Mapping[str, Any]) -> str:
    """SHA-256 of what a state file says, however it is laid out."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def save_variables(variables: Sequence[Any], file: Path) -> None:
    """Write Keras variables to an .npz file, in their order; the names are for people.

    NumPy's format, as its errors are heard: HDF5 writes part of a file when it is closed, and h5py
    cannot raise there, so that a full disk would leave a checkpoint with holes.

    Raises:
        OSError: it cannot be written.
    """
    arrays: Any = {f"{i:05d}/{v.path}": np.asarray(v) for i, v in enumerate(variables)}
    np.savez(file, **arrays)


def load_variables(variables: Sequence[Any], file: Path) -> None:
    """Set Keras variables to what `save_variables` wrote.

    Raises:
        ValueError: it is of other variables; none is set then.
    """
    with np.load(file) as stored:
        names = sorted(stored.files)
        if len(names) != len(variables):
            raise ValueError(f"{len(names)} variables there, and {len(variables)} here")
        for name, variable in zip(names, variables, strict=True):
            there = stored[name].shape
            if there != tuple(variable.shape):
                raise ValueError(f"{name} is {there} there, and {tuple(variable.shape)} here")
        for name, variable in zip(names, variables, strict=True):
            variable.assign(_as(np.asarray(variable).dtype, stored[name]))


def _as(dtype: np.dtype, array: np.ndarray) -> np.ndarray:
    """bfloat16, which NumPy does not know, comes back as bytes."""
    return array.view(dtype) if array.dtype.kind == "V" else array
