"""Settings of the server's optimizer, `task.optimizer`."""

from __future__ import annotations

from typing import Any, Literal

from laser_phy.core.kinds import Family, Kind
from laser_phy.core.settings import setting
from laser_phy.experiments.learning_rate import AnySchedule, Constant

Undecayed = Literal["normalization", "bias", "embedding"]


class Optimizer(Kind):
    """What every optimizer has."""

    learning_rate: float = setting(0.01, gt=0, le=1e3)
    """Step size; with a schedule, its highest."""
    schedule: AnySchedule = setting(Constant())
    """How the learning rate moves over the rounds."""

    def build(self, rounds: int, rounds_per_epoch: int) -> Any:
        """The Keras optimizer.

        Args:
            rounds: length of the whole run.
            rounds_per_epoch: what an epoch is, in rounds.
        """
        rate = self.schedule.build(self.learning_rate, rounds, rounds_per_epoch)
        return self._build(rate)

    def _build(self, rate: Any) -> Any:
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

    def _build(self, rate: Any) -> Any:
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

    def _build(self, rate: Any) -> Any:
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

    def _build(self, rate: Any) -> Any:
        from laser_phy.training.optimizers import SelectiveAdamW

        return SelectiveAdamW(
            rate,
            beta_1=self.beta_1,
            beta_2=self.beta_2,
            epsilon=self.epsilon,
            weight_decay=self.weight_decay,
            skips=self.weight_decay_skips,
        )


OPTIMIZERS = Family("optimizer", Optimizer, Sgd, Adam, AdamW)
AnyOptimizer: Any = OPTIMIZERS.field
