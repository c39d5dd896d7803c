"""Training over the air: a Keras model whose gradients travel before they are applied."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Self

import keras
import tensorflow as tf

from laser_phy.downlink.downlink import Downlink
from laser_phy.training import nonfinite_gradients as bad
from laser_phy.training.broadcast import ModelBroadcast
from laser_phy.training.layer_states import BatchStatistics
from laser_phy.training.local_sgd import in_pieces, local_steps, part
from laser_phy.training.metrics import LinkMetrics, RoundTrace
from laser_phy.training.model_checks import (
    build_for,
    build_on,
    check_model,
    check_trainable,
    is_built,
)
from laser_phy.training.random_layers import RandomLayers
from laser_phy.training.worker_models import WorkerModels
from laser_phy.uplink.diagnostics import DOWNLINK_NAMES, uplink_names
from laser_phy.uplink.uplink import Uplink
from laser_phy.uplink.worker_devices import WorkerDevices


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
        counts = {"workers": workers, "micro_batches": micro_batches, "local_steps": local_steps}
        for what, count in counts.items():
            if count < 1:
                raise ValueError(f"{what} must be >= 1; got {count}.")
        if local_steps > 1 and not (local_learning_rate and local_learning_rate > 0):
            raise ValueError(
                f"local_learning_rate must be > 0 with local_steps = {local_steps}; got "
                f"{local_learning_rate}. Write for example local_learning_rate=0.01."
            )
        if ema is not None and not 0 < ema < 1:
            raise ValueError(f"ema must be between 0 and 1 (decay a round); got {ema}.")
        if bad_gradients not in ("stop", "exclude"):
            raise ValueError(f"bad_gradients must be stop or exclude; got {bad_gradients!r}.")
        self.bad_gradients = bad_gradients
        self.model, self.workers, self.uplink = model, int(workers), uplink
        self.downlink = downlink or Downlink()
        self.split = WorkerDevices(self.workers)
        if not self.downlink.ideal:
            self.split.refuse("a broadcast downlink", "Train on one device, or downlink: ideal.")
        self.seed, self.ema = int(seed), ema
        self.micro_batches, self.local_steps = int(micro_batches), int(local_steps)
        self.local_learning_rate = local_learning_rate
        names = uplink_names(uplink.settings)
        if not self.downlink.ideal:
            names += DOWNLINK_NAMES
        self.link_metrics = LinkMetrics(names)
        self.trace = RoundTrace(names, self.workers)
        self.replicas = None if self.downlink.ideal else WorkerModels()
        self.broadcaster: ModelBroadcast | None = None
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
            self.split.refuse(
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
            self.broadcaster = ModelBroadcast(
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
        self.split.check_compiled(self)
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
        split = self.split
        split.check_scope(self)
        shares = self._worker_share(data)
        statistics = BatchStatistics(self.model)
        random_layers = RandomLayers(self.model, self.seed)
        scale = self.optimizer.scale_loss(tf.ones([]))
        gradients_of = self._local_work(scale)
        round_ = tf.identity(self.uplink.round.value)

        broadcaster = self.broadcaster
        server = broadcaster.replicas.values("weights") if broadcaster else []

        def step(worker: Any, carry: Any) -> Any:
            total, losses, moved, present = carry
            if broadcaster:
                broadcaster.take_weights(worker)
            random_layers.seek(round_, worker)
            i = worker - split.first
            own = part(data, i * shares, (i + 1) * shares)
            loss, gradients = gradients_of(own, shares)
            good = bad.is_finite(gradients)
            gradients = bad.zero_unless(good, gradients)
            counts = bad.loss_counts(self.optimizer, loss, good)
            loss, known = tf.where(counts, loss, 0.0), tf.cast(counts, tf.float32)
            self._count_loss(loss, known * tf.cast(shares, tf.float32))
            state = broadcaster.state(worker) if broadcaster else None
            message = self.uplink.encode(worker, gradients, state, good)
            total = [a + b for a, b in zip(total, gradients, strict=True)]
            sent = tf.cast(good, tf.float32)
            present = tf.tensor_scatter_nd_update(present, [[worker]], [sent])
            losses += tf.stack([loss, known])
            return message, (total, losses, statistics.collect(moved, good), present)

        zeros = [tf.zeros(shape) for shape in self.uplink.shapes]
        present = tf.zeros([self.workers])
        carry = (zeros, tf.zeros([2]), statistics.zeros(), present)
        messages, carry = self.uplink.collect(step, carry)
        total, losses, moved, present = split.sum(carry)
        count = tf.reduce_sum(present)
        statistics.assign_mean(moved, count)
        if broadcaster:
            broadcaster.replicas.put("weights", server)

        mean = [tf.math.divide_no_nan(gradient, count) for gradient in total]
        aggregate = self.uplink.receive(messages, mean, present > 0)
        # Keras' optimizer adds up what the replicas have, and all have the same.
        gradients = [gradient * (scale / split.replicas) for gradient in aggregate.gradients]
        self.optimizer.apply(gradients, self.model.trainable_variables)
        bad.lower_loss_scale(self.optimizer, count < self.workers)
        self._update_mean_weights()
        if broadcaster:
            aggregate.diagnostics.update(broadcaster.broadcast(aggregate, round_))
        self.link_metrics.update_state(aggregate.diagnostics)
        loss = losses[0] / losses[1]  # of nobody: NaN, as it should be
        self._count_loss(*(tf.where(losses[1] > 0, 0.0, value) for value in (loss, 1.0)))
        self.trace.write(round_, loss, aggregate.diagnostics, aggregate.workers)
        return self.get_metrics_result()

    def _worker_share(self, data: Any) -> Any:
        """Examples of one worker: the batch over K, rounded down."""
        first, split = keras.tree.flatten(data)[0], self.split
        parts = self.micro_batches * self.local_steps
        least = split.own * parts
        if first.shape[0] is not None and first.shape[0] < least:
            factors = " x micro_batches x local_steps" if parts > 1 else ""
            raise ValueError(
                f"batch_size must be >= workers{factors} = {least * split.replicas} (it is the "
                "global batch, of which every worker takes its part); got a batch of "
                f"{first.shape[0] * split.replicas}."
            )
        size = tf.shape(first)[0]
        cut = f", each into {parts} parts" if parts > 1 else ""
        few = f"a batch has fewer examples than the {self.workers} workers that share it{cut}"
        checks = [tf.debugging.assert_greater_equal(size, least, few), *split.whole(size)]
        with tf.control_dependencies([check for check in checks if check is not None]):
            return size // split.own

    def _local_work(self, scale: Any) -> Any:
        """`f(data, examples) -> (loss, what the worker sends)`."""
        variables = self.model.trainable_variables
        gradients = in_pieces(
            lambda data, _: self._gradients(data, scale),
            self.micro_batches,
            self.uplink.shapes,
        )
        return local_steps(gradients, self.local_steps, self.local_learning_rate or 0.0, variables)

    def _gradients(self, data: Any, scale: Any) -> tuple[Any, list[Any]]:
        """Loss and float32 gradients of one worker's examples; metrics are updated."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        weights = self.model.trainable_variables
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self.compute_loss(x, y, y_pred, sample_weight, training=True)
            loss = self.split.unscaled(loss)
            scaled = self.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, [weight.value for weight in weights])
        self.compute_metrics(x, y, y_pred, sample_weight)
        dense = [
            tf.zeros(weight.shape) if gradient is None
            # An embedding's gradient is sparse, and forgets its shape on the way to a dense one.
            else tf.ensure_shape(tf.convert_to_tensor(gradient), weight.shape)
            for gradient, weight in zip(gradients, weights, strict=True)
        ]  # fmt: skip
        return tf.cast(loss, tf.float32), [tf.cast(g, tf.float32) / scale for g in dense]

    def _count_loss(self, loss: Any, examples: Any) -> None:
        self._loss_tracker.update_state(loss, sample_weight=examples)

    # ---- gradients that are not finite ----

    def make_train_function(self, force: bool = False) -> None:
        if self.train_function is not None and not force:
            return
        super().make_train_function(force)
        if self.bad_gradients == "stop":
            self.train_function = self._stopping(self.train_function)

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

    def _update_mean_weights(self) -> None:
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
