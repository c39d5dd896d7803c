"""A language model of GPT-2's shape (Radford et al., 2019)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import keras
from keras import layers

from laser_phy.models.initialisation import at_least, layer_seeds
from laser_phy.models.transformer import CausalAttention, Positions, TiedEmbedding


class Size(NamedTuple):
    """Sizes of a model."""

    layers: int
    heads: int
    embedding: int
    context: int
    vocabulary: int
    dropout: float


PRESETS = {
    "nano": Size(4, 4, 128, 128, 256, 0.0),
    "mini": Size(6, 6, 384, 256, 256, 0.1),
    "gpt2": Size(12, 12, 768, 512, 50304, 0.2),
}


def gpt(
    preset: str = "nano",
    *,
    layers: int | None = None,
    heads: int | None = None,
    embedding: int | None = None,
    context: int | None = None,
    vocabulary: int | None = None,
    dropout: float | None = None,
    seed: int | None = None,
    name: str = "gpt",
) -> keras.Model:
    """Decoder of GPT-2's shape: normalisation first, no biases, one table for both embeddings.

    | preset | layers | heads | embedding | context | vocabulary | dropout | parameters |
    |---|---|---|---|---|---|---|---|
    | `nano` | 4 | 4 | 128 | 128 | 256 | 0 | 836,736 |
    | `mini` | 6 | 6 | 384 | 256 | 256 | 0.1 | 10,818,432 |
    | `gpt2` | 12 | 12 | 768 | 512 | 50304 | 0.2 | 123,980,544 |

    Weights start normal with deviation 0.02, the two projections onto the residual stream of
    each layer with 0.02 / sqrt(2 layers), so that the stream's variance does not grow with depth.

    A saved model has layers that Keras does not know: write `from laser_phy.models import gpt`
    before `keras.models.load_model`.

    Args:
        preset: which sizes to start from; each of those below replaces one of them.
        layers: number of blocks of attention and feed-forward network.
        heads: heads of attention; must divide `embedding`.
        embedding: width of the residual stream.
        context: tokens of a sequence.
        vocabulary: number of tokens, and of logits.
        dropout: probability that a value is dropped in training.
        seed: fixes the initial weights and the dropout's generators; None draws new ones.
        name: the model's name.

    Returns:
        A functional model from tokens [batch, context] to logits [batch, context, vocabulary],
        those at position t for the token at t + 1.

    Raises:
        ValueError: if a size does not fit; says which.
    """
    if preset not in PRESETS:
        raise ValueError(f"preset must be one of {', '.join(PRESETS)}; got {preset!r}.")
    overrides = {
        "layers": layers,
        "heads": heads,
        "embedding": embedding,
        "context": context,
        "vocabulary": vocabulary,
        "dropout": dropout,
    }
    given = {key: value for key, value in overrides.items() if value is not None}
    size = PRESETS[preset]._replace(**given)  # type: ignore[arg-type]
    _check(size)
    return _build(size, layer_seeds(seed), name)


def _check(size: Size) -> None:
    units = {
        "layers": "blocks",
        "heads": "heads",
        "embedding": "width",
        "context": "tokens of a sequence",
        "vocabulary": "tokens",
    }
    for key, unit in units.items():
        at_least(key, getattr(size, key), 1, unit)
    if size.embedding % size.heads:
        raise ValueError(
            f"embedding must be a multiple of heads; got {size.embedding} and {size.heads}."
        )
    if not 0 <= size.dropout < 1:
        raise ValueError(f"dropout must be >= 0 and < 1 (probability); got {size.dropout}.")


def _build(size: Size, seeds: Iterator[int | None], name: str) -> keras.Model:
    tokens = keras.Input((size.context,), dtype="int32", name="tokens")
    table = TiedEmbedding(size.vocabulary, size.embedding, _normal(seeds), name="embedding")
    x = Positions(_normal(seeds), name="positions")(table(tokens))
    x = _drop(x, size, seeds, "embedding_dropout")
    for i in range(size.layers):
        x = _attention(x, size, seeds, f"layer{i}_attention")
        x = _feed_forward(x, size, seeds, f"layer{i}_feed_forward")
    logits = table(_normalise(x, "norm"), reverse=True)
    return keras.Model(tokens, logits, name=name)


def _attention(x: Any, size: Size, seeds: Iterator[int | None], name: str) -> Any:
    """x + W_o attention(W_qkv norm(x))."""
    y = _dense(3 * size.embedding, 1.0, seeds, f"{name}_qkv")(_normalise(x, f"{name}_norm"))
    y = CausalAttention(size.heads, size.dropout, next(seeds), name=name)(y)
    y = _dense(size.embedding, (2 * size.layers) ** -0.5, seeds, f"{name}_out")(y)
    return layers.Add(name=f"{name}_add")([x, _drop(y, size, seeds, f"{name}_dropout")])


def _feed_forward(x: Any, size: Size, seeds: Iterator[int | None], name: str) -> Any:
    """x + W_2 gelu(W_1 norm(x)), with four times the width between."""
    y = _dense(4 * size.embedding, 1.0, seeds, f"{name}_in", "gelu")(_normalise(x, f"{name}_norm"))
    y = _dense(size.embedding, (2 * size.layers) ** -0.5, seeds, f"{name}_out")(y)
    return layers.Add(name=f"{name}_add")([x, _drop(y, size, seeds, f"{name}_dropout")])


def _dense(
    units: int,
    scale: float,
    seeds: Iterator[int | None],
    name: str,
    activation: str | None = None,
) -> layers.Dense:
    return layers.Dense(
        units,
        activation=activation,
        use_bias=False,
        kernel_initializer=_normal(seeds, scale),
        name=name,
    )


def _normal(seeds: Iterator[int | None], scale: float = 1.0) -> keras.initializers.Initializer:
    return keras.initializers.RandomNormal(stddev=0.02 * scale, seed=next(seeds))


def _normalise(x: Any, name: str) -> Any:
    return layers.LayerNormalization(center=False, epsilon=1e-5, name=name)(x)


def _drop(x: Any, size: Size, seeds: Iterator[int | None], name: str) -> Any:
    seed = next(seeds)
    return layers.Dropout(size.dropout, seed=seed, name=name)(x) if size.dropout > 0 else x
