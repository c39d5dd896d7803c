"""A process that does not outlive the one that started it, however that one ends."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with_parent(parent: int) -> None:
    """End this process when the process `parent`, which started it, ends; SIGKILL included.

    Two ways at once: on Linux the kernel sends SIGKILL as the starting thread ends; everywhere the
    parent holds the other end of standard input, which reads as ended when the parent is gone.

    Args:
        parent: its process id, as it gave it; it may have died before this call.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if hasattr(os, "getppid") and os.getppid() != parent:
        os._exit(1)
    threading.Thread(target=_wait_for_the_end, daemon=True, name="parent watch").start()


def _wait_for_the_end() -> None:
    try:
        while os.read(0, 1024):
            pass
    finally:
        os._exit(1)
