"""OverTheAir is a Keras model: training, metrics, statistics, saving."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import laser_phy as lp
from laser_phy.uplink.diagnostics import NAMES

LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def data(examples=64, seed=0):
    random = np.random.default_rng(seed)
    x = random.normal(size=(examples, 6)).astype(np.float32)
    return x, (x[:, 0] + x[:, 1] > 0).astype(np.int32)


def small_model(*, batch_norm=False, seed=3):
    keras.utils.set_random_seed(seed)
    layers = [keras.Input((6,)), keras.layers.Dense(16, activation="relu")]
    if batch_norm:
        layers.append(keras.layers.BatchNormalization(momentum=0.5))
    return keras.Sequential([*layers, keras.layers.Dense(2)])


def wrapped(inner=None, *, workers=4, ema=None, steps=1, optimizer=None, seed=1, **uplink):
    fields = {"compressor": {"name": "laser", "rank": 1}, "channel": "awgn", **uplink}
    inner = small_model() if inner is None else inner
    model = lp.OverTheAir(inner, workers, lp.Uplink.from_config(fields), seed=seed, ema=ema)
    optimizer = optimizer or keras.optimizers.SGD(0.1, momentum=0.9)
    model.compile(optimizer=optimizer, loss=LOSS, metrics=["accuracy"], steps_per_execution=steps)
    return model


def fit(model, epochs=1, **fields):
    x, y = data()
    fields = {"batch_size": 16, "shuffle": False, "verbose": 0, **fields}
    return model.fit(x, y, epochs=epochs, **fields)


def weights(model):
    return model.get_weights()


class TestTrainStep:
    def test_ideal_identity_is_plain_sgd(self):
        """No noise, no compression: the numbers of an ordinary Keras fit on the global batch."""
        plain = small_model()
        plain.compile(optimizer=keras.optimizers.SGD(0.1, momentum=0.9), loss=LOSS)
        inner = small_model()
        fit(plain, epochs=3)
        fit(wrapped(inner, compressor="identity", channel="ideal"), epochs=3)
        for a, b in zip(weights(plain), weights(inner), strict=True):
            np.testing.assert_allclose(a, b, rtol=2e-4, atol=1e-6)

    def test_example_i_belongs_to_worker_i_over_batch(self):
        """Worker 2's messages come from the third quarter of the batch."""
        inner = small_model()
        model = wrapped(inner, compressor="identity", channel="ideal")
        x, y = data(16)
        with tf.GradientTape() as tape:
            loss = LOSS(y[8:12], inner(x[8:12]))
        expected = tape.gradient(loss, [v.value for v in inner.trainable_variables])
        seen = {}
        encode = model.uplink.encode
        model.uplink.encode = lambda k, g, *s: (seen.update({int(k): g}), encode(k, g, *s))[1]
        model.compile(optimizer="sgd", loss=LOSS, run_eagerly=True)
        model.train_on_batch(x, y)
        assert sorted(seen) == [0, 1, 2, 3]
        for a, b in zip(seen[2], expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)

    def test_batch_norm_statistics_are_the_workers_mean(self):
        inner = small_model(batch_norm=True)
        model = wrapped(inner, compressor="identity", channel="ideal")
        x, _ = data(16)
        hidden = np.maximum(x @ inner.layers[0].kernel.numpy() + inner.layers[0].bias.numpy(), 0)
        shards = hidden.reshape(4, 4, -1)
        fit(model, epochs=1, steps_per_epoch=1)
        layer = inner.layers[1]
        np.testing.assert_allclose(
            layer.moving_mean, 0.5 * shards.mean(axis=1).mean(axis=0), rtol=1e-4, atol=1e-6
        )
        np.testing.assert_allclose(
            layer.moving_variance, 0.5 + 0.5 * shards.var(axis=1).mean(axis=0), rtol=1e-4, atol=1e-6
        )

    def test_learns_over_the_air(self):
        model = wrapped(channel="tdl", power={"energy_per_round": 1000.0})
        history = fit(model, epochs=20)
        assert history.history["accuracy"][-1] > 0.9

    def test_metrics_are_those_of_all_workers(self):
        model = wrapped(optimizer=keras.optimizers.SGD(0.0))
        history = fit(model)
        x, y = data()
        loss, accuracy = model.evaluate(x, y, verbose=0)
        assert history.history["loss"][0] == pytest.approx(loss, rel=1e-5)
        assert history.history["accuracy"][0] == pytest.approx(accuracy)

    def test_a_partial_batch_is_cut_to_a_multiple_of_workers(self):
        """18 examples at batch 16: the last two are fewer than four workers."""
        model = wrapped(compressor="identity", channel="ideal")
        x, y = data(22)
        model.fit(x, y, batch_size=16, verbose=0, shuffle=False)  # 6 left: 4 used
        assert int(model.uplink.round) == 2
        with pytest.raises(
            (tf.errors.InvalidArgumentError, ValueError), match="fewer examples than the 4 workers"
        ):
            model.fit(x[:18], y[:18], batch_size=16, verbose=0, shuffle=False)

    def test_a_batch_below_the_workers_is_refused(self):
        x, y = data(3)
        with pytest.raises(ValueError, match=r"batch_size must be >= workers = 4 .* batch of 3"):
            wrapped().train_on_batch(x, y)

    def test_layers_frozen_after_wrapping_are_named(self):
        inner = small_model()
        model = wrapped(inner)
        inner.layers[0].trainable = False
        with pytest.raises(ValueError, match="Freeze layers before wrapping"):
            fit(model)

    @pytest.mark.parametrize(
        ("fields", "sentence"),
        [({"workers": 0}, "workers must be >= 1; got 0"), ({"ema": 1.0}, "ema must be between")],
    )
    def test_bad_arguments(self, fields, sentence):
        with pytest.raises(ValueError, match=sentence):
            wrapped(**fields)


