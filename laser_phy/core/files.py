"""Files that appear whole or not at all, tables that grow, and what is said on a full disk."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
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


def append_rows(table: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add rows; the first ones give the columns.

    Raises:
        ValueError: rows that have columns which the table has not.
    """
    if not rows:
        return
    with table.open("a+", newline="", encoding="utf-8") as file:
        file.seek(0)
        columns = next(csv.reader(file), None)
        writer = csv.DictWriter(file, fieldnames=columns or list(rows[0]), lineterminator="\n")
        if columns is None:
            writer.writeheader()
        elif other := [name for name in rows[0] if name not in columns]:
            raise ValueError(
                f"{table}: is a table of other columns, without {', '.join(other)}. Give another "
                "file, or remove this one."
            )
        writer.writerows(rows)


def whole_rows(table: Path) -> list[dict[str, str]]:
    """The rows as they are written; one that was cut off is left out, and no file has none."""
    if not table.is_file():
        return []
    with table.open(newline="", encoding="utf-8", errors="replace") as file:
        return [row for row in csv.DictReader(file) if None not in (*row, *row.values())]


def keep_rows(table: Path, wanted: Callable[[dict[str, str]], bool]) -> list[dict[str, str]]:
    """Leave the rows that are whole and wanted, which are returned; without any, no file."""
    rows = [row for row in whole_rows(table) if wanted(row)]
    if not rows:
        table.unlink(missing_ok=True)
        return []
    replace_whole(table, lambda part: append_rows(part, rows))
    return rows


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
