"""Saved models, read back."""

from __future__ import annotations

import os
from typing import Any

import keras

import laser_phy.training  # noqa: F401, registers with Keras what files hold


def load_model(path: str | os.PathLike[str], **arguments: Any) -> keras.Model:
    """A model from a `.keras` file: `keras.saving.load_model`, with all of laser_phy known to it.

    Args:
        path: of the file.
        **arguments: of `keras.saving.load_model`.

    Raises:
        SettingsError: it holds a kind of a user's that is not registered; names it.
        ValueError: what Keras says of a file that it cannot read.
    """
    return keras.saving.load_model(path, **arguments)
