"""Training over the air: a Keras model whose gradients travel before they are applied."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Self

import keras
import tensorflow as tf

from laser_phy.core import contract
from laser_phy.downlink.downlink import Downlink
from laser_phy.training import nonfinite_gradients as bad
from laser_phy.training.broadcast import ModelBroadcast
from laser_phy.training.metrics import LinkMetrics, RoundTrace
from laser_phy.training.model_checks import (
    build_for,
    build_on,
    check_model,
    check_numbers,
    check_trainable,
    is_built,
)
from laser_phy.training.training_round import TrainingRound
from laser_phy.training.worker_models import WorkerModels
from laser_phy.uplink.diagnostics import DOWNLINK_NAMES, uplink_names
from laser_phy.uplink.uplink import Uplink
from laser_phy.uplink.worker_devices import WorkerDevices


def _in_sentences(train: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """`train(iterator)` whose broken contracts are told in their own words, not TensorFlow's."""

    def told(iterator: Any) -> Any:
        try:
            return train(iterator)
        except tf.errors.InvalidArgumentError as error:
            sentence = contract.sentence_in(error)
            if sentence is None:
                raise
        raise contract.ContractError(sentence)

    return told


@keras.saving.register_keras_serializable("laser_phy")
class OverTheAir(keras.Model):
    """A model trained by K workers over the air; compile, fit, evaluate, predict, save as ever.

    A batch is the global one: example i belongs to worker i // (batch / workers). Each worker's
    gradient is computed in turn and encoded at once, so that one is live at a time. BatchNorm
    statistics become the mean of what the workers computed, as K replicas would have it.

    Memory beyond the model and its optimizer: one mean gradient, and for each worker its message
    and (with LASER) one float32 a compressed parameter of error feedback.

    Args:
        model: any Keras model; it may be shared with other code, and knows nothing of the radio.
            Its own `train_step` and `compute_loss` are not used: compile the wrapper.
        workers: K >= 1.
        uplink: the link that takes gradients up.
        downlink: the way back; ideal by default.
        seed: of channel, noise and compressor.
        ema: decay of a debiased running mean of the weights, kept beside them; none by default.
        micro_batches: pieces in which a worker goes through its batch; one piece's activations are
            in memory at a time. The mean gradient is the same, unless a layer sees whole batches.
        local_steps: SGD steps of each worker in a round, each on its part of the batch; what is
            sent is the way they went over `local_learning_rate`, the sum of their gradients.
        local_learning_rate: of the workers' own steps; needed where there are several.
        bad_gradients: what NaN or infinite values in a worker's gradient do. Either way the worker
            sends nothing in that round, its memory stays as it was, the mean is over the others,
            and `excluded_workers` counts it. `stop` then ends the training; `exclude` goes on. An
            overflow of mixed_float16 lowers the loss scale first, and stops nothing until that is
            below 1.

    Raises:
        BadGradientsError: of `fit`, with `bad_gradients="stop"`.
        ValueError: a number out of its bounds, local steps without a learning rate, what is not a
            Keras model on TensorFlow, or what a `tf.distribute` strategy cannot do.
    """

    built: bool
    train_function: Any

    def __init__(
        self,
        model: keras.Model,
        workers: int,
        uplink: Uplink,
        downlink: Downlink | None = None,
        seed: int = 0,
        ema: float | None = None,
        micro_batches: int = 1,
        local_steps: int = 1,
        local_learning_rate: float | None = None,
        bad_gradients: bad.BadGradients = "stop",
        name: str = "over_the_air",
    ) -> None:
        check_model(model)
        super().__init__(name=name, dtype=model.dtype_policy)
        # Or Keras' jit_compile="auto" takes XLA on a GPU, which has no complex bitcast.
        self.supports_jit = False
        check_numbers(
            {"workers": workers, "micro_batches": micro_batches, "local_steps": local_steps},
            local_learning_rate, ema, bad_gradients,
        )  # fmt: skip
        self.bad_gradients = bad_gradients
        self.model, self.workers, self.uplink = model, int(workers), uplink
        self.downlink = downlink or Downlink()
        self.devices = WorkerDevices(self.workers)
        if not self.downlink.ideal:
            self.devices.refuse("a broadcast downlink", "Train on one device, or downlink: ideal.")
        self.seed, self.ema = int(seed), ema
        self.micro_batches, self.local_steps = int(micro_batches), int(local_steps)
        self.local_learning_rate = local_learning_rate
        names = uplink_names(uplink.settings)
        if not self.downlink.ideal:
            names += DOWNLINK_NAMES
        self.link_metrics = LinkMetrics(names)
        self.trace = RoundTrace(names, self.workers)
        self.replicas = None if self.downlink.ideal else WorkerModels()
        self.broadcast: ModelBroadcast | None = None
        self.mean_weights: list[Any] = []
        if getattr(model, "output_names", None):
            self.output_names = model.output_names
        if is_built(model):
            self.build()

    def build(self, input_shape: Any = None) -> None:
        """Build the model, and the link for its trainable weights.

        Args:
            input_shape: of a batch, where the model does not know its own.
        """
        if self.built:
            return
        if not is_built(self.model):
            self.devices.refuse(
                "a model that is not built", "Give it a keras.Input, or call it on a batch first."
            )
        with tf.init_scope():  # a first batch may come while a graph is traced
            if input_shape is not None and not is_built(self.model):
                build_for(self.model, input_shape)
            check_trainable(self.model)
            shapes = [weight.shape for weight in self.model.trainable_variables]
            if not self.uplink.built:
                self.uplink.build(shapes, self.workers, self.seed)
            if not self.downlink.built:
                phases = (
                    [] if self.downlink.ideal else ModelBroadcast.phases(self.uplink, self.downlink)
                )
                self.downlink.build(phases, self.workers, self.seed)
            if self.ema is not None:
                self.mean_weights = [
                    self.add_weight(
                        shape=shape, initializer="zeros", trainable=False, name=f"mean_{i}"
                    )
                    for i, shape in enumerate(shapes)
                ]
            self.built = True
            self._build_optimizer()

    def _build_optimizer(self) -> None:
        # Before the first step: an unbuilt LossScaleOptimizer would scale by its initial scale.
        optimizer = getattr(self, "optimizer", None)
        if self.built and optimizer is not None and not optimizer.built:
            optimizer.build(self.trainable_variables)
        if self.built and optimizer is not None and self.replicas is not None:
            self.broadcast = ModelBroadcast(
                self.model, self.uplink, self.downlink, self.replicas, optimizer
            )

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """As for every Keras model.

        Raises:
            ValueError: jit_compile=True; with several replicas, what they cannot do.
        """
        if kwargs.get("jit_compile") is True:
            raise ValueError(
                "jit_compile=True does not work over the air: XLA cannot compile the step from "
                "reals to complex symbols. Leave it out."
            )
        super().compile(*args, **kwargs)
        self.devices.check_compiled(self)
        self._build_optimizer()

    def compile_from_config(self, config: dict[str, Any]) -> None:
        self.compile(**keras.saving.deserialize_keras_object(config))

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        return self.model(inputs, training=training)

    @property
    def losses(self) -> list[Any]:
        """What the layers add to the loss, in its precision: Keras cannot add a bfloat16 to it."""
        return [tf.cast(loss, keras.config.floatx()) for loss in super().losses]

    # ---- a round ----

    def train_step(self, data: Any) -> dict[str, Any]:
        if not self.built:
            build_on(self.model, keras.utils.unpack_x_y_sample_weight(data)[0])
            self.build()
        check_trainable(self.model, self.uplink.shapes)
        self.devices.check_scope(self)
        TrainingRound(self, data).run()
        return self.get_metrics_result()

    # ---- gradients that are not finite ----

    def make_train_function(self, force: bool = False) -> None:
        if self.train_function is not None and not force:
            return
        super().make_train_function(force)
        if self.bad_gradients == "stop":
            self.train_function = self._stopping(self.train_function)
        if self.train_function is not None:
            self.train_function = _in_sentences(self.train_function)

    def _stopping(self, train: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """`train(iterator)` that raises where workers were left out for their gradients."""

        def train_or_stop(iterator: Any) -> Any:
            known = self.uplink.excluded.numpy() if self.built else 0
            logs = train(iterator)
            counts = self.uplink.excluded.numpy() - known
            if counts.any() and not bad.explained_by_scale(self.optimizer):
                rows = self.round_trace(self.uplink.rounds - self.steps_per_execution)
                first = next(row["round"] for row in rows if row["excluded_workers"])
                who = {int(worker): int(counts[worker]) for worker in counts.nonzero()[0]}
                raise bad.BadGradientsError(bad.why_stopped(who, self.workers, int(first)))
            return logs

        return train_or_stop

    def test_step(self, data: Any) -> dict[str, Any]:
        logs = super().test_step(data)
        link = self.link_metrics.result()  # of training: as val_... they would be zeros
        return {name: value for name, value in logs.items() if name not in link}

    def round_trace(self, since: int = 0) -> list[dict[str, float]]:
        """Rows of the rounds from `since` on; the last 256 are held."""
        return self.trace.since(since, self.uplink.rounds)

    # ---- running mean of the weights ----

    def update_mean_weights(self) -> None:
        """Move the running mean of the weights on by one round."""
        if self.ema is None:
            return
        for mean, weight in zip(self.mean_weights, self.model.trainable_variables, strict=True):
            mean.assign(self.ema * mean + (1 - self.ema) * tf.cast(weight, mean.dtype))

    @contextlib.contextmanager
    def ema_weights(self) -> Iterator[None]:
        """Within it the model has the running mean of its weights, debiased by 1 - ema^rounds.

        Raises:
            ValueError: the wrapper keeps no mean, or no round was trained.
        """
        rounds = self.uplink.rounds
        if self.ema is None or rounds == 0:
            raise ValueError("ema_weights needs OverTheAir(..., ema=0.99) and at least one round.")
        kept = [weight.numpy() for weight in self.model.trainable_variables]
        for mean, weight in zip(self.mean_weights, self.model.trainable_variables, strict=True):
            weight.assign(mean / (1 - self.ema**rounds))
        try:
            yield
        finally:
            for value, weight in zip(kept, self.model.trainable_variables, strict=True):
                weight.assign(value)

    # ---- saving ----

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "model": keras.saving.serialize_keras_object(self.model),
            "workers": self.workers,
            "uplink": self.uplink.get_config(),
            "downlink": self.downlink.get_config(),
            "seed": self.seed,
            "ema": self.ema,
            "micro_batches": self.micro_batches,
            "local_steps": self.local_steps,
            "local_learning_rate": self.local_learning_rate,
            "bad_gradients": self.bad_gradients,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        config = dict(config)
        config["model"] = keras.saving.deserialize_keras_object(config["model"], custom_objects)
        config["uplink"] = Uplink.from_config(config["uplink"])
        config["downlink"] = Downlink.from_config(config["downlink"])
        return cls(**config)
