"""What the data sets of images share: their fields, and the way from raw pixels to `Data`."""

from __future__ import annotations

import functools
from typing import ClassVar, NamedTuple

import numpy as np
from pydantic import field_validator

from laser_phy.core.settings import Settings, setting
from laser_phy.data.augment import AnyAugmentation, CropFlip
from laser_phy.data.base import (
    Array,
    Data,
    DataError,
    Dataset,
    Modality,
    Sampler,
    Target,
    evenly_spaced,
)


class Raw(NamedTuple):
    """Examples as they were stored, and what is to be learnt of them.

    Images are [example, height, width] or [..., channel], arrays [example, ..., feature].
    """

    x_train: Array
    y_train: Array
    x_test: Array
    y_test: Array
    class_names: tuple[str, ...] = ()
    white: float = 255.0
    """Pixel value that becomes 1 before normalisation, where pixels are integers."""
    kind: Modality = "image"
    target: Target = "class"


class Normalize(Settings):
    """(pixel - mean) / std, with pixels between 0 and 1."""

    mean: tuple[float, ...] = setting(min_length=1, example="[0.1307]")
    """Mean of each channel, or one for all."""
    std: tuple[float, ...] = setting(min_length=1, example="[0.3081]")
    """Standard deviation of each channel, or one for all."""

    @field_validator("std")
    @classmethod
    def _is_positive(cls, std: tuple[float, ...]) -> tuple[float, ...]:
        if min(std) <= 0:
            raise ValueError(
                f"std must be > 0 in every channel (pixels between 0 and 1); got {list(std)}."
            )
        return std

    def per_channel(self, channels: int) -> tuple[Array, Array]:
        """Mean and standard deviation, float32 [channels] each.

        Raises:
            DataError: if there are neither 1 nor `channels` of them.
        """
        for key, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (1, channels):
                allowed = "1 entry" if channels == 1 else f"1 or {channels} entries"
                raise DataError(
                    f"normalize.{key} must have {allowed}, as the images have {channels} "
                    f"channel(s); got {list(values)}."
                )
        mean, std = np.asarray(self.mean, np.float32), np.asarray(self.std, np.float32)
        return np.broadcast_to(mean, channels), np.broadcast_to(std, channels)


class ImageDataset(Dataset):
    """A data set of images with one class each."""

    kind: ClassVar[Modality] = "image"
    # (training, test) examples, where every copy of the data set has the same number
    sizes: ClassVar[tuple[int, int] | None] = None

    normalize: Normalize | None = setting(None, example="{mean: [0.1307], std: [0.3081]}")
    """Mean and deviation of pixels between 0 and 1; null: those of the training examples."""
    augment: AnyAugmentation | None = setting(None, example="crop_flip")
    """Random changes of the training images, new in every epoch; null for none."""
    train_examples: int | None = setting(None, ge=1, unit="examples")
    """Train on this many, evenly spaced over the file; null for all."""
    test_examples: int | None = setting(None, ge=1, unit="examples")
    """Evaluate on this many, evenly spaced over the file; null for all."""

    def raw(self) -> Raw:
        """The images as they are stored."""
        raise NotImplementedError

    @property
    def train_examples_known(self) -> int | None:
        if self.sizes is None:
            return None
        return min(self.sizes[0], self.train_examples or self.sizes[0])

    def load(self, seed: int = 0) -> Data:
        """Float32 examples, normalised, and what is to be learnt of them.

        Nothing is drawn: `seed` is not used.

        Raises:
            DataError: if a file is missing or its content does not fit.
        """
        raw = self.raw()
        train = evenly_spaced(len(raw.x_train), self.train_examples)
        test = evenly_spaced(len(raw.x_test), self.test_examples)
        x_train, x_test = _pixels(raw.x_train[train], raw), _pixels(raw.x_test[test], raw)
        mean, std = self._statistics(x_train)
        for examples in (x_train, x_test):
            examples -= mean
            examples /= std
        classes = raw.target == "class"
        dtype = np.int32 if classes else np.float32
        y_train, y_test = raw.y_train.astype(dtype), raw.y_test.astype(dtype)
        found = int(max(y_train.max(), y_test.max())) + 1 if classes else 0
        return Data(
            name=str(getattr(self, "name", "images")),
            kind=raw.kind,
            target=raw.target,
            x_train=x_train,
            y_train=y_train[train],
            x_test=x_test,
            y_test=y_test[test],
            num_classes=len(raw.class_names) or found,
            class_names=raw.class_names,
            sampler=_augmented(self.augment, -mean / std),
        )

    def _statistics(self, x_train: Array) -> tuple[Array, Array]:
        channels = x_train.shape[-1]
        if self.normalize is not None:
            return self.normalize.per_channel(channels)
        mean = x_train.mean(axis=tuple(range(x_train.ndim - 1)), dtype=np.float64)
        # Not `x_train.std`: it would hold the whole data set once more, in float64.
        axes = "abcdefgh"[: x_train.ndim - 1] + "z"
        square = np.einsum(f"{axes},{axes}->z", x_train, x_train, dtype=np.float64)
        std = np.sqrt(np.maximum(square / (x_train.size / channels) - mean**2, 0))
        std[std < 1e-6] = 1.0  # a channel without variation stays as it is
        return mean.astype(np.float32), std.astype(np.float32)


def _pixels(images: Array, raw: Raw) -> Array:
    """A float32 copy; images are [example, height, width, channel], integers between 0 and 1."""
    if raw.kind == "array":
        return images.astype(np.float32)
    scale = 1.0 if np.issubdtype(raw.x_train.dtype, np.floating) else 1.0 / raw.white
    pixels = images.astype(np.float32)
    if scale != 1.0:
        pixels *= np.float32(scale)
    return pixels if pixels.ndim == 4 else pixels[..., np.newaxis]


def _augmented(augment: CropFlip | None, black: Array) -> Sampler | None:
    return None if augment is None else functools.partial(augment.fetch, black=black)
