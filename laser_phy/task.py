"""Settings of the learning task: what is learnt, by whom, and with which optimizer."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import model_validator

from laser_phy.data import AnyDataset, AnyPartition, Iid, check_batch
from laser_phy.model_zoo import AnyModel
from laser_phy.settings import Settings, one_of, setting


class Sgd(Settings):
    """Stochastic gradient descent with momentum; the weight decay is part of the gradient."""

    name: Literal["sgd"] = "sgd"
    learning_rate: float = setting(0.01, gt=0, le=1e3)
    """Step size."""
    momentum: float = setting(0.9, ge=0, lt=1)
    """Share of the last step that is kept."""
    nesterov: bool = setting(False)
    """Nesterov's form of the momentum."""
    weight_decay: float = setting(0.0, ge=0, le=1)
    """L2 penalty: this times the weights is added to the gradient, as PyTorch's SGD does."""

    def build(self) -> Any:
        """The Keras optimizer."""
        from laser_phy.optimizers import CoupledSGD

        return CoupledSGD(
            self.learning_rate,
            momentum=self.momentum,
            nesterov=self.nesterov,
            l2_penalty=self.weight_decay,
        )


class Adam(Settings):
    """Adam."""

    name: Literal["adam"] = "adam"
    learning_rate: float = setting(1e-3, gt=0, le=1e3)
    """Step size."""
    beta_1: float = setting(0.9, ge=0, lt=1)
    """Decay of the running mean of gradients."""
    beta_2: float = setting(0.999, ge=0, lt=1)
    """Decay of the running mean of squared gradients."""
    epsilon: float = setting(1e-7, gt=0, le=1)
    """Added to the root of the running mean of squares."""

    def build(self) -> Any:
        """The Keras optimizer."""
        import keras

        return keras.optimizers.Adam(
            self.learning_rate, beta_1=self.beta_1, beta_2=self.beta_2, epsilon=self.epsilon
        )


class AdamW(Settings):
    """Adam with decoupled weight decay."""

    name: Literal["adamw"] = "adamw"
    learning_rate: float = setting(1e-3, gt=0, le=1e3)
    """Step size."""
    beta_1: float = setting(0.9, ge=0, lt=1)
    """Decay of the running mean of gradients."""
    beta_2: float = setting(0.999, ge=0, lt=1)
    """Decay of the running mean of squared gradients."""
    epsilon: float = setting(1e-7, gt=0, le=1)
    """Added to the root of the running mean of squares."""
    weight_decay: float = setting(0.01, ge=0, le=1)
    """Share of the weights, times the learning rate, that is taken off at every step."""

    def build(self) -> Any:
        """The Keras optimizer."""
        import keras

        return keras.optimizers.AdamW(
            self.learning_rate,
            beta_1=self.beta_1,
            beta_2=self.beta_2,
            epsilon=self.epsilon,
            weight_decay=self.weight_decay,
        )


OPTIMIZERS = (Sgd, Adam, AdamW)
AnyOptimizer: Any = one_of(*OPTIMIZERS)


class Task(Settings):
    """What is learnt. Only `dataset` and `model` have no default."""

    dataset: AnyDataset = setting(example="{name: digits}")
    """Examples to learn from."""
    model: AnyModel = setting(example="{name: resnet18, width: 16}")
    """The Keras model to train."""
    partition: AnyPartition = setting(Iid())
    """How the training examples are dealt out to the workers."""
    workers: int = setting(16, ge=1, le=65536, unit="workers")
    """Workers that send at the same time."""
    batch_size: int = setting(32, ge=1, le=1_000_000, unit="examples a worker and round")
    """Examples of each worker in a round."""
    epochs: int = setting(10, ge=1, le=1_000_000, unit="passes over the training examples")
    """Length of the training."""
    optimizer: AnyOptimizer = setting(Sgd())
    """What the server does with the gradient it decoded."""
    ema: float | None = setting(None, gt=0, lt=1)
    """Decay of a running mean of the weights, which is evaluated too; null for none."""
    eval_batch_size: int = setting(256, ge=1, le=1_000_000, unit="examples")
    """Batch size of the evaluation; changes speed and memory, not results."""
    steps_per_execution: int | None = setting(None, ge=1, le=128, unit="rounds")
    """Rounds between two looks at the progress; changes speed, not results. null: chosen."""

    @model_validator(mode="after")
    def _model_takes_the_data(self) -> Self:
        dataset, model = self.dataset, self.model
        if dataset.kind not in model.takes:
            raise ValueError(
                f"model must be one that learns from {dataset.kind} data, as {dataset.name!r} is; "
                f"got {model.name!r}, which learns from {' or '.join(model.takes)} data."
            )
        return self

    @model_validator(mode="after")
    def _shards_fill_a_batch(self) -> Self:
        examples = self.dataset.train_examples_known
        if examples is not None:  # else it is seen when the data is there
            check_batch(self.partition.smallest_shard(examples, self.workers), self.batch_size)
        return self
