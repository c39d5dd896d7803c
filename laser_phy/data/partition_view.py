"""A split over workers, printed as a table and drawn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from laser_phy.core.figures import new_figure
from laser_phy.data.base import Array, Data
from laser_phy.data.partition import Shards

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.table import Table

_COLUMNS = 12  # classes that fit side by side on a terminal


def label_counts(labels: Array, shards: Shards, num_classes: int) -> NDArray[np.int64]:
    """How many examples of each class each worker has, [worker, class].

    Args:
        labels: the class of each example, [example].
        shards: the examples of each worker.
        num_classes: number of classes.
    """
    return np.stack([np.bincount(labels[shard], minlength=num_classes) for shard in shards])


def split_table(
    labels: Array, shards: Shards, num_classes: int, class_names: tuple[str, ...] = ()
) -> Table:
    """A table to print with rich: a row a worker, then what was left out.

    Args:
        labels: [example] for classes, [example, ...] for text.
        shards: the examples of each worker.
        num_classes: number of classes; not looked at for text.
        class_names: names of the classes; numbers where there are none.

    Returns:
        Examples of each worker, and how many of each class; with many classes, how many classes
        a worker has and the commonest; for text, the examples alone.
    """
    from rich.table import Table

    used = sum(len(shard) for shard in shards)
    left_out = len(labels) - used
    table = Table(
        title=f"{used} training examples over {len(shards)} workers; {left_out} left out",
        title_justify="left",
    )
    rows = _rows(labels, shards, num_classes, class_names)
    for i, header in enumerate(rows[0]):
        table.add_column(header, justify="left" if i == 0 else "right")
    for row in rows[1:]:
        table.add_row(*row)
    return table


def draw_split(
    labels: Array, shards: Shards, num_classes: int, class_names: tuple[str, ...] = ()
) -> Figure:
    """Stacked bars: for each worker its examples, by class.

    Args:
        labels: [example] for classes, [example, ...] for text, which gets plain bars.
        shards: the examples of each worker.
        num_classes: number of classes.
        class_names: names of the classes; numbers where there are none.

    Returns:
        A figure of its own, outside pyplot's state; `figure.savefig(path)` writes it.
    """
    import matplotlib as mpl
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(8, 4)
    axes = figure.subplots()
    workers = np.arange(len(shards))
    if _are_classes(labels):
        counts = label_counts(labels, shards, num_classes)
        colours = mpl.colormaps["viridis" if num_classes > 10 else "tab10"]
        names = class_names or tuple(str(i) for i in range(num_classes))
        floor = np.zeros(len(shards), np.int64)
        for i, column in enumerate(counts.T):
            colour = colours(i / max(num_classes - 1, 1) if num_classes > 10 else i)
            axes.bar(workers, column, bottom=floor, color=colour, width=0.9, label=names[i])
            floor += column
        if num_classes <= 20:
            handles, text = axes.get_legend_handles_labels()
            figure.legend(handles[::-1], text[::-1], loc="outside right upper", title="class")
    else:
        axes.bar(workers, [len(shard) for shard in shards], width=0.9)
    axes.set(xlabel="worker", ylabel="training examples", xlim=(-0.7, len(shards) - 0.3))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def _rows(
    labels: Array, shards: Shards, num_classes: int, class_names: tuple[str, ...]
) -> list[list[str]]:
    """The header, a row a worker."""
    sizes = [[str(worker), str(len(shard))] for worker, shard in enumerate(shards)]
    if not _are_classes(labels):
        return [["worker", "examples"], *sizes]
    names = class_names or tuple(str(i) for i in range(num_classes))
    counts = label_counts(labels, shards, num_classes)
    if num_classes <= _COLUMNS:
        cells: list[list[Any]] = [[str(n) if n else "·" for n in row] for row in counts]
        header = list(names)
    else:
        header = ["classes", "commonest"]
        cells = [
            [str(np.count_nonzero(row)), f"{names[row.argmax()]} ({row.max()})"] for row in counts
        ]
    return [
        ["worker", "examples", *header],
        *(size + cell for size, cell in zip(sizes, cells, strict=True)),
    ]


def _are_classes(labels: Array) -> bool:
    return labels.ndim == 1 and np.issubdtype(labels.dtype, np.integer)


def table(data: Data, shards: Sequence[Array]) -> Table:
    """A row a worker; arguments as for `draw`."""
    whole = [shard.astype(np.int64) for shard in shards]
    return split_table(data.y_train, whole, data.num_classes, data.class_names)


def draw(data: Data, shards: Sequence[Array], path: Path) -> None:
    """Bars, a worker each, in a file.

    Args:
        data: that is dealt out.
        shards: the training examples of each worker.
        path: of the picture.
    """
    whole = [shard.astype(np.int64) for shard in shards]
    figure = draw_split(data.y_train, whole, data.num_classes, data.class_names)
    figure.savefig(path, dpi=110)
