"""Ctrl-C: while training, stop after the round under way; otherwise, and the second time, at once.

An exception in the middle of a round or of a file would lose what has not been written. A mark that
training looks at between rounds loses nothing.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Self

_SAID = b"\nStopping after this round, as soon as it is traced. Ctrl-C again stops at once.\n"


class Interruption:
    """Takes Ctrl-C within the block, where it would raise KeyboardInterrupt by default.

    Outside the main thread, and where somebody else takes it already, it stays as it is.

    Args:
        quiet: do not say that it was seen.

    Attributes:
        requested: training is to stop after the round under way.
    """

    def __init__(self, quiet: bool = False) -> None:
        self.requested = False
        self._quiet = quiet
        self._gentle = self._raised = self._installed = False

    def __enter__(self) -> Self:
        here = threading.current_thread() is threading.main_thread()
        self._installed = here and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self._installed:
            signal.signal(signal.SIGINT, self._take)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if self._raised and error is not None and not isinstance(error, KeyboardInterrupt):
            # Libraries that are interrupted as they load fail in ways of their own.
            raise KeyboardInterrupt from error

    @contextlib.contextmanager
    def between_rounds(self) -> Iterator[None]:
        """Within the block the first Ctrl-C only sets `requested`."""
        self._gentle = True
        try:
            yield
        finally:
            self._gentle = False

    def _take(self, number: int, frame: FrameType | None) -> None:
        if self._gentle and not self.requested:
            self.requested = True
            if not self._quiet:
                os.write(2, _SAID)  # print may be under way, and takes no second call
            return
        self._raised = True
        raise KeyboardInterrupt
