"""Numbers as people read them: times, sizes, metrics, energies."""

from __future__ import annotations

import math

from rich.filesize import decimal

from laser_phy.core.metric_names import is_share


def number(value: float | None, digits: int = 3) -> str:
    """A number as people write it: 3 significant digits, no exponent where it can be helped."""
    if value is None:
        return "not finite"
    if value == 0 or 1e-4 <= abs(value) < 1e6:
        text = f"{float(f'{value:.{digits}g}'):,f}".rstrip("0").rstrip(".")
        return text if text not in ("", "-") else "0"
    return f"{value:.{digits}g}"


def metric(name: str, value: float | None) -> str:
    """A metric: shares in %, others as numbers."""
    if value is None:
        return "not finite"
    return f"{100 * value:.1f} %" if is_share(name) else number(value, digits=4)


def clock(seconds: float) -> str:
    """A time as h:mm:ss or m:ss."""
    if not math.isfinite(seconds):
        return "?"
    minutes, second = divmod(max(0, round(seconds)), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"


def duration(seconds: float) -> str:
    """A time as 415 ms or 1.2 s."""
    return f"{seconds:.3g} s" if seconds >= 1 else f"{1e3 * seconds:.3g} ms"


def size(count: float) -> str:
    """Bytes, such as 1.9 GB."""
    return decimal(round(count))
