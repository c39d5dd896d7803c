"""What kinds that users bring are held to while they run: shapes when traced, numbers in a round.

Kinds that ship pass through unchanged: their contract is tested, and a check costs time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from laser_phy.core.errors import Refusal
from laser_phy.core.kinds import FAMILIES, Kind, ships
from laser_phy.core.lazy import tf

MARK = "broke its contract"
MORE = "laser_phy.testing has the whole contract."


class ContractError(Refusal):
    """A kind did what it must not; the message names the kind and the rule."""


def word_of(kind: Kind) -> str:
    """What the kind is called, such as `compressor 'top_k'`."""
    word = next((one.word for one in FAMILIES if isinstance(kind, one.base)), "kind")
    return f"{word} {kind.name!r}"


def brought(kind: Kind) -> bool:
    """A user's, and none of those that ship."""
    return not ships(type(kind))


def check_shape(kind: Kind, what: str, tensor: Any, shape: Sequence[int | None], dtype: str) -> Any:
    """`tensor`, of the shape and type that were promised.

    Args:
        kind: that gave it.
        what: it is, for the message.
        tensor: as it came.
        shape: expected; None for a length that is not known when traced.
        dtype: expected.

    Raises:
        ContractError: it has another.
    """
    if not brought(kind):
        return tensor
    tensor = tf.convert_to_tensor(tensor)
    fits = tensor.shape.is_compatible_with(shape) and tensor.dtype.name == dtype
    if not fits:
        raise ContractError(
            f"{word_of(kind)} {MARK}: {what} must be {dtype} of shape {list(shape)}; got "
            f"{tensor.dtype.name} of shape {tensor.shape}. {MORE}"
        )
    return tf.ensure_shape(tensor, shape)


def check_finite(kind: Kind, what: str, tensor: Any) -> Any:
    """`tensor`, which ends the round with a sentence if it has NaN or infinity."""
    if not brought(kind):
        return tensor
    parts = [tf.math.real(tensor), tf.math.imag(tensor)] if tensor.dtype.is_complex else [tensor]
    finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(part)) for part in parts])
    return hold(kind, f"{what} must be finite, and has NaN or infinite values", finite, tensor)


def hold(kind: Kind, rule: str, condition: Any, tensor: Any) -> Any:
    """`tensor`, which ends the round with a sentence unless `condition` (bool scalar)."""
    if not brought(kind):
        return tensor
    sentence = f"{word_of(kind)} {MARK}: {rule}. {MORE}"
    with tf.control_dependencies([tf.debugging.Assert(condition, [sentence])]):
        return tf.identity(tensor)


def sentence_in(error: Exception) -> str | None:
    """The sentence of `hold` in what TensorFlow raises for it; None if there is none."""
    text = str(error).replace("\\'", "'")  # as TensorFlow writes it
    found = re.search(rf"[\w.]+ '[^'\n]*' {MARK}: .*?{re.escape(MORE)}", text)
    return found.group() if found else None
