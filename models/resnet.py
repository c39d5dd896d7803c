"""ResNet18 with the stem for small images (He et al., 2016, section 4.2)."""

from __future__ import annotations

from collections.abc import Iterator

import keras
from keras import layers

from laser_phy.models.initialisation import at_least, layer_seeds

BLOCKS_PER_STAGE = 2


def resnet18(
    input_shape: tuple[int, int, int],
    num_classes: int,
    width: int = 64,
    seed: int | None = None,
    name: str = "resnet18",
) -> keras.Model:
    """ResNet18 for small images: 3x3 stem of stride 1, no max pooling, four stages of two blocks.

    With `width` 64 and 10 classes on (32, 32, 3) it has 11,173,962 trainable parameters in 62
    tensors. Convolutions have no biases. Normalisation is PyTorch's: decay 0.9 (PyTorch writes
    0.1), epsilon 1e-5.

    Args:
        input_shape: (height, width, channels) of an image, in pixels.
        num_classes: number of logits.
        width: channels of the first stage; the others have 2, 4 and 8 times as many.
        seed: fixes the initial weights; None draws new ones.
        name: the model's name.

    Returns:
        A functional model from [batch, height, width, channels] to logits [batch, num_classes].

    Raises:
        ValueError: if a size is below 1.
    """
    at_least("num_classes", num_classes, 1, "logits")
    at_least("width", width, 1, "channels of the first stage")
    if len(input_shape) != 3:
        raise ValueError(
            "input_shape must have 3 axes (height, width, channels); "
            f"got {tuple(input_shape)}. A grey image has 1 channel: (28, 28, 1)."
        )
    seeds = layer_seeds(seed)
    image = keras.Input(input_shape, name="image")
    x = _convolution(image, width, 3, 1, seeds, "stem")
    x = layers.ReLU(name="stem_relu")(x)
    for stage in range(4):
        for block in range(BLOCKS_PER_STAGE):
            stride = 2 if stage > 0 and block == 0 else 1
            x = _basic_block(x, width * 2**stage, stride, seeds, f"stage{stage + 1}_block{block}")
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    logits = layers.Dense(
        num_classes,
        kernel_initializer=keras.initializers.VarianceScaling(
            1 / 3, mode="fan_in", distribution="uniform", seed=next(seeds)
        ),
        name="logits",
    )(x)
    return keras.Model(image, logits, name=name)


def _basic_block(
    x: keras.KerasTensor, channels: int, stride: int, seeds: Iterator[int | None], name: str
) -> keras.KerasTensor:
    """ReLU(F(x) + x), with F two 3x3 convolutions; x is projected where its shape changes."""
    shortcut = x
    if stride != 1 or x.shape[-1] != channels:
        shortcut = _convolution(x, channels, 1, stride, seeds, f"{name}_shortcut")
    x = _convolution(x, channels, 3, stride, seeds, f"{name}_1")
    x = layers.ReLU(name=f"{name}_1_relu")(x)
    x = _convolution(x, channels, 3, 1, seeds, f"{name}_2")
    x = layers.Add(name=f"{name}_add")([x, shortcut])
    return layers.ReLU(name=f"{name}_relu")(x)


def _convolution(
    x: keras.KerasTensor,
    channels: int,
    size: int,
    stride: int,
    seeds: Iterator[int | None],
    name: str,
) -> keras.KerasTensor:
    """Convolution without bias, then batch normalisation.

    The kernel is He-normal over its outputs, which keeps the gradient's variance through the
    layers. With stride 2, `padding="same"` pads an even image on one side only; padding both sides
    first gives PyTorch's sampling points.
    """
    padded = stride > 1 and size > 1
    if padded:
        x = layers.ZeroPadding2D(size // 2, name=f"{name}_pad")(x)
    x = layers.Conv2D(
        channels,
        size,
        strides=stride,
        padding="valid" if padded else "same",
        use_bias=False,
        kernel_initializer=keras.initializers.VarianceScaling(
            2.0, mode="fan_out", distribution="untruncated_normal", seed=next(seeds)
        ),
        name=f"{name}_conv",
    )(x)
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_norm")(x)
