"""Settings of the server's optimizer and of its learning rate, `task.optimizer`."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import model_validator

from laser_phy.core.kinds import Family, Kind
from laser_phy.core.settings import setting

Undecayed = Literal["normalization", "bias", "embedding"]


class LearningRate(Kind):
    """What every course of the learning rate has. A kind writes `build`."""

    def build(self, learning_rate: float, rounds: int, rounds_per_epoch: int) -> Any:
        """What a Keras optimizer takes for its learning rate.

        Args:
            learning_rate: the optimizer's own; the highest of the run.
            rounds: length of the whole run.
            rounds_per_epoch: what an epoch is, in rounds.
        """
        raise NotImplementedError


class ConstantRate(LearningRate):
    """The same learning rate in every round."""

    name: Literal["constant"] = "constant"

    def build(self, learning_rate: float, rounds: int, rounds_per_epoch: int) -> Any:
        return learning_rate


class OneCycle(LearningRate):
    """Up along half a cosine, then down along another: peak/start_ratio, peak, peak/final_ratio."""

    name: Literal["one_cycle"] = "one_cycle"
    warm_up: float = setting(0.02, ge=0, lt=1, unit="share of the rounds")
    """Share of the run in which the rate rises."""
    start_ratio: float = setting(100.0, ge=1, le=1e9, unit="peak / first rate")
    """How far below its peak the rate begins."""
    final_ratio: float = setting(5.0, ge=1, le=1e9, unit="peak / last rate")
    """How far below its peak the rate ends."""

    def build(self, learning_rate: float, rounds: int, rounds_per_epoch: int) -> Any:
        from laser_phy.training.optimizers import OneCycleCosine

        return OneCycleCosine(
            learning_rate, rounds, self.warm_up, self.start_ratio, self.final_ratio
        )


class StepRate(LearningRate):
    """Multiplied by a factor at the beginning of some epochs."""

    name: Literal["step"] = "step"
    epochs: tuple[int, ...] = setting((150,), min_length=1, unit="epochs")
    """Epochs that pass before each change."""
    factor: float = setting(0.1, gt=0, le=1, unit="new rate / old rate")
    """What the rate is multiplied by at each change."""

    @model_validator(mode="after")
    def _ascend(self) -> Self:
        if list(self.epochs) != sorted(set(self.epochs)) or self.epochs[0] < 1:
            raise ValueError(
                f"epochs must be >= 1 and ascend (epochs); got {list(self.epochs)}. "
                "Write for example epochs: [100, 150]."
            )
        return self

    def build(self, learning_rate: float, rounds: int, rounds_per_epoch: int) -> Any:
        import keras

        # Keras keeps the old rate up to and at a boundary.
        boundaries = [epoch * rounds_per_epoch - 1 for epoch in self.epochs]
        rates = [learning_rate * self.factor**i for i in range(len(boundaries) + 1)]
        return keras.optimizers.schedules.PiecewiseConstantDecay(boundaries, rates)


RATES = Family("learning_rate", LearningRate, ConstantRate, OneCycle, StepRate)
AnyLearningRate: Any = RATES.field


class Optimizer(Kind):
    """What every optimizer has. A kind writes `create`."""

    learning_rate: float = setting(0.01, gt=0, le=1e3)
    """Step size; with a schedule, its highest."""
    schedule: AnyLearningRate = setting(ConstantRate())
    """How the learning rate moves over the rounds."""

    def build(self, rounds: int, rounds_per_epoch: int) -> Any:
        """The Keras optimizer.

        Args:
            rounds: length of the whole run.
            rounds_per_epoch: what an epoch is, in rounds.
        """
        rate = self.schedule.build(self.learning_rate, rounds, rounds_per_epoch)
        return self.create(rate)

    def create(self, rate: Any) -> Any:
        """The Keras optimizer, of learning rate or schedule `rate`."""
        raise NotImplementedError


class Sgd(Optimizer):
    """Stochastic gradient descent with momentum; the weight decay is part of the gradient."""

    name: Literal["sgd"] = "sgd"
    momentum: float = setting(0.9, ge=0, lt=1)
    """Share of the last step that is kept."""
    nesterov: bool = setting(False)
    """Nesterov's form of the momentum."""
    weight_decay: float = setting(0.0, ge=0, le=1)
    """L2 penalty: this times the weights is added to the gradient, as PyTorch's SGD does."""
    weight_decay_skips: tuple[Undecayed, ...] = setting((), example="[normalization, bias]")
    """Weights that do not decay, by what they are for."""

    def create(self, rate: Any) -> Any:
        from laser_phy.training.optimizers import CoupledSGD

        return CoupledSGD(
            rate,
            momentum=self.momentum,
            nesterov=self.nesterov,
            l2_penalty=self.weight_decay,
            skips=self.weight_decay_skips,
        )


class _Moments(Optimizer):
    """Adam's running means."""

    learning_rate: float = setting(1e-3, gt=0, le=1e3)
    """Step size; with a schedule, its highest."""
    beta_1: float = setting(0.9, ge=0, lt=1)
    """Decay of the running mean of gradients."""
    beta_2: float = setting(0.999, ge=0, lt=1)
    """Decay of the running mean of squared gradients."""
    epsilon: float = setting(1e-7, gt=0, le=1)
    """Added to the root of the running mean of squares."""


class Adam(_Moments):
    """Adam."""

    name: Literal["adam"] = "adam"

    def create(self, rate: Any) -> Any:
        import keras

        return keras.optimizers.Adam(
            rate, beta_1=self.beta_1, beta_2=self.beta_2, epsilon=self.epsilon
        )


class AdamW(_Moments):
    """Adam with decoupled weight decay."""

    name: Literal["adamw"] = "adamw"
    weight_decay: float = setting(0.01, ge=0, le=1)
    """Share of the weights, times the learning rate, that is taken off at every step."""
    weight_decay_skips: tuple[Undecayed, ...] = setting((), example="[normalization, bias]")
    """Weights that do not decay, by what they are for."""

    def create(self, rate: Any) -> Any:
        from laser_phy.training.optimizers import SelectiveAdamW

        return SelectiveAdamW(
            rate,
            beta_1=self.beta_1,
            beta_2=self.beta_2,
            epsilon=self.epsilon,
            weight_decay=self.weight_decay,
            skips=self.weight_decay_skips,
        )


KINDS = Family("optimizer", Optimizer, Sgd, Adam, AdamW)
AnyOptimizer: Any = KINDS.field
