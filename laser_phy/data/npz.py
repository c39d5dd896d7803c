"""A user's own examples, in one file with the names that Keras' mnist.npz has."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Literal

import numpy as np

from laser_phy.core.settings import setting
from laser_phy.data.base import Array, DataError, Modality, Target
from laser_phy.data.images import ImageDataset, Raw

KEYS = ("x_train", "y_train", "x_test", "y_test")


class Npz(ImageDataset):
    """Examples from an npz file with `x_train`, `y_train`, `x_test` and `y_test`.

    Images are [example, height, width] or [example, height, width, channel]: uint8 from 0 to 255,
    which are divided by 255, or floats, which are taken as they are. Arrays are [example, feature],
    or of sequences [example, step, feature]. Either is then normalised by its last axis: channel or
    feature. What is learnt are classes (integers from 0, [example] or [example, 1]), labels (0 or
    1, [example, label]) or reals (floats, [example] or [example, output]).
    """

    name: Literal["npz"] = "npz"
    path: str = setting(min_length=1, example="mnist.npz")
    """The file, as `numpy.savez(path, x_train=..., y_train=..., x_test=..., y_test=...)` writes."""
    inputs: Literal["auto", "image", "array"] = "auto"
    """What x is; `auto`: arrays where it is [example, feature], else images."""
    targets: Literal["auto", "class", "labels", "real"] = "auto"
    """What y is; `auto`: reals where it is floats, labels where it is 0 and 1 in [example, label],
    else classes."""

    @property
    def kinds(self) -> tuple[Modality, ...]:
        return ("image", "array") if self.inputs == "auto" else (self.inputs,)

    def raw(self) -> Raw:
        arrays = _read(Path(self.path).expanduser())
        kind, target = self._kind(arrays["x_train"]), self._target(arrays["y_train"])
        for part in ("train", "test"):
            x, y = arrays[f"x_{part}"], arrays[f"y_{part}"]
            check = _check_images if kind == "image" else _check_arrays
            check(f"x_{part}", x, self.path)
            read = _classes if target == "class" else _labels if target == "labels" else _reals
            arrays[f"y_{part}"] = read(f"y_{part}", y, len(x), self.path)
        train, test = arrays["x_train"], arrays["x_test"]
        if train.shape[1:] != test.shape[1:] or train.dtype.kind != test.dtype.kind:
            raise DataError(
                f"{self.path}: x_train and x_test must hold {kind}s of one shape and type; got "
                f"{train.dtype} {train.shape[1:]} and {test.dtype} {test.shape[1:]}."
            )
        y_train, y_test = arrays["y_train"], arrays["y_test"]
        if y_train.shape[1:] != y_test.shape[1:]:
            raise DataError(
                f"{self.path}: y_train and y_test must have as many columns; got "
                f"{y_train.shape} and {y_test.shape}."
            )
        return Raw(train, y_train, test, y_test, kind=kind, target=target)

    def _kind(self, x: Array) -> Modality:
        if self.inputs != "auto":
            return self.inputs
        return "array" if x.ndim == 2 else "image"

    def _target(self, y: Array) -> Target:
        if self.targets != "auto":
            return self.targets
        if y.ndim == 2 and y.shape[1] > 1 and np.isin(y, (0, 1)).all():
            # one 1 in every row is a class written so, which is told to be written otherwise
            return "labels" if (y.sum(axis=1) != 1).any() else "class"
        return "real" if np.issubdtype(y.dtype, np.floating) else "class"


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
            f"({examples},); got {labels.shape}. For one-hot labels write labels.argmax(axis=1); "
            "for several labels an example, targets: labels."
        )
    if not np.issubdtype(labels.dtype, np.integer):
        raise DataError(f"{path}: {key} must be integers, the classes from 0; got {labels.dtype}.")
    if labels.min() < 0:
        raise DataError(f"{path}: {key} must be >= 0 (class); got {labels.min()}.")
    return labels.reshape(-1)


def _check_arrays(key: str, values: Array, path: str) -> None:
    if values.ndim < 2 or 0 in values.shape:
        raise DataError(
            f"{path}: {key} must be [example, feature] or [example, step, feature] with at least "
            f"one example; got shape {values.shape}."
        )
    if not np.issubdtype(values.dtype, np.number) or np.iscomplexobj(values):
        raise DataError(f"{path}: {key} must be real numbers; got {values.dtype}.")
    if not np.isfinite(values).all():
        raise DataError(f"{path}: {key} must be finite; it holds NaN or infinity.")


def _labels(key: str, labels: Array, examples: int, path: str) -> Array:
    if labels.ndim != 2 or len(labels) != examples or not np.isin(labels, (0, 1)).all():
        raise DataError(
            f"{path}: {key} must be 0 or 1 for each of the {examples} examples and each label, "
            f"[example, label]; got shape {labels.shape} from {labels.min()} to {labels.max()}."
        )
    return labels


def _reals(key: str, values: Array, examples: int, path: str) -> Array:
    if values.ndim not in (1, 2) or len(values) != examples:
        raise DataError(
            f"{path}: {key} must have a real, or a row of them, for each of the {examples} "
            f"examples; got shape {values.shape}."
        )
    if not np.issubdtype(values.dtype, np.number) or not np.isfinite(values).all():
        raise DataError(f"{path}: {key} must be finite numbers; got {values.dtype}.")
    return values.reshape(examples, -1)
