"""Random changes of training images, each a pure function of a key."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from laser_phy.core.kinds import Family, Kind
from laser_phy.core.lazy import tf
from laser_phy.core.settings import setting
from laser_phy.data.base import Array, Batch, Fetch


class Augmentation(Kind):
    """Settings of a random change of training images."""


class CropFlip(Augmentation):
    """Pad with black, cut a random window of the image's own size, mirror half of the images."""

    name: Literal["crop_flip"] = "crop_flip"
    padding: int = setting(4, ge=0, le=1024, unit="pixels on each side")
    """Black border from which the window may take; 4 is usual for 32x32."""
    flip: bool = setting(True)
    """Mirror each image left to right with probability 1/2."""

    def apply(self, images: Any, key: Any, black: Array) -> Any:
        """The changed images.

        Args:
            images: float32 [image, height, width, channel].
            key: int32 [2]; equal keys give equal changes.
            black: float32 [channel], the value of a black pixel after normalisation.

        Returns:
            Tensor of the shape of `images`.
        """
        count, height, width = tf.shape(images)[0], images.shape[1], images.shape[2]
        draws = tf.random.stateless_uniform((3, count), key)
        offsets = tf.cast(draws[:2] * (2 * self.padding + 1), tf.int32)
        rows = offsets[0][:, tf.newaxis] + tf.range(height)
        columns = tf.range(width)[tf.newaxis, :]
        if self.flip:
            columns = tf.where(draws[2][:, tf.newaxis] < 0.5, columns, width - 1 - columns)
        columns = offsets[1][:, tf.newaxis] + columns
        border = (self.padding, self.padding)
        padded = tf.pad(images - black, ((0, 0), border, border, (0, 0)))
        cut = tf.gather(padded, rows, axis=1, batch_dims=1)
        return tf.gather(cut, columns, axis=2, batch_dims=1) + black

    def fetch(self, x: Array, y: Array, black: Array) -> Fetch:
        """Batches of `x` [example, height, width, channel] with `y` [example], changed."""
        images, labels = in_memory(x), in_memory(y)
        border = np.asarray(black, np.float32)

        def fetch(indices: Any, key: Any) -> Batch:
            batch = tf.gather(images, indices)
            return self.apply(batch, key, border), tf.gather(labels, indices)

        return fetch


KINDS = Family("augmentation", Augmentation, CropFlip)
AnyAugmentation: Any = KINDS.field


def plain(x: Array, y: Array) -> Fetch:
    """Batches of `x` and `y` as they are."""
    examples, labels = in_memory(x), in_memory(y)
    return lambda indices, key: (tf.gather(examples, indices), tf.gather(labels, indices))


def in_memory(values: Array) -> Any:
    """A tensor in the host's memory: whole data sets do not belong on an accelerator."""
    with tf.device("CPU:0"):
        return tf.convert_to_tensor(values)
