"""Files that appear whole or not at all, and what is said where they cannot be written."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


class DiskError(RuntimeError):
    """A disk that is full or fails; the message says what became of the files."""


@contextlib.contextmanager
def writing(what: Path) -> Iterator[None]:
    """Turn the system's errors within the block into a sentence about `what`.

    Raises:
        DiskError: it cannot be written.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:  # h5py raises either
        if isinstance(error, DiskError):
            raise
        raise DiskError(
            f"{what}: cannot be written: {_reason(error)}. What was there before is whole. Make "
            "room, and start the same command again: it goes on from the last checkpoint."
        ) from error


def write_whole(path: Path, text: str) -> None:
    """Write a text file so that readers see the old one or the new one, never a part.

    Raises:
        OSError: it cannot be written; the old one is as it was.
    """

    def write(part: Path) -> None:
        with part.open("w", encoding="utf-8", newline="") as file:
            file.write(text)

    replace_whole(path, write)


def replace_whole(path: Path, write: Callable[[Path], Any]) -> str:
    """Have `write` make a file elsewhere, and put it, safe on the disk, in the place of `path`.

    A power cut at any moment leaves the old file or the new one.

    Args:
        path: the file.
        write: makes the file it is given; its name has the suffixes of `path`.

    Returns:
        SHA-256 of the file.
    """
    part = path.with_name(f".{os.getpid()}.part.{path.name}")
    try:
        write(part)
        digest = sha256(part)
        sync(part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    sync(path.parent)
    return digest


def parts(folder: Path) -> list[Path]:
    """What killed processes left half written in a folder."""
    return [file for file in folder.glob(".*.part.*") if file.is_file()]


def sync(path: Path) -> None:
    """See to it that a file, or the names in a folder, are on the disk."""
    if path.is_dir() and os.name == "nt":  # folders cannot be opened there
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _reason(error: Exception) -> str:
    """The system's words for what went wrong; h5py has its number in a long text."""
    found = re.search(r"errno = (\d+)", str(error))
    number = getattr(error, "errno", None) or (int(found.group(1)) if found else None)
    return os.strerror(number) if number else str(error)
