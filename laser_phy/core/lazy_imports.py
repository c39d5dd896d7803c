"""Libraries that are not installed with the package, asked for before work begins."""

from __future__ import annotations

import importlib.util

from laser_phy.core.errors import Refusal


class MissingExtra(Refusal, ImportError):
    """A library that something needs is not installed; the message has the command that does."""


def require(library: str, extra: str, what: str) -> None:
    """Refuse now what would fail later.

    Args:
        library: name of its import.
        extra: of laser-phy's, that brings it.
        what: needs it.

    Raises:
        MissingExtra: it is not installed.
    """
    if importlib.util.find_spec(library) is None:
        raise MissingExtra(f"{what} needs {library}: pip install 'laser-phy[{extra}]'.")
