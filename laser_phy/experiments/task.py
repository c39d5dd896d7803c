"""Settings of the learning task: what is learnt, by whom, for how long."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from laser_phy.core.settings import Settings, setting
from laser_phy.data import AnyDataset, AnyPartition, Iid, check_batch
from laser_phy.experiments.model_settings import AnyModel
from laser_phy.experiments.objective import AnyNamed
from laser_phy.experiments.optimizer_settings import AnyOptimizer, Sgd
from laser_phy.experiments.text_sample import Sample


class Task(Settings):
    """What is learnt. Only `dataset` and `model` have no default."""

    dataset: AnyDataset = setting(example="{name: digits}")
    """Examples to learn from."""
    model: AnyModel = setting(example="{name: resnet18, width: 16}")
    """The Keras model to train."""
    loss: AnyNamed | None = setting(None, example="{name: huber, delta: 0.5}")
    """What is minimised, by Keras' name and with its settings; null: cross-entropy of classes, of
    tokens or of labels, squared error of reals. Models give logits, and it is told so."""
    metrics: tuple[AnyNamed, ...] | None = setting(None, example="[mean_absolute_error]")
    """What is measured, by Keras' names and with their settings; by the first a run is judged.
    null: accuracy of classes, tokens and labels, absolute error of reals."""
    partition: AnyPartition = setting(Iid())
    """How the training examples are dealt out to the workers."""
    workers: int = setting(16, ge=1, le=65536, unit="workers")
    """Workers that send at the same time."""
    batch_size: int = setting(32, ge=1, le=1_000_000, unit="examples a worker and round")
    """Examples of each worker in a round."""
    epochs: int = setting(10, ge=1, le=1_000_000, unit="passes over the training examples")
    """Length of the training."""
    rounds: int | None = setting(None, ge=1, le=1_000_000_000, unit="rounds")
    """Where the training ends before its last epoch does; null: at the end of the last epoch."""
    optimizer: AnyOptimizer = setting(Sgd())
    """What the server does with the gradient it decoded."""
    ema: float | None = setting(None, gt=0, lt=1)
    """Decay of a running mean of the weights, which is evaluated too; null for none."""
    micro_batches: int = setting(1, ge=1, le=1_000_000, unit="pieces")
    """Pieces in which a worker goes through its batch, to save memory; their gradients are averaged
    before anything is sent."""
    local_steps: int = setting(1, ge=1, le=1_000_000, unit="steps")
    """SGD steps of each worker in a round, each on its part of the batch; what is sent is the way
    they went over `local_learning_rate`."""
    local_learning_rate: float | None = setting(None, gt=0, le=1e3)
    """Of the workers' own steps; needed where there are several."""
    bad_gradients: Literal["stop", "exclude"] = "stop"
    """What NaN or infinite values in a worker's gradient do: stop the run, or exclude the worker
    from that round, in which the mean is then over the others. Never silent: `excluded_workers`
    counts them."""
    sample: Sample | None = setting(None, example="{tokens: 400}")
    """Text that the trained model writes, for the screen and `sample.txt`; null for none."""
    eval_batch_size: int = setting(256, ge=1, le=1_000_000, unit="examples")
    """Batch size of the evaluation; changes speed and memory, not results."""
    checkpoint_s: float = setting(60.0, ge=0, le=1e9, unit="s")
    """Seconds between two checkpoints, within epochs too; at most 5 % of the time goes to them. At
    the end, and with Ctrl-C, there is one anyway. Changes no results."""
    steps_per_execution: int | None = setting(None, ge=1, le=128, unit="rounds")
    """Rounds between two looks at the progress; changes speed, not results. null: chosen."""

    def length(self, rounds_per_epoch: int) -> int:
        """Rounds of the whole training."""
        whole = self.epochs * rounds_per_epoch
        return whole if self.rounds is None else min(whole, self.rounds)

    @model_validator(mode="after")
    def _model_takes_the_data(self) -> Self:
        dataset, model = self.dataset, self.model
        if not set(dataset.kinds) & set(model.takes):
            raise ValueError(
                f"model must be one that learns from {' or '.join(dataset.kinds)} data, as "
                f"{dataset.name!r} is; got {model.name!r}, which learns from "
                f"{' or '.join(model.takes)} data."
            )
        return self

    @model_validator(mode="after")
    def _only_text_is_written(self) -> Self:
        if self.sample is not None and self.dataset.kind != "text":
            raise ValueError(
                f"sample must be null with {self.dataset.kind} data; it asks a language model for "
                "text."
            )
        return self

    @model_validator(mode="after")
    def _text_has_no_classes(self) -> Self:
        if self.dataset.kind == "text" and self.partition.needs_classes:
            raise ValueError(
                f"partition must be iid with text, which has no classes to deal out; "
                f"got {self.partition.name!r}."
            )
        return self

    @model_validator(mode="after")
    def _local_work_fits(self) -> Self:
        parts = self.micro_batches * self.local_steps
        if self.batch_size < parts:
            raise ValueError(
                f"batch_size must be >= {parts} (examples a worker and round), which is "
                f"micro_batches x local_steps = {self.micro_batches} x {self.local_steps}; "
                f"got {self.batch_size}."
            )
        if self.local_steps > 1 and self.local_learning_rate is None:
            raise ValueError(
                f"local_learning_rate is missing: {self.local_steps} local_steps need one; write "
                "for example `local_learning_rate: 0.01`."
            )
        return self

    @model_validator(mode="after")
    def _shards_fill_a_batch(self) -> Self:
        examples = self.dataset.train_examples_known
        if examples is not None:  # else it is seen when the data is there
            check_batch(self.partition.smallest_shard(examples, self.workers), self.batch_size)
        return self
