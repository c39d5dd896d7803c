"""Keras' own callbacks, and a logger of somebody else's, in real fits of a wrapped model."""

import csv
import json

import keras
import numpy as np
import pytest
from callback_tools import ROUNDS, X, Y, event_tags, fit, inner_model, over_the_air, same

from laser_phy.uplink.diagnostics import NAMES

TDL = {"channel": "tdl"}
VALIDATION = {"validation_data": (X, Y)}


class Broken(Exception):
    """What a crash is here."""


def crash(epoch=None, batch=None):
    """A callback that stops training like a crash: behind an epoch's or a batch's last callback."""

    def at_epoch(number, logs):
        if number == epoch:
            raise Broken

    def at_batch(number, logs):
        if number == batch:
            raise Broken

    return keras.callbacks.LambdaCallback(on_epoch_begin=at_epoch, on_train_batch_end=at_batch)


class TestCheckpoints:
    def test_model_checkpoint_keeps_the_best_link(self, tmp_path):
        """Of a run that gets worse behind its second epoch."""
        rates = keras.callbacks.LearningRateScheduler(lambda epoch: 0.1 if epoch < 2 else 30.0)
        best = keras.callbacks.ModelCheckpoint(
            tmp_path / "best.keras", monitor="val_loss", save_best_only=True
        )
        every = keras.callbacks.ModelCheckpoint(
            tmp_path / "{epoch}.weights.h5", save_weights_only=True
        )
        model = over_the_air()
        history = fit(model, 4, [rates, best, every], **VALIDATION)
        assert np.argmin(history["val_loss"]) == 1
        assert history["learning_rate"] == pytest.approx([0.1, 0.1, 30, 30])
        loaded = keras.saving.load_model(tmp_path / "best.keras")
        assert int(loaded.uplink.round) == 2 * ROUNDS
        assert loaded.evaluate(X, Y, verbose=0)[0] == pytest.approx(history["val_loss"][1])
        weights = over_the_air()
        weights.load_weights(tmp_path / "2.weights.h5")
        assert same(loaded, weights)
        assert not same(loaded, model)

    def test_backup_and_restore_is_exact_at_epochs(self, tmp_path):
        """Crashed in its third epoch and started again: the uninterrupted run, bit for bit."""
        straight = over_the_air(inner_model(noisy=True), uplink=TDL, ema=0.9)
        fit(straight, 4)
        crashed = over_the_air(inner_model(noisy=True), uplink=TDL, ema=0.9)
        with pytest.raises(Broken):
            fit(crashed, 4, [keras.callbacks.BackupAndRestore(tmp_path / "b"), crash(epoch=2)])
        resumed = over_the_air(inner_model(noisy=True), uplink=TDL, ema=0.9)
        fit(resumed, 4, [keras.callbacks.BackupAndRestore(tmp_path / "b")])
        assert int(resumed.uplink.round) == 4 * ROUNDS
        assert same(straight, resumed)
        for a, b in zip(straight.optimizer.variables, resumed.optimizer.variables, strict=True):
            np.testing.assert_array_equal(a, b)

    def test_backups_within_an_epoch_repeat_its_batches(self, tmp_path):
        """What docs/callbacks.md warns of: Keras starts an epoch at its first batch."""
        backup = {"backup_dir": tmp_path / "b", "save_freq": 3}
        with pytest.raises(Broken):
            fit(over_the_air(), 2, [keras.callbacks.BackupAndRestore(**backup), crash(batch=2)])
        saved = json.loads((tmp_path / "b" / "training_metadata.json").read_text())
        assert saved["epoch"] == 0
        resumed = over_the_air()
        fit(resumed, 2, [keras.callbacks.BackupAndRestore(**backup)])
        assert int(resumed.uplink.round) == 2 * ROUNDS + 3

    def test_early_stopping_takes_the_link_back_too(self, tmp_path):
        """Weights, memories and counters are those of the best epoch, totals among them."""
        rates = keras.callbacks.LearningRateScheduler(lambda epoch: 0.1 if epoch < 2 else 30.0)
        stop = keras.callbacks.EarlyStopping("val_loss", patience=2, restore_best_weights=True)
        every = keras.callbacks.ModelCheckpoint(
            tmp_path / "{epoch}.weights.h5", save_weights_only=True
        )
        model = over_the_air()
        history = fit(model, 9, [rates, stop, every], **VALIDATION)
        assert len(history["loss"]) == 4
        best = over_the_air()
        best.load_weights(tmp_path / "2.weights.h5")
        assert np.any(best.uplink.memory.numpy())
        assert int(model.uplink.round) == 2 * ROUNDS
        left = [v.path for v in model.link_metrics.variables]  # of the epoch that has passed
        for a, b in zip(model.variables, best.variables, strict=True):
            if a.path not in left and "metrics" not in a.path:
                np.testing.assert_array_equal(a, b, err_msg=a.path)


