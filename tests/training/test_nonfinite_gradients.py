"""NaN and infinite gradients: never silent, and nothing is poisoned."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import laser_phy as lp
from laser_phy.training.nonfinite_gradients import BadGradientsError, is_finite, lower_loss_scale

LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
SHAPES = [(30, 20), (7,)]
COMPRESSORS = [
    {"name": "laser", "rank": 2}, {"name": "laser", "rank": 2, "factors": "both"}, "identity",
    {"name": "random_k"}, "signum", {"name": "sketch"}, {"name": "a_dsgd"},
]  # fmt: skip


def data(bad=(), examples=64):
    """A batch of 16 for four workers; `bad` are examples with a NaN."""
    random = np.random.default_rng(0)
    x = random.normal(size=(examples, 6)).astype(np.float32)
    y = (x[:, 0] + x[:, 1] > 0).astype(np.int32)
    x[list(bad)] = np.nan
    return x, y


def wrapped(bad_gradients="stop", *, dtype=None, optimizer=None, steps=1, downlink=None, **uplink):
    keras.utils.set_random_seed(3)
    inner = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(16, activation="relu", dtype=dtype),
            keras.layers.BatchNormalization(momentum=0.5, dtype=dtype),
            keras.layers.Dense(2, dtype=dtype),
        ]
    )
    fields = {"compressor": {"name": "laser", "rank": 1}, "channel": "awgn", **uplink}
    link = lp.Uplink.from_config(fields)
    down = lp.Downlink.from_config(downlink) if downlink else None
    model = lp.OverTheAir(inner, 4, link, down, seed=1, bad_gradients=bad_gradients)
    optimizer = optimizer or keras.optimizers.SGD(0.1, momentum=0.9)
    model.compile(optimizer=optimizer, loss=LOSS, metrics=["accuracy"], steps_per_execution=steps)
    return model


def fit(model, x, y, epochs=1):
    return model.fit(x, y, batch_size=16, shuffle=False, verbose=0, epochs=epochs).history


def all_finite(model):
    """Weights, statistics, optimizer and memories; the trace may show what happened."""
    parts = [model.model.variables, model.optimizer.variables, model.uplink.variables]
    parts += [] if model.replicas is None else [model.replicas.variables]
    return all(np.isfinite(np.asarray(v)).all() for part in parts for v in part)


class TestSettings:
    def test_stop_names_workers_and_round(self):
        model = wrapped()
        x, y = data(bad=[37])  # round 2, worker 1
        with pytest.raises(BadGradientsError, match=r"1 of 4 workers \(1\) .* in round 2\. They"):
            fit(model, x, y)
        assert int(model.uplink.round) == 3
        assert model.uplink.excluded.numpy().tolist() == [0, 1, 0, 0]
        assert all_finite(model)

    def test_stop_finds_the_round_within_an_execution(self):
        model = wrapped(steps=4)
        with pytest.raises(BadGradientsError, match=r"2 of 4 workers \(1, 2\) .* in round 1\."):
            fit(model, *data(bad=[20, 21, 41]))
        assert all_finite(model)

    def test_exclude_goes_on_and_counts(self):
        model = wrapped("exclude")
        history = fit(model, *data(bad=[37]), epochs=2)
        assert history["excluded_workers"] == [0.25, 0.25]  # one of four rounds
        assert model.uplink.excluded.numpy().tolist() == [0, 2, 0, 0]
        assert [row["excluded_workers"] for row in model.round_trace()] == [0, 0, 1, 0] * 2
        assert np.isfinite(history["loss"]).all()
        assert np.isfinite([row["loss"] for row in model.round_trace()]).all()
        assert all_finite(model)

    def test_exclude_with_nobody_left_is_not_silent(self):
        """The loss of a round without a worker is NaN, in the logs too; the weights stay."""
        model = wrapped("exclude", optimizer=keras.optimizers.SGD(0.1))
        start = model.model.get_weights()
        history = fit(model, *data(bad=range(64)))
        assert np.isnan(history["loss"]).all()
        assert history["excluded_workers"] == [4.0]
        for a, b in zip(start, model.model.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)

    def test_setting_is_saved_and_checked(self, tmp_path):
        model = wrapped("exclude")
        model.save(tmp_path / "model.keras")
        assert keras.saving.load_model(tmp_path / "model.keras").bad_gradients == "exclude"
        with pytest.raises(ValueError, match="bad_gradients must be stop or exclude; got 'skip'"):
            wrapped("skip")


class TestMeanOfTheOthers:
    def test_of_gradients_and_statistics(self):
        """With worker 1 out, a round is a round of the other three, everywhere."""
        plain = {"compressor": "identity", "channel": "ideal"}
        model, three = wrapped("exclude", **plain), wrapped(**plain)
        three = lp.OverTheAir(three.model, 3, lp.Uplink.from_config(plain), seed=1)
        three.compile(optimizer=keras.optimizers.SGD(0.1, momentum=0.9), loss=LOSS)
        x, y = data(bad=range(4, 8), examples=16)
        keep = np.r_[0:4, 8:16]
        seen = model.train_on_batch(x, y, return_dict=True)
        expected = three.train_on_batch(x[keep], y[keep], return_dict=True)
        for a, b in zip(model.model.get_weights(), three.model.get_weights(), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)
        assert seen["loss"] == pytest.approx(expected["loss"], rel=1e-6)
        # the mean of what was sent is exactly what arrives: the floor, and not 0 / 0
        assert seen["gradient_nmse_db"] < -130

    @pytest.mark.parametrize("compressor", COMPRESSORS, ids=str)
    def test_an_absent_worker_sends_nothing_and_its_memory_stays(self, compressor):
        """For every compressor, as if the others were alone; three rounds, so memories are used."""
        fields = {
            "compressor": compressor,
            "channel": "rayleigh",
            "power_control": "inversion",
            "power": {"energy_per_round": 1e12, "budget": "round"},
        }
        uplink = lp.Uplink.from_config(fields)
        uplink.build(SHAPES, 4, seed=1)
        random = np.random.default_rng(0)
        x = [random.normal(size=(4, *shape)).astype(np.float32) for shape in SHAPES]
        present = tf.constant([True, True, False, True])
        for round_ in range(3):
            here = present if round_ else tf.ones([4], tf.bool)
            before = uplink.memory.numpy()
            messages, _ = uplink.collect(
                lambda k, c, here=here: (uplink.encode(k, [t[k] for t in x], None, here[k]), c), []
            )
            seen = uplink.receive(messages, None, here)
            sent = here.numpy()
            assert float(seen.diagnostics["senders"]) == sent.sum()
            assert float(seen.diagnostics["excluded_workers"]) == 4 - sent.sum()
            np.testing.assert_array_equal(uplink.memory.numpy()[~sent], before[~sent])
            assert not np.any(messages.reals.numpy()[~sent])
            if uplink.codec.memory_size:
                assert np.any(uplink.memory.numpy()[sent] != before[sent])
            if compressor == "identity":
                np.testing.assert_allclose(seen.gradients[0], x[0][sent].mean(axis=0), atol=2e-3)

    def test_of_energy_below_infinity(self):
        assert bool(is_finite([tf.ones([3]), tf.fill([2], 1e18)]))
        for value in (np.nan, np.inf, -np.inf, 1e20):
            assert not bool(is_finite([tf.ones([3]), tf.constant([0.0, value])]))


class TestLossScale:
    """mixed_float16: an overflow lowers the scale and poisons nothing."""

    def optimizer(self, scale=2.0**20):
        inner = keras.optimizers.SGD(0.05, momentum=0.9)
        return keras.optimizers.LossScaleOptimizer(inner, initial_scale=scale)

    @pytest.mark.parametrize("downlink", [None, {"name": "broadcast"}], ids=["ideal", "broadcast"])
    @pytest.mark.parametrize("setting", ["stop", "exclude"])
    def test_an_overflow_lowers_the_scale_and_training_goes_on(self, setting, downlink):
        """A scale of 2^40 overflows float16 until it has come down; then everything goes on."""
        optimizer = self.optimizer(2.0**40)
        model = wrapped(setting, dtype="mixed_float16", optimizer=optimizer, downlink=downlink)
        history = fit(model, *data(), epochs=20)
        assert history["excluded_workers"][0] > 0
        assert history["excluded_workers"][-1] == 0
        assert 1 < float(optimizer.dynamic_scale) < 2.0**30
        assert history["accuracy"][-1] > 0.8
        assert all_finite(model)

    def test_what_the_scale_does_not_explain_stops(self):
        """The same example is NaN in every epoch: the scale falls to below 1, and then it stops."""
        optimizer = self.optimizer(2.0)
        model = wrapped(dtype="mixed_float16", optimizer=optimizer)
        with pytest.raises(BadGradientsError, match=r"1 of 4 workers \(1\)"):
            fit(model, *data(bad=[37]), epochs=5)
        assert float(optimizer.dynamic_scale) == 0.5
        assert model.uplink.excluded.numpy().tolist() == [0, 2, 0, 0]

    def test_scale_has_a_floor(self):
        optimizer = self.optimizer(2.0)
        optimizer.build([keras.Variable(0.0)])
        optimizer.step_counter.assign(7)
        lower_loss_scale(optimizer, tf.constant(False))
        assert (float(optimizer.dynamic_scale), int(optimizer.step_counter)) == (2.0, 7)
        for expected in (1.0, 0.5, 0.5):
            lower_loss_scale(optimizer, tf.constant(True))
            assert (float(optimizer.dynamic_scale), int(optimizer.step_counter)) == (expected, 0)
