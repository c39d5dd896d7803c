"""The image data sets that Keras downloads once and keeps."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import ClassVar, Literal

from laser_phy.data.base import DataError
from laser_phy.data.images import ImageDataset, Raw

_MIRROR = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
_TORONTO = "https://www.cs.toronto.edu/~kriz/"


class Downloaded(ImageDataset):
    """A data set behind `keras.datasets.<module>.load_data()` and its cache."""

    with_keras: ClassVar[bool] = True

    module: ClassVar[str]
    # what to fetch by hand -> where it belongs in Keras' cache
    files: ClassVar[dict[str, str]]
    classes: ClassVar[tuple[str, ...]] = ()

    def raw(self) -> Raw:
        source = importlib.import_module(f"keras.datasets.{self.module}")
        try:
            (x_train, y_train), (x_test, y_test) = source.load_data()
        except Exception as error:  # Keras raises a bare Exception where a download fails
            home = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "datasets"
            steps = "\n".join(f"  {url}\n    as {home / p}" for url, p in self.files.items())
            raise DataError(
                f"{self.module} is not in Keras' cache and could not be downloaded "
                f"({_first_line(error)}). Fetch on a machine with network:\n{steps}\n"
                "or use data that needs no download: {name: digits}, or {name: npz, path: ...}."
            ) from error
        return Raw(x_train, y_train.reshape(-1), x_test, y_test.reshape(-1), self.classes)


class Mnist(Downloaded):
    """70,000 handwritten digits of 28x28 grey pixels: 60,000 train, 10,000 test."""

    name: Literal["mnist"] = "mnist"
    module: ClassVar[str] = "mnist"
    sizes: ClassVar[tuple[int, int] | None] = (60_000, 10_000)
    files: ClassVar[dict[str, str]] = {f"{_MIRROR}mnist.npz": "mnist.npz"}
    classes: ClassVar[tuple[str, ...]] = tuple("0123456789")


class FashionMnist(Downloaded):
    """70,000 pictures of clothes of 28x28 grey pixels: 60,000 train, 10,000 test."""

    name: Literal["fashion_mnist"] = "fashion_mnist"
    module: ClassVar[str] = "fashion_mnist"
    sizes: ClassVar[tuple[int, int] | None] = (60_000, 10_000)
    files: ClassVar[dict[str, str]] = {
        f"{_MIRROR}{part}-ubyte.gz": f"fashion-mnist/{part}-ubyte.gz"
        for part in (
            "train-images-idx3",
            "train-labels-idx1",
            "t10k-images-idx3",
            "t10k-labels-idx1",
        )
    }
    classes: ClassVar[tuple[str, ...]] = (
        "T-shirt",
        "trousers",
        "pullover",
        "dress",
        "coat",
        "sandal",
        "shirt",
        "sneaker",
        "bag",
        "boot",
    )


class Cifar10(Downloaded):
    """60,000 photographs of 32x32 colour pixels in 10 classes: 50,000 train, 10,000 test."""

    name: Literal["cifar10"] = "cifar10"
    module: ClassVar[str] = "cifar10"
    sizes: ClassVar[tuple[int, int] | None] = (50_000, 10_000)
    files: ClassVar[dict[str, str]] = {
        f"{_TORONTO}cifar-10-python.tar.gz": "cifar-10-batches-py-target_archive"
    }
    classes: ClassVar[tuple[str, ...]] = (
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    )


class Cifar100(Downloaded):
    """60,000 photographs of 32x32 colour pixels in 100 classes: 50,000 train, 10,000 test."""

    name: Literal["cifar100"] = "cifar100"
    module: ClassVar[str] = "cifar100"
    sizes: ClassVar[tuple[int, int] | None] = (50_000, 10_000)
    files: ClassVar[dict[str, str]] = {
        f"{_TORONTO}cifar-100-python.tar.gz": "cifar-100-python-target_archive"
    }


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines() or [type(error).__name__]
    return lines[0][:200]
