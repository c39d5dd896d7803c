"""Sequences of tokens cut from a long text."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from laser_phy.core.lazy import tf
from laser_phy.data.augment import in_memory
from laser_phy.data.base import Array, Batch, DataError, Fetch


def windows(
    tokens: NDArray[np.int32], context: int, part: str
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Sequences that follow each other without overlap, and for each token the next one.

    Args:
        tokens: [position]
        context: tokens of a sequence.
        part: what the tokens are, for the error message.

    Returns:
        x and y, int32 [sequence, context] each, y[i, t] being the token after x[i, t]. Tokens at
        the end that do not fill a sequence are left out.

    Raises:
        DataError: if there are not enough tokens for one sequence.
    """
    sequences = (len(tokens) - 1) // context
    if sequences < 1:
        raise DataError(
            f"context must be < {len(tokens)}, the tokens of the {part} text; got {context}."
        )
    used = sequences * context
    shape = (sequences, context)
    return tokens[:used].reshape(shape), tokens[1 : used + 1].reshape(shape)


def random_windows(x: Array, y: Array) -> Fetch:
    """Batches in which every sequence starts up to `context` - 1 tokens later than in `x`.

    So every token of the text starts a sequence sooner or later, and each worker still reads its
    own part of the text, up to the length of one sequence.

    Args:
        x: tokens [sequence, context], sequences that follow each other in the text.
        y: the token after each, [sequence, context].
    """
    context = x.shape[1]
    text = in_memory(np.concatenate([x.ravel(), y[-1, -1:]]))
    last = x.size - context

    def fetch(indices: Any, key: Any) -> Batch:
        late = tf.random.stateless_uniform(tf.shape(indices), key, 0, context, tf.int32)
        starts = tf.minimum(indices * context + late, last)
        drawn = tf.gather(text, starts[:, tf.newaxis] + tf.range(context + 1))
        return drawn[:, :-1], drawn[:, 1:]

    return fetch
