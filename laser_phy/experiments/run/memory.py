"""Memory that a training over the air must hold, by what it is for."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from laser_phy.core.lazy import tf
from laser_phy.core.numbers import size

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
    return {name: count for name, count in parts.items() if count}


def in_words(parts: dict[str, int]) -> str:
    """`1.9 GB (weights 500.0 MB, ...)`, the largest first."""
    largest = sorted(parts.items(), key=lambda item: -item[1])
    shown = ", ".join(f"{name} {size(count)}" for name, count in largest)
    return f"{size(sum(parts.values()))} ({shown})"


def _bytes(variables: Iterable[Any]) -> int:
    return sum(math.prod(v.shape) * tf.as_dtype(v.dtype).size for v in variables)
