"""TensorFlow and what builds on it: loaded late, and quietly."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from importlib import metadata

from laser_phy.core.errors import Refusal


def loaded() -> bool:
    """Whether they are imported already."""
    return "laser_phy.training.over_the_air" in sys.modules


def load() -> None:
    """Import TensorFlow, Keras and Sionna.

    Raises:
        Refusal: Keras runs on another backend.
    """
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    with _hushed():
        import keras

        import laser_phy.training.over_the_air  # noqa: F401
    if keras.config.backend() != "tensorflow":
        raise Refusal(
            f"KERAS_BACKEND must be tensorflow; got {keras.config.backend()!r}. Write "
            "KERAS_BACKEND=tensorflow before the command."
        )


def versions() -> dict[str, str]:
    """Versions of what results depend on."""
    import platform

    names = ("tensorflow", "keras", "sionna", "numpy")
    found = {name: metadata.version(name) for name in names}
    return {
        "laser_phy": metadata.version("laser-phy"),
        "python": platform.python_version(),
        **found,
    }


@contextlib.contextmanager
def _hushed() -> Iterator[None]:
    """Keep what TensorFlow's libraries write at their start off the screen.

    They write to the file descriptor, past Python, and partly before any setting is read.
    TF_CPP_MIN_LOG_LEVEL=0 shows it.
    """
    if os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3") == "0":
        yield
        return
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
