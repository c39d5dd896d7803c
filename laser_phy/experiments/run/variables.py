"""Variables to a file and back.

NumPy's format, as its errors are heard: HDF5 writes part of a file when it is closed, and h5py
cannot raise there, so that a full disk would leave a checkpoint with holes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np


def save_variables(variables: Sequence[Any], file: Path) -> None:
    """Write Keras variables to an .npz file, in their order; the names are for people.

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
