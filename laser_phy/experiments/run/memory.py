"""Memory that a training over the air must hold, by what it is for."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from laser_phy.training.over_the_air import OverTheAir


def held(model: OverTheAir) -> dict[str, int]:
    """Bytes of everything that lives through a round, activations and passing copies aside.

    Args:
        model: built and compiled.
    """
    codec = model.uplink.codec
    trainable = _bytes(model.model.trainable_variables)
    parts = {
        "weights": _bytes(model.model.variables),
        "optimizer": _bytes(model.optimizer.variables),
        "running mean": _bytes(model.mean_weights),
        "error feedback": _bytes([model.uplink.memory]),
        "messages": 4 * model.workers * codec.message_size,
        "a gradient and the mean": 2 * trainable,
        "replicas": _bytes(
            v for rows in (model.replicas.rows.values() if model.replicas else ()) for v in rows
        ),
    }
    return {name: size for name, size in parts.items() if size}


def in_words(parts: dict[str, int]) -> str:
    """`1.9 GB (weights 0.5, ...)`, the largest first."""
    scale, unit = (1e9, "GB") if sum(parts.values()) >= 1e9 else (1e6, "MB")
    largest = sorted(parts.items(), key=lambda item: -item[1])
    shown = ", ".join(f"{name} {size / scale:.3g}" for name, size in largest)
    return f"{sum(parts.values()) / scale:.3g} {unit} ({shown})"


def _bytes(variables: Iterable[Any]) -> int:
    return sum(math.prod(v.shape) * _size(str(v.dtype)) for v in variables)


def _size(dtype: str) -> int:
    return {"float64": 8, "int64": 8, "float16": 2, "bfloat16": 2, "bool": 1}.get(dtype, 4)
