"""How a scenario's examples are dealt out, for people to see: a table, and `split.png`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from laser_phy.data import Downloaded
from laser_phy.data.base import Array
from laser_phy.data.partition import Shards
from laser_phy.data.partition_view import draw_split, split_table

if TYPE_CHECKING:
    from rich.table import Table

    from laser_phy.experiments.run.experiment import PartitionedData
    from laser_phy.experiments.scenario import Scenario


def is_worth_a_look(scenario: Scenario) -> bool:
    """The workers have different kinds or numbers of examples."""
    return not scenario.task.partition.equal


def needs_no_download(scenario: Scenario) -> bool:
    """The data is on this machine, or a message says that it is not, without a library's help."""
    return not isinstance(scenario.task.dataset, Downloaded)


def table(dealt: PartitionedData) -> Table:
    """A row a worker."""
    return split_table(*_dealt(dealt))


def draw(dealt: PartitionedData, path: Path) -> None:
    """Bars, a worker each, in a file."""
    draw_split(*_dealt(dealt)).savefig(path, dpi=110)


def _dealt(dealt: PartitionedData) -> tuple[Array, Shards, int, tuple[str, ...]]:
    """Labels, shards, number and names of classes."""
    data = dealt.data
    shards = [shard.astype(np.int64) for shard in dealt.feed.shards]
    return data.y_train, shards, data.num_classes, data.class_names
