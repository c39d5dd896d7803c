"""Tables in CSV files that grow row by row, and that a resumed run goes on with."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from laser_phy.core.files import replace_whole


def append(table: Path, rows: Sequence[Mapping[str, Any]]) -> None:
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


def keep(table: Path, wanted: Callable[[dict[str, str]], bool]) -> list[dict[str, str]]:
    """Leave the rows that are whole and wanted, which are returned; without any, no file."""
    rows = [row for row in whole_rows(table) if wanted(row)]
    if not rows:
        table.unlink(missing_ok=True)
        return []
    replace_whole(table, lambda part: append(part, rows))
    return rows
