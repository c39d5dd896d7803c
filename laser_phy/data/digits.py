"""scikit-learn's handwritten digits, which need no download."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from laser_phy.data.images import ImageDataset, Raw


class Digits(ImageDataset):
    """1,797 real handwritten digits of 8x8 pixels with 17 levels of grey, 0 to 16.

    1,437 of them train and 360 test, always the same ones: a fixed permutation is sorted by
    class, and every fifth example is a test example, so that both parts have all classes in
    equal shares. (The last fifth of the file would be other writers than the first.)
    """

    name: Literal["digits"] = "digits"
    sizes: ClassVar[tuple[int, int] | None] = (1437, 360)

    def raw(self) -> Raw:
        from sklearn.datasets import load_digits

        bunch = load_digits()
        images, labels = bunch.images.astype(np.uint8), bunch.target
        # RandomState: its streams are frozen, those of a Generator may change with NumPy.
        order = np.random.RandomState(0).permutation(len(labels))
        order = order[np.argsort(labels[order], kind="stable")]
        is_test = np.arange(len(order)) % 5 == 0
        train, test = np.sort(order[~is_test]), np.sort(order[is_test])
        return Raw(
            images[train],
            labels[train],
            images[test],
            labels[test],
            class_names=tuple(str(digit) for digit in range(10)),
            white=16.0,
        )
