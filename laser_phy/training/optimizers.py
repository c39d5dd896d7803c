"""What Keras' optimizers lack: PyTorch's weight decay, weights that do not decay, one cycle."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from laser_phy.core.errors import at_least

NAMES = {
    "normalization": "gamma|beta|scale",
    "bias": r"\w*bias",
    "embedding": "embeddings|table",
}
"""What Keras' layers and ours call the weights of each kind."""


def skipped(skips: Iterable[str]) -> list[str]:
    """Patterns of the names of weights that do not decay.

    Raises:
        ValueError: a kind that is not known.
    """
    unknown = [kind for kind in skips if kind not in NAMES]
    if unknown:
        raise ValueError(f"skips must be of {', '.join(NAMES)} (kinds of weights); got {unknown}.")
    # Optimizers see TensorFlow's variables, whose names may be paths and end in an index.
    return [rf"(^|/)({NAMES[kind]})(:\d+)?$" for kind in skips]


@keras.saving.register_keras_serializable(package="laser_phy")
class CoupledSGD(keras.optimizers.SGD):
    """g' = g + lambda w, then SGD with momentum on g'.

    Keras' own `weight_decay` is decoupled: it takes lambda times the learning rate off the weights
    and past the momentum. The paper's code runs PyTorch's SGD, where the penalty is part of the
    gradient and so enters the momentum, 10 times as strong at momentum 0.9.

    Args:
        learning_rate: step size or schedule.
        l2_penalty: lambda.
        skips: kinds of weights without penalty: `normalization`, `bias`, `embedding`.
        options: what `keras.optimizers.SGD` takes.
    """

    def __init__(
        self,
        learning_rate: Any = 0.01,
        l2_penalty: float = 0.0,
        skips: Iterable[str] = (),
        **options: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, **options)
        self.l2_penalty, self.skips = l2_penalty, tuple(skips)
        self._skipped = skipped(self.skips)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Apply one gradient to one variable."""
        decays = not any(re.search(pattern, variable.name) for pattern in self._skipped)
        if self.l2_penalty and decays:
            weights = keras.ops.cast(variable, gradient.dtype)
            gradient = keras.ops.add(gradient, keras.ops.multiply(weights, self.l2_penalty))
        super().update_step(gradient, variable, learning_rate)

    def get_config(self) -> dict[str, Any]:
        """The arguments, for saving."""
        return {**super().get_config(), "l2_penalty": self.l2_penalty, "skips": self.skips}


@keras.saving.register_keras_serializable(package="laser_phy")
class SelectiveAdamW(keras.optimizers.AdamW):
    """AdamW in which some kinds of weights do not decay, and which is saved with that.

    Args:
        learning_rate: step size or schedule.
        skips: kinds of weights that do not decay: `normalization`, `bias`, `embedding`.
        options: what `keras.optimizers.AdamW` takes.
    """

    def __init__(
        self, learning_rate: Any = 1e-3, skips: Iterable[str] = (), **options: Any
    ) -> None:
        super().__init__(learning_rate=learning_rate, **options)
        self.skips = tuple(skips)
        if self.skips:
            self.exclude_from_weight_decay(var_names=skipped(self.skips))

    def get_config(self) -> dict[str, Any]:
        """The arguments, for saving."""
        return {**super().get_config(), "skips": self.skips}


@keras.saving.register_keras_serializable(package="laser_phy")
class OneCycleCosine(keras.optimizers.schedules.LearningRateSchedule):
    """Half a cosine from peak/start_ratio to the peak, another one down to peak/final_ratio.

        a + (b - a) (1 - cos(pi x)) / 2, x in [0, 1], from a to b in each half

    Args:
        peak: highest learning rate.
        rounds: length of the run; the last rate holds after it.
        warm_up: share of the rounds until the peak.
        start_ratio: peak over the first rate.
        final_ratio: peak over the last rate.

    Raises:
        ValueError: rounds < 1, or warm_up outside [0, 1).
    """

    def __init__(
        self,
        peak: float,
        rounds: int,
        warm_up: float = 0.02,
        start_ratio: float = 100.0,
        final_ratio: float = 5.0,
    ) -> None:
        at_least("rounds", rounds, unit="length of the run")
        if not 0 <= warm_up < 1:
            raise ValueError(f"warm_up must be >= 0 and < 1 (share of the rounds); got {warm_up}.")
        self.peak, self.rounds, self.warm_up = peak, rounds, warm_up
        self.start_ratio, self.final_ratio = start_ratio, final_ratio

    def __call__(self, step: Any) -> Any:
        """The learning rate of a round."""
        ops = keras.ops
        step = ops.cast(step, "float32")
        last = max(self.rounds - 1, 1)  # the first round has the first rate, the last the last
        top = self.warm_up * last
        up = ops.clip(step / max(top, 1e-6), 0.0, 1.0)
        down = ops.clip((step - top) / (last - top), 0.0, 1.0)
        rising = _between(self.peak / self.start_ratio, self.peak, up)
        falling = _between(self.peak, self.peak / self.final_ratio, down)
        return ops.where(step < top, rising, falling)

    def get_config(self) -> dict[str, Any]:
        """The arguments, for saving."""
        return {
            "peak": self.peak,
            "rounds": self.rounds,
            "warm_up": self.warm_up,
            "start_ratio": self.start_ratio,
            "final_ratio": self.final_ratio,
        }


def _between(start: float, end: float, x: Any) -> Any:
    """Half a cosine from `start` at x = 0 to `end` at x = 1."""
    return start + (end - start) * (1 - keras.ops.cos(np.pi * x)) / 2
