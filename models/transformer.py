"""Layers of a transformer that Keras does not have in GPT-2's form."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("laser_phy")
class TiedEmbedding(layers.Layer):
    """A table E [vocabulary, width] that serves twice: tokens to vectors, vectors to logits.

    `layer(tokens)` is E[tokens]; `layer(x, reverse=True)` is x E^T.
    """

    def __init__(self, vocabulary: int, width: int, initializer: Any, **options: Any) -> None:
        super().__init__(**options)
        self.vocabulary = vocabulary
        self.width = width
        self.initializer = keras.initializers.get(initializer)

    def build(self, input_shape: Any) -> None:
        """Create the table."""
        self.table = self.add_weight(
            shape=(self.vocabulary, self.width), initializer=self.initializer, name="table"
        )
        self.built = True

    def call(self, inputs: Any, reverse: bool = False) -> Any:
        """Vectors [batch, position, width] of tokens [batch, position], or logits of vectors."""
        if reverse:
            return ops.matmul(inputs, ops.transpose(ops.convert_to_tensor(self.table)))
        return ops.take(self.table, inputs, axis=0)

    def get_config(self) -> dict[str, Any]:
        """What rebuilds the layer."""
        return super().get_config() | {
            "vocabulary": self.vocabulary,
            "width": self.width,
            "initializer": keras.initializers.serialize(self.initializer),
        }


@keras.saving.register_keras_serializable("laser_phy")
class Positions(layers.Layer):
    """Adds a learnt vector of its own to each position: x[b, t] + P[t]."""

    def __init__(self, initializer: Any, **options: Any) -> None:
        super().__init__(**options)
        self.initializer = keras.initializers.get(initializer)

    def build(self, input_shape: Any) -> None:
        """Create P [context, width]."""
        self.table = self.add_weight(
            shape=tuple(input_shape[1:]), initializer=self.initializer, name="table"
        )
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Vectors [batch, position, width], of the shape that came in."""
        return inputs + ops.cast(self.table, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """What rebuilds the layer."""
        return super().get_config() | {
            "initializer": keras.initializers.serialize(self.initializer)
        }


@keras.saving.register_keras_serializable("laser_phy")
class CausalAttention(layers.Layer):
    """softmax(Q K^T / sqrt(d) + mask) V in each head; no position sees a later one.

    The input holds Q, K and V side by side, [batch, position, 3 * width], as one projection
    makes them: a single matrix, which a compressor then sees as one. Has no weights.
    """

    def __init__(
        self, heads: int, dropout: float = 0.0, seed: int | None = None, **options: Any
    ) -> None:
        super().__init__(**options)
        self.heads = heads
        self.rate = dropout
        self.seed = seed
        self.dropout = layers.Dropout(dropout, seed=seed) if dropout > 0 else None

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Attended values [batch, position, width]."""
        context, triple = inputs.shape[1], inputs.shape[2]
        depth = triple // 3 // self.heads
        parts = ops.reshape(inputs, (-1, context, 3, self.heads, depth))
        query, key, value = (parts[:, :, i] for i in range(3))
        scores = ops.einsum("bqhd,bkhd->bhqk", query, key)  # head, query, key
        scores = ops.cast(scores, "float32") * depth**-0.5
        places = ops.arange(context)
        scores = ops.where(places[:, None] >= places[None, :], scores, -1e9)
        weights = ops.cast(ops.softmax(scores, axis=-1), self.compute_dtype)
        if self.dropout is not None:
            weights = self.dropout(weights, training=training)
        mixed = ops.einsum("bhqk,bkhd->bqhd", weights, value)
        return ops.reshape(mixed, (-1, context, triple // 3))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """A third of the input's width."""
        return (*input_shape[:-1], input_shape[-1] // 3)

    def get_config(self) -> dict[str, Any]:
        """What rebuilds the layer."""
        return super().get_config() | {
            "heads": self.heads,
            "dropout": self.rate,
            "seed": self.seed,
        }
