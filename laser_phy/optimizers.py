"""Stochastic gradient descent with the weight decay of PyTorch's."""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="laser_phy")
class CoupledSGD(keras.optimizers.SGD):
    """g' = g + lambda w, then SGD with momentum on g'.

    Keras' own `weight_decay` is decoupled: it takes lambda times the learning rate off the weights
    and past the momentum. The paper's code runs PyTorch's SGD, where the penalty is part of the
    gradient and so enters the momentum, 10 times as strong at momentum 0.9.

    Args:
        learning_rate: step size or schedule.
        l2_penalty: lambda.
        options: what `keras.optimizers.SGD` takes.
    """

    def __init__(self, learning_rate: Any = 0.01, l2_penalty: float = 0.0, **options: Any) -> None:
        super().__init__(learning_rate=learning_rate, **options)
        self.l2_penalty = l2_penalty

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Apply one gradient to one variable."""
        if self.l2_penalty:
            weights = keras.ops.cast(variable, gradient.dtype)
            gradient = keras.ops.add(gradient, keras.ops.multiply(weights, self.l2_penalty))
        super().update_step(gradient, variable, learning_rate)

    def get_config(self) -> dict[str, Any]:
        """The arguments, for saving."""
        return {**super().get_config(), "l2_penalty": self.l2_penalty}