class TestLogs:
    def test_logs_have_the_diagnostics_and_validation_does_not(self):
        x, y = data()
        history = fit(wrapped(), epochs=2, validation_data=(x, y)).history
        assert set(NAMES) <= set(history)
        assert {"val_loss", "val_accuracy"} == {name for name in history if name.startswith("val_")}
        assert history["energy_max_worker"][1] <= 100 * (1 + 1e-5)
        assert history["symbols_per_round"][0] > 0

    @pytest.mark.parametrize("steps", [1, 4])
    def test_link_monitor_sees_every_round(self, steps):
        model = wrapped(steps=steps)
        monitor = lp.callbacks.LinkMonitor(every=3)
        history = fit(model, epochs=3, callbacks=[monitor]).history
        assert [row["round"] for row in monitor.rows] == list(range(12))
        epoch = monitor.rows[4:8]
        assert np.mean([r["loss"] for r in epoch]) == pytest.approx(history["loss"][1], rel=1e-4)
        worst = max(r["energy_max_worker"] for r in epoch)
        assert worst == pytest.approx(history["energy_max_worker"][1], rel=1e-6)

    def test_nmse_of_an_epoch_sums_before_the_logarithm(self):
        model = wrapped()
        monitor = lp.callbacks.LinkMonitor()
        history = fit(model, callbacks=[monitor]).history
        single = [row["gradient_nmse_db"] for row in monitor.rows]
        assert min(single) < history["gradient_nmse_db"][0] < max(single)
        assert history["gradient_nmse_db"][0] != pytest.approx(np.mean(single), abs=1e-4)

    def test_link_monitor_wants_a_wrapped_model(self):
        plain = small_model()
        plain.compile(optimizer="sgd", loss=LOSS)
        with pytest.raises(ValueError, match="wrapped in OverTheAir; got Sequential"):
            fit(plain, callbacks=[lp.callbacks.LinkMonitor()])
        with pytest.raises(ValueError, match="every must be between 1 and 256"):
            lp.callbacks.LinkMonitor(every=0)

    def test_steps_per_execution_change_nothing(self):
        models = [wrapped(small_model(), steps=n, channel="tdl") for n in (1, 4)]
        for model in models:
            fit(model, epochs=2)
        for a, b in zip(*map(weights, models), strict=True):
            np.testing.assert_array_equal(a, b)


class TestRunningMean:
    def test_mean_is_debiased(self):
        inner = small_model()
        model = wrapped(inner, ema=0.9)
        seen = []
        keep = keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda batch, logs: seen.append(weights(inner))
        )
        fit(model, epochs=2, callbacks=[keep])
        decay = 0.1 * 0.9 ** np.arange(len(seen))[::-1]
        before = weights(inner)
        with model.ema_weights():
            for i, mean in enumerate(weights(inner)):
                expected = sum(d * w[i] for d, w in zip(decay, seen, strict=True)) / decay.sum()
                np.testing.assert_allclose(mean, expected, rtol=1e-4, atol=1e-6)
        for a, b in zip(before, weights(inner), strict=True):
            np.testing.assert_array_equal(a, b)

    def test_needs_to_be_asked_for(self):
        with pytest.raises(ValueError, match="ema_weights needs"), wrapped().ema_weights():
            pass


class TestSaving:
    def test_save_load_and_go_on_is_the_uninterrupted_run(self, tmp_path):
        """Memories, bases, counters, momentum, running mean: bit for bit."""
        straight = wrapped(small_model(batch_norm=True), ema=0.9, channel="tdl")
        fit(straight, epochs=4)
        first = wrapped(small_model(batch_norm=True), ema=0.9, channel="tdl")
        fit(first, epochs=2)
        first.save(tmp_path / "model.keras")
        second = keras.saving.load_model(tmp_path / "model.keras")
        assert int(second.uplink.round) == 8
        assert np.any(second.uplink.memory.numpy())
        fit(second, epochs=2)
        assert len(weights(straight)) == len(weights(second))
        for a, b in zip(weights(straight), weights(second), strict=True):
            np.testing.assert_array_equal(a, b)

    def test_inner_model_saves_without_a_trace_of_us(self, tmp_path):
        inner = small_model()
        fit(wrapped(inner))
        inner.save(tmp_path / "inner.keras")
        again = keras.saving.load_model(tmp_path / "inner.keras")
        assert type(again) is keras.Sequential
        assert len(again.weights) == 4
        x, _ = data()
        np.testing.assert_allclose(again.predict(x, verbose=0), inner.predict(x, verbose=0))

    def test_a_model_without_shapes_is_built_by_its_first_batch(self):
        keras.utils.set_random_seed(3)
        inner = keras.Sequential([keras.layers.Dense(16, activation="relu"), keras.layers.Dense(2)])
        model = wrapped(inner)
        assert not model.uplink.built
        fit(model)
        assert int(model.uplink.round) == 4
