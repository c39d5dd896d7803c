"""The two smallest models: one linear layer, and a perceptron with hidden layers."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers

from laser_phy.models.initialisation import at_least, layer_seeds


def linear(
    input_shape: tuple[int, ...],
    num_classes: int,
    seed: int | None = None,
    name: str = "linear",
) -> keras.Model:
    """Softmax regression: logits = flatten(x) W + b; 7,850 parameters on MNIST.

    Args:
        input_shape: shape of one example.
        num_classes: number of logits.
        seed: fixes the initial weights; None draws new ones.
        name: the model's name.

    Returns:
        A functional model from [batch, *input_shape] to logits [batch, num_classes].

    Raises:
        ValueError: if `num_classes` is below 1.
    """
    return mlp(input_shape, num_classes, hidden=(), seed=seed, name=name)


def mlp(
    input_shape: tuple[int, ...],
    num_classes: int,
    hidden: Sequence[int] = (128,),
    seed: int | None = None,
    name: str = "mlp",
) -> keras.Model:
    """Dense layers with ReLU between them, on the flattened example.

    Args:
        input_shape: shape of one example.
        num_classes: number of logits.
        hidden: units of each hidden layer, from the input to the output.
        seed: fixes the initial weights; None draws new ones.
        name: the model's name.

    Returns:
        A functional model from [batch, *input_shape] to logits [batch, num_classes].

    Raises:
        ValueError: if `num_classes` or a hidden layer is below 1.
    """
    at_least("num_classes", num_classes, 1, "logits")
    seeds = layer_seeds(seed)
    example = keras.Input(input_shape, name="example")
    x = layers.Flatten(name="flatten")(example)
    for i, units in enumerate(hidden):
        at_least(f"hidden[{i}]", units, 1, "units")
        x = layers.Dense(
            units,
            activation="relu",
            kernel_initializer=keras.initializers.HeNormal(seed=next(seeds)),
            name=f"hidden{i}",
        )(x)
    logits = layers.Dense(
        num_classes,
        # Uniform within 1/sqrt(inputs), as PyTorch starts its linear layers.
        kernel_initializer=keras.initializers.VarianceScaling(
            1 / 3, mode="fan_in", distribution="uniform", seed=next(seeds)
        ),
        name="logits",
    )(x)
    return keras.Model(example, logits, name=name)
