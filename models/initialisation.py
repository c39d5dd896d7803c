"""Initial weights that are a pure function of a seed."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator


def layer_seeds(seed: int | None) -> Iterator[int | None]:
    """One seed after another for the layers of a model, all fixed by `seed`.

    Layers with equal seeds and shapes would start with equal weights, and `seed + i` would give
    the models of neighbouring seeds the same layers one place further on: hence the hash.

    Args:
        seed: any integer, or None for weights that differ from call to call.

    Yields:
        Integers in [0, 2^31), or None for ever.
    """
    if seed is None:
        yield from itertools.repeat(None)
    for layer in itertools.count():
        yield zlib.crc32(f"{seed}/{layer}".encode()) & 0x7FFFFFFF


def at_least(name: str, value: int, bound: int, unit: str) -> None:
    """Refuse a size that is not an integer or lies below its bound.

    Raises:
        ValueError: with name, bound, unit and value.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < bound:
        raise ValueError(f"{name} must be an integer >= {bound} ({unit}); got {value!r}.")
