"""The data that models learn from, how it is dealt out to workers, and the feed of batches.

Settings load at once and import nothing heavy; what runs on TensorFlow loads it on first use.
"""

from typing import Any

from laser_phy.core.kinds import Family
from laser_phy.data.augment import AnyAugmentation, CropFlip
from laser_phy.data.base import Data, DataError, Dataset
from laser_phy.data.digits import Digits
from laser_phy.data.downloads import Cifar10, Cifar100, Downloaded, FashionMnist, Mnist
from laser_phy.data.feed import Feed
from laser_phy.data.images import ImageDataset, Normalize
from laser_phy.data.npz import Npz
from laser_phy.data.partition import (
    AnyPartition,
    ByLabel,
    Dirichlet,
    Iid,
    Partition,
    check_batch,
    check_shards,
)
from laser_phy.data.partition_view import draw_split, label_counts, split_table
from laser_phy.data.text import Pydocs, TextDataset, TextFile, Wikitext103
from laser_phy.data.tokenizers import AnyTokenizer, Bpe, Bytes

KINDS = Family(
    "dataset", Dataset,
    Digits, Mnist, FashionMnist, Cifar10, Cifar100, Npz, Pydocs, TextFile, Wikitext103,
)  # fmt: skip
AnyDataset: Any = KINDS.field

__all__ = [
    "KINDS",
    "AnyAugmentation",
    "AnyDataset",
    "AnyPartition",
    "AnyTokenizer",
    "Bpe",
    "ByLabel",
    "Bytes",
    "Cifar10",
    "Cifar100",
    "CropFlip",
    "Data",
    "DataError",
    "Dataset",
    "Digits",
    "Dirichlet",
    "Downloaded",
    "FashionMnist",
    "Feed",
    "Iid",
    "ImageDataset",
    "Mnist",
    "Normalize",
    "Npz",
    "Partition",
    "Pydocs",
    "TextDataset",
    "TextFile",
    "Wikitext103",
    "check_batch",
    "check_shards",
    "draw_split",
    "label_counts",
    "split_table",
]
