"""A user's own images, in one file with the names that Keras' mnist.npz has."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Literal

import numpy as np

from laser_phy.core.settings import setting
from laser_phy.data.base import Array, DataError
from laser_phy.data.images import ImageDataset, Raw

KEYS = ("x_train", "y_train", "x_test", "y_test")


class Npz(ImageDataset):
    """Images from an npz file with `x_train`, `y_train`, `x_test` and `y_test`.

    Images are [example, height, width] or [example, height, width, channel]: uint8 from 0 to 255,
    which are divided by 255, or floats, which are taken as they are. Classes are integers from
    0, [example] or [example, 1].
    """

    name: Literal["npz"] = "npz"
    path: str = setting(min_length=1, example="mnist.npz")
    """The file, as `numpy.savez(path, x_train=..., y_train=..., x_test=..., y_test=...)` writes."""

    def raw(self) -> Raw:
        arrays = _read(Path(self.path).expanduser())
        for part in ("train", "test"):
            x, y = arrays[f"x_{part}"], arrays[f"y_{part}"]
            _check_images(f"x_{part}", x, self.path)
            arrays[f"y_{part}"] = _classes(f"y_{part}", y, len(x), self.path)
        train, test = arrays["x_train"], arrays["x_test"]
        if train.shape[1:] != test.shape[1:] or train.dtype.kind != test.dtype.kind:
            raise DataError(
                f"{self.path}: x_train and x_test must hold images of one shape and type; got "
                f"{train.dtype} {train.shape[1:]} and {test.dtype} {test.shape[1:]}."
            )
        return Raw(train, arrays["y_train"], test, arrays["y_test"])


def _read(path: Path) -> dict[str, Array]:
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise DataError(
            f"path {str(path)!r} {what}; it must be an npz file with {', '.join(KEYS)}. "
            f"A relative path starts at the working folder, {Path.cwd()}."
        )
    try:
        with np.load(path, allow_pickle=False) as stored:
            missing = [key for key in KEYS if key not in stored]
            if missing:
                raise DataError(
                    f"{path} lacks {', '.join(missing)}; it has {', '.join(stored.files)}. "
                    f"Needed: {', '.join(KEYS)}."
                )
            return {key: stored[key] for key in KEYS}
    except (OSError, EOFError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        # A lone .npy array loads too, and then is no context manager.
        raise DataError(f"{path} is not an npz file, as numpy.savez writes it: {error}.") from error
    except DataError:
        raise
    except ValueError as error:
        raise DataError(
            f"{path} cannot be read: {error}. Arrays must be numbers, not Python objects."
        ) from error


def _check_images(key: str, images: Array, path: str) -> None:
    if images.ndim not in (3, 4) or 0 in images.shape:
        raise DataError(
            f"{path}: {key} must be [example, height, width] or [example, height, width, channel] "
            f"with at least one example; got shape {images.shape}."
        )
    if images.dtype != np.uint8 and not np.issubdtype(images.dtype, np.floating):
        raise DataError(
            f"{path}: {key} must be uint8 (0 to 255, divided by 255 here) or floating point "
            f"(taken as it is); got {images.dtype}."
        )
    if images.dtype != np.uint8 and not np.isfinite(images).all():
        raise DataError(f"{path}: {key} must be finite; it holds NaN or infinity.")


def _classes(key: str, labels: Array, examples: int, path: str) -> Array:
    if labels.shape not in ((examples,), (examples, 1)):
        raise DataError(
            f"{path}: {key} must have one class for each of the {examples} images, shape "
            f"({examples},); got {labels.shape}. For one-hot labels write labels.argmax(axis=1)."
        )
    if not np.issubdtype(labels.dtype, np.integer):
        raise DataError(f"{path}: {key} must be integers, the classes from 0; got {labels.dtype}.")
    if labels.min() < 0:
        raise DataError(f"{path}: {key} must be >= 0 (class); got {labels.min()}.")
    return labels.reshape(-1)
