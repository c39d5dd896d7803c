"""One round of training: the workers' gradients, the way up, the optimizer's step, the way back."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from laser_phy.training import nonfinite_gradients as bad
from laser_phy.training.layer_states import BatchStatistics, RandomLayers
from laser_phy.training.local_sgd import in_pieces, local_steps, part


class TrainingRound:
    """A round on one batch; `run` does it.

    Args:
        trainer: the `OverTheAir` model, built and compiled.
        data: nest of tensors of the batch, as Keras' `train_step` gets it.
    """

    def __init__(self, trainer: Any, data: Any) -> None:
        self.trainer, self.data = trainer, data
        self.uplink, self.devices = trainer.uplink, trainer.devices
        self.optimizer, self.broadcast = trainer.optimizer, trainer.broadcast
        self.examples = self._examples_per_worker()
        self.statistics = BatchStatistics(trainer.model)
        self.random_layers = RandomLayers(trainer.model, trainer.seed)
        self.scale = self.optimizer.scale_loss(tf.ones([]))
        self.gradients_of = self._local_work()
        self.index = tf.identity(self.uplink.round.value)

    def run(self) -> None:
        """Gradients, uplink, step, downlink; metrics and the trace of rounds are updated."""
        broadcast = self.broadcast
        server = broadcast.models.values("weights") if broadcast else []
        participants = self.uplink.participants()
        messages, total, losses, present = self._all_workers(participants)
        count = tf.reduce_sum(present)
        if broadcast:
            broadcast.models.put("weights", server)
        mean = [tf.math.divide_no_nan(gradient, count) for gradient in total]
        aggregate = self.uplink.receive(messages, mean, present > 0, participants)
        # Keras' optimizer adds up what the replicas have, and all have the same.
        step = self.scale / self.devices.replicas
        gradients = [gradient * step for gradient in aggregate.gradients]
        self.optimizer.apply(gradients, self.trainer.model.trainable_variables)
        bad.lower_loss_scale(self.optimizer, count < self.trainer.workers)
        self.trainer.update_mean_weights()
        if broadcast:
            aggregate.diagnostics.update(broadcast.send(aggregate, self.index))
        self.trainer.link_metrics.update_state(aggregate.diagnostics)
        loss = losses[0] / losses[1]  # of nobody: NaN, as it should be
        self._count_loss(*(tf.where(losses[1] > 0, 0.0, value) for value in (loss, 1.0)))
        self.trainer.trace.write(self.index, loss, aggregate.diagnostics, aggregate.workers)

    def _all_workers(self, participants: Any) -> tuple[Any, ...]:
        """Messages, and sums over workers: gradients, losses with their count, who was there."""

        def step(worker: Any, carry: Any) -> Any:
            return self._worker(worker, carry, participants)

        zeros = [tf.zeros(shape) for shape in self.uplink.shapes]
        present = tf.zeros([self.trainer.workers])
        carry = (zeros, tf.zeros([2]), self.statistics.zeros(), present)
        messages, carry = self.uplink.collect(step, carry)
        total, losses, moved, present = self.devices.sum(carry)
        self.statistics.assign_mean(moved, tf.reduce_sum(present))
        return messages, total, losses, present

    def _worker(self, worker: Any, carry: Any, participants: Any) -> Any:
        """A worker's message, and `carry` with its part."""
        total, losses, moved, present = carry
        if self.broadcast:
            self.broadcast.take_weights(worker)
        self.random_layers.reseed(self.index, worker)
        i = worker - self.devices.first
        own = part(self.data, i * self.examples, (i + 1) * self.examples)
        loss, gradients = self.gradients_of(own, self.examples)
        good = bad.is_finite(gradients)
        gradients = bad.zero_unless(good, gradients)
        counts = bad.loss_counts(self.optimizer, loss, good)
        loss, known = tf.where(counts, loss, 0.0), tf.cast(counts, tf.float32)
        self._count_loss(loss, known * tf.cast(self.examples, tf.float32))
        state = self.broadcast.state(worker) if self.broadcast else None
        message = self.uplink.encode(worker, gradients, state, good, participants)
        total = [a + b for a, b in zip(total, gradients, strict=True)]
        sent = tf.cast(good, tf.float32)
        present = tf.tensor_scatter_nd_update(present, [[worker]], [sent])
        losses += tf.stack([loss, known])
        return message, (total, losses, self.statistics.collect(moved, good), present)

    def _examples_per_worker(self) -> Any:
        """Examples of one worker: the batch over K, rounded down."""
        first, devices, trainer = keras.tree.flatten(self.data)[0], self.devices, self.trainer
        parts = trainer.micro_batches * trainer.local_steps
        least = devices.own * parts
        if first.shape[0] is not None and first.shape[0] < least:
            factors = " x micro_batches x local_steps" if parts > 1 else ""
            raise ValueError(
                f"batch_size must be >= workers{factors} = {least * devices.replicas} (it is the "
                "global batch, of which every worker takes its part); got a batch of "
                f"{first.shape[0] * devices.replicas}."
            )
        size = tf.shape(first)[0]
        cut = f", each into {parts} parts" if parts > 1 else ""
        few = f"a batch has fewer examples than the {trainer.workers} workers that share it{cut}"
        checks = [tf.debugging.assert_greater_equal(size, least, few), *devices.whole(size)]
        with tf.control_dependencies([check for check in checks if check is not None]):
            return size // devices.own

    def _local_work(self) -> Any:
        """`f(data, examples) -> (loss, what the worker sends)`."""
        trainer = self.trainer
        gradients = in_pieces(
            lambda data, _: self._gradients(data), trainer.micro_batches, self.uplink.shapes
        )
        rate, weights = trainer.local_learning_rate or 0.0, trainer.model.trainable_variables
        return local_steps(gradients, trainer.local_steps, rate, weights)

    def _gradients(self, data: Any) -> tuple[Any, list[Any]]:
        """Loss and float32 gradients of one worker's examples; metrics are updated."""
        trainer = self.trainer
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        weights = trainer.model.trainable_variables
        with tf.GradientTape() as tape:
            y_pred = trainer(x, training=True)
            loss = trainer.compute_loss(x, y, y_pred, sample_weight, training=True)
            loss = self.devices.unscaled(loss)
            scaled = self.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, [weight.value for weight in weights])
        trainer.compute_metrics(x, y, y_pred, sample_weight)
        dense = [
            tf.zeros(weight.shape) if gradient is None
            # An embedding's gradient is sparse, and forgets its shape on the way to a dense one.
            else tf.ensure_shape(tf.convert_to_tensor(gradient), weight.shape)
            for gradient, weight in zip(gradients, weights, strict=True)
        ]  # fmt: skip
        return tf.cast(loss, tf.float32), [tf.cast(g, tf.float32) / self.scale for g in dense]

    def _count_loss(self, loss: Any, examples: Any) -> None:
        self.trainer._loss_tracker.update_state(loss, sample_weight=examples)
