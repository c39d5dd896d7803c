"""Numbers for TensorBoard, in event files."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from laser_phy.core.lazy_imports import require


class Events:
    """An event file, begun with its first numbers.

    A row is one event with all its scalars: a call of `tf.summary.scalar` each would take as long
    as a small round.

    Args:
        folder: for TensorBoard's `--logdir`.

    Raises:
        ImportError: TensorBoard is not installed.
    """

    def __init__(self, folder: Path) -> None:
        require("tensorboard", "tensorboard", "LinkMonitor(tensorboard=...)")
        self._folder = folder
        self._file: Any = None

    def scalars(self, rows: Sequence[Mapping[str, float]], step: str) -> None:
        """Write the numbers of each row as `STEP/NAME`, over its column `step`."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        for row in rows:
            numbers = {name: value for name, value in row.items() if name != step}
            values = [Summary.Value(tag=f"{step}/{n}", simple_value=v) for n, v in numbers.items()]
            self._write(Summary(value=values), int(row[step]))

    def histograms(self, arrays: Mapping[str, np.ndarray], step: int) -> None:
        """Write one histogram an array, of the elements that are finite."""
        from tensorboard.plugins.histogram.summary_v2 import histogram_pb

        for tag, array in arrays.items():
            self._write(histogram_pb(tag, array[np.isfinite(array)]), step)

    def flush(self) -> None:
        """Leave nothing in memory."""
        if self._file is not None:
            self._file.flush()

    def _write(self, summary: Any, step: int) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        if self._file is None:
            self._file = EventFileWriter(str(self._folder))
        self._file.add_event(Event(wall_time=time.time(), step=step, summary=summary))
