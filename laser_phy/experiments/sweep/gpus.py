"""The GPUs of a machine, dealt out to the runs there."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator, Sequence


class Gpus:
    """Gives every run the GPU that the fewest use; may be called from several threads.

    Args:
        names: as CUDA_VISIBLE_DEVICES has them; those of this machine unless given.
        most: blocks of `one` at the same time, however many there are; the next one waits.
    """

    def __init__(self, names: Sequence[str] | None = None, most: int | None = None) -> None:
        self.names = list(visible() if names is None else names)
        self._turn = threading.Semaphore(most) if most is not None else contextlib.nullcontext()
        self._used: Counter[str] = Counter()
        self._lock = threading.Lock()

    def take(self) -> str | None:
        """The freest one, None where there is none."""
        with self._lock:
            name = min(self.names, key=lambda one: self._used[one], default=None)
            if name is not None:
                self._used[name] += 1
            return name

    @contextlib.contextmanager
    def one(self) -> Iterator[str | None]:
        """One within the block."""
        with self._turn:
            name = self.take()
            try:
                yield name
            finally:
                self.give_back(name)

    def give_back(self, name: str | None) -> None:
        """What `take` gave is not needed any more."""
        if name is not None:
            with self._lock:
                self._used[name] -= 1


def visible() -> list[str]:
    """The GPUs that TensorFlow would see here, as CUDA_VISIBLE_DEVICES names them."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [name for name in chosen.split(",") if name and name != "-1"]
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return []
    lines = [line for line in listed.stdout.splitlines() if line.startswith("GPU ")]
    return [str(index) for index in range(len(lines))]
