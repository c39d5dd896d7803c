"""A folder that one process at a time may work in.

The lock is the operating system's, on an open file: it goes when its holder dies, however it dies,
so that no lock is ever stale. Beside it stands who holds it, for the message to others.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from laser_phy.core.errors import Refusal
from laser_phy.core.files import write_whole


class LockedError(Refusal):
    """A folder that another process works in; the message says which."""


@contextlib.contextmanager
def locked(folder: Path, what: str, wait_s: float = 0.0) -> Iterator[None]:
    """Hold the folder's lock within the block.

    Args:
        folder: it must exist.
        what: what is done there, for the message: `sweep` or `run`.
        wait_s: how long to wait for another holder, who may be about to end.

    Raises:
        LockedError: another process holds it.
    """
    lock = FileLock(folder / f".{what}.lock")
    try:
        lock.acquire(timeout=wait_s, poll_interval=0.2)
    except Timeout:
        raise LockedError(_refusal(folder, what)) from None
    except OSError as error:
        raise LockedError(f"{folder}: cannot be locked: {error.strerror}.") from None
    try:
        me = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.time()}
        write_whole(_holder_file(folder, what), json.dumps(me))
        yield
    finally:
        _holder_file(folder, what).unlink(missing_ok=True)
        lock.release()


def holder(folder: Path, what: str) -> dict[str, Any] | None:
    """Who holds the lock, or held it when it was killed; None for nobody."""
    try:
        return dict(json.loads(_holder_file(folder, what).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None


def _refusal(folder: Path, what: str) -> str:
    known = holder(folder, what)
    who = "another process"
    if known is not None:
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(known["since"]))
        who = f"process {known['pid']} on {known['host']}, since {since},"
    return (
        f"{folder}: {who} is at work on the {what} in this folder. Wait until it has ended, or "
        "give another folder with --out."
    )


def _holder_file(folder: Path, what: str) -> Path:
    return folder / f".{what}.holder.json"