class TestRates:
    def test_reduce_on_plateau(self):
        plateau = keras.callbacks.ReduceLROnPlateau(
            "gradient_nmse_db", factor=0.5, patience=1, min_delta=1e9, mode="min"
        )
        model = over_the_air()
        history = fit(model, 4, [plateau])
        assert history["learning_rate"] == pytest.approx([0.1, 0.1, 0.05, 0.025])
        assert float(model.optimizer.learning_rate) == pytest.approx(0.0125)

    def test_swapped_ema_weights_are_evaluated_and_saved(self, tmp_path):
        optimizer = keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.8)
        model = over_the_air(optimizer=optimizer)
        seen = []
        keep = keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda batch, logs: seen.append(model.model.get_weights())
        )
        swap = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
        best = keras.callbacks.ModelCheckpoint(tmp_path / "{epoch}.keras")
        history = fit(model, 2, [keep, swap, best], **VALIDATION)
        mean = inner_model()
        average = seen[0]  # Keras' mean starts behind the first step
        for weights in seen[1:]:
            average = [0.8 * a + 0.2 * w for a, w in zip(average, weights, strict=True)]
        mean.set_weights(average)
        loaded = keras.saving.load_model(tmp_path / "2.keras")
        for a, b in zip(loaded.model.get_weights(), average, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
        mean.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        assert history["val_loss"][-1] == pytest.approx(mean.evaluate(X, Y, verbose=0), rel=1e-4)


class TestLoggers:
    def test_csv_logger_and_tensorboard_have_the_link(self, tmp_path):
        loggers = [
            keras.callbacks.CSVLogger(tmp_path / "log.csv"),
            keras.callbacks.TensorBoard(tmp_path / "events", histogram_freq=1, update_freq="epoch"),
        ]
        history = fit(over_the_air(), 3, loggers, **VALIDATION)
        with open(tmp_path / "log.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == 3
        for name in NAMES:
            assert [float(row[name]) for row in rows] == pytest.approx(history[name])
        _, tensors = event_tags(tmp_path / "events" / "train")
        assert tensors["epoch_gradient_nmse_db"] == tensors["epoch_loss"] == [0, 1, 2]
        assert any(tag.startswith("hidden") or "/histogram" in tag for tag in tensors)
        _, validation = event_tags(tmp_path / "events" / "validation")
        assert set(validation) >= {"epoch_loss", "epoch_accuracy"}
        assert "epoch_gradient_nmse_db" not in validation

    def test_terminate_on_nan(self):
        """For those who go on without workers whose gradients are not finite: all of them."""
        huge = keras.optimizers.SGD(1e30)
        model = over_the_air(optimizer=huge, bad_gradients="exclude")
        history = fit(model, 9, [keras.callbacks.TerminateOnNaN()])
        assert int(model.uplink.round) < 2 * ROUNDS
        assert not np.isfinite(history["loss"][-1])

    def test_mlflow_has_the_link(self, tmp_path, monkeypatch):
        """Offline, to a database in a file."""
        import mlflow
        from mlflow.keras import MlflowCallback

        monkeypatch.chdir(tmp_path)
        mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
        with mlflow.start_run() as run:
            history = fit(over_the_air(), 3, [MlflowCallback()], **VALIDATION)
        mlflow.flush_async_logging()
        client = mlflow.MlflowClient()
        for name in ("loss", "val_accuracy", "gradient_nmse_db", "energy_max_worker"):
            logged = client.get_metric_history(run.info.run_id, name)
            assert [metric.value for metric in logged] == pytest.approx(history[name])
