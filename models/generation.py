"""Text that a language model writes on."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from laser_phy.models.initialisation import at_least


def generate(
    model: keras.Model,
    prompt_tokens: Any,
    length: int,
    temperature: float = 1.0,
    seed: int = 0,
    vocabulary: int | None = None,
    context: int | None = None,
) -> NDArray[np.int32]:
    """Append tokens to a prompt, each drawn from softmax(logits / temperature).

    The model sees the last `context` tokens. The same arguments give the same tokens.

    Args:
        model: from tokens [batch, context] to logits [batch, context, vocabulary], as `gpt` gives.
        prompt_tokens: at least one token, [position].
        length: number of tokens to append.
        temperature: 1 draws from the model's own probabilities, less is safer, 0 always takes
            the most probable token.
        seed: fixes the draws.
        vocabulary: draw from this many tokens only, where the model has more logits than the
            tokenizer has tokens.
        context: tokens that the model takes; None reads it off the model, which a subclassed one
            does not tell.

    Returns:
        The prompt and what was appended, int32 [position].

    Raises:
        ValueError: if the prompt is empty or not [position], or a number is out of its bounds.
    """
    tokens = np.asarray(prompt_tokens)
    if tokens.ndim != 1 or tokens.size == 0 or not np.issubdtype(tokens.dtype, np.integer):
        raise ValueError(
            "prompt_tokens must be integers of shape [position], one at least; "
            f"got {tokens.dtype} of shape {tokens.shape}."
        )
    at_least("length", length, 0, "tokens")
    if not temperature >= 0:
        raise ValueError(f"temperature must be >= 0; got {temperature}.")
    context = int(model.input_shape[1]) if context is None else context
    at_least("context", context, 1, "tokens of a sequence")
    rng = np.random.default_rng(seed)
    written = np.concatenate([tokens.astype(np.int32), np.zeros(length, np.int32)])
    for end in range(len(tokens), len(written)):
        seen = written[max(0, end - context) : end]
        # Padding behind the last token changes nothing before it: the model is causal.
        padded = np.pad(seen, (0, context - len(seen)))[np.newaxis]
        logits = np.asarray(model.predict_on_batch(padded))[0, len(seen) - 1, :vocabulary]
        written[end] = _draw(logits.astype(np.float64), temperature, rng)
    return written


def _draw(logits: NDArray[np.float64], temperature: float, rng: np.random.Generator) -> int:
    """One token: the largest of logits / temperature plus Gumbel noise is a softmax's draw."""
    noise = rng.gumbel(size=logits.shape)
    return int(np.argmax(logits if temperature == 0 else logits / temperature + noise))
