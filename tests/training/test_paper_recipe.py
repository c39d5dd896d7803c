"""Training as the LASER paper does it: pieces of a batch, local steps, dropout that resumes."""

from typing import Any

import keras
import numpy as np
import pytest

import laser_phy as lp
from laser_phy.core.settings import SettingsError
from laser_phy.experiments.scenario import Scenario

LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def data(examples: int = 64) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    x = random.normal(size=(examples, 6)).astype(np.float32)
    return x, (x[:, 0] + x[:, 1] > 0).astype(np.int32)


def small_model(dropout: float = 0.0) -> keras.Model:
    keras.utils.set_random_seed(3)
    layers = [keras.Input((6,)), keras.layers.Dense(16, activation="tanh")]
    if dropout:
        layers.append(keras.layers.Dropout(dropout, seed=5))
    return keras.Sequential([*layers, keras.layers.Dense(2)])


def trained(
    inner: keras.Model, *, batch: int = 16, epochs: int = 2, workers: int = 4, rate: float = 0.1,
    uplink: dict[str, Any] | None = None, **fields: Any,
) -> lp.OverTheAir:  # fmt: skip
    """A model after some epochs over a link without noise."""
    link = lp.Uplink.from_config(uplink or {"compressor": "identity", "channel": "ideal"})
    model = lp.OverTheAir(inner, workers, link, seed=1, **fields)
    model.compile(optimizer=keras.optimizers.SGD(rate), loss=LOSS, metrics=["accuracy"])
    fit(model, batch, epochs)
    return model


def fit(model: keras.Model, batch: int = 16, epochs: int = 2) -> Any:
    return model.fit(*data(), batch_size=batch, epochs=epochs, shuffle=False, verbose=0).history


def assert_close(one: keras.Model, other: keras.Model) -> None:
    # Float32 sums in another order, over eight rounds.
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


class TestMicroBatches:
    @pytest.mark.parametrize("pieces", [2, 3])  # 4 examples a worker: 3 pieces are not equal
    def test_pieces_give_the_numbers_of_one(self, pieces: int) -> None:
        models = [small_model(), small_model()]
        whole, cut = trained(models[0]), trained(models[1], micro_batches=pieces)
        assert_close(*models)
        assert fit(whole)["loss"] == pytest.approx(fit(cut)["loss"], rel=1e-4)

    def test_the_model_sees_one_piece_at_a_time(self) -> None:
        seen = []

        class Watch(keras.layers.Layer):
            def call(self, inputs: Any) -> Any:
                if inputs.shape[0] is not None:  # not while the model is put together
                    seen.append(int(inputs.shape[0]))
                return inputs

        inner = keras.Sequential([keras.Input((6,)), Watch(), keras.layers.Dense(2)])
        model = trained(inner, epochs=0, micro_batches=4)
        model.compile(optimizer="sgd", loss=LOSS, run_eagerly=True)
        seen.clear()
        model.train_on_batch(*data(32))
        assert seen == [2] * 16

    def test_a_batch_below_its_pieces_is_refused(self) -> None:
        sentence = r"workers x micro_batches x local_steps = 32 .* got a batch of 16"
        with pytest.raises(ValueError, match=sentence):
            trained(small_model(), micro_batches=4, local_steps=2, local_learning_rate=0.1)

    @pytest.mark.parametrize("field", ["micro_batches", "local_steps"])
    def test_counts_begin_at_one(self, field: str) -> None:
        with pytest.raises(ValueError, match=f"{field} must be >= 1; got 0"):
            trained(small_model(), **{field: 0})


def test_embeddings_whose_gradients_are_sparse() -> None:
    """Uncompressed, a message has as many reals as the model has weights: shapes must be known."""
    inner = lp.models.gpt("nano", layers=1, embedding=8, heads=1, context=4, vocabulary=9, seed=1)
    link = lp.Uplink.from_config({"compressor": "identity", "channel": "ideal"})
    model = lp.OverTheAir(inner, 2, link)
    model.compile(optimizer=keras.optimizers.SGD(0.1), loss=LOSS)
    tokens = np.arange(16, dtype=np.int32).reshape(4, 4) % 9
    plain = lp.models.gpt("nano", layers=1, embedding=8, heads=1, context=4, vocabulary=9, seed=1)
    plain.compile(optimizer=keras.optimizers.SGD(0.1), loss=LOSS)
    for either in (model, plain):
        either.fit(tokens, tokens, batch_size=4, shuffle=False, verbose=0)
    assert_close(plain, inner)


class TestLocalSteps:
    def test_one_worker_walks_as_plain_sgd_does(self) -> None:
        """Server and worker at the same rate: H steps on a batch are H batches of plain SGD."""
        plain, local = small_model(), small_model()
        plain.compile(optimizer=keras.optimizers.SGD(0.1), loss=LOSS)
        fit(plain, batch=4)
        trained(local, workers=1, batch=16, local_steps=4, local_learning_rate=0.1)
        assert_close(plain, local)

    def test_the_server_has_the_mean_of_the_workers_models(self) -> None:
        """Federated averaging: one round of 4 workers against each worker's own plain SGD."""
        x, y = data(32)
        ends = []
        for worker in range(4):
            own = small_model()
            own.compile(optimizer=keras.optimizers.SGD(0.1), loss=LOSS)
            mine = slice(8 * worker, 8 * worker + 8)
            own.fit(x[mine], y[mine], batch_size=4, shuffle=False, verbose=0)
            ends.append(own.get_weights())
        inner = small_model()
        model = trained(inner, epochs=0, local_steps=2, local_learning_rate=0.1)
        model.train_on_batch(x, y)
        for mean, *parts in zip(inner.get_weights(), *ends, strict=True):
            np.testing.assert_allclose(mean, np.mean(parts, axis=0), rtol=1e-4, atol=1e-6)

    def test_with_pieces_too(self) -> None:
        models = [small_model(), small_model()]
        fields: Any = {"batch": 32, "local_steps": 2, "local_learning_rate": 0.2}
        trained(models[0], **fields)
        trained(models[1], micro_batches=2, **fields)
        assert_close(*models)

    def test_over_a_noisy_downlink_workers_walk_from_what_they_have(self) -> None:
        """A downlink of little noise ends near the ideal one; far off if they walked from afar."""
        downlink = {"name": "broadcast", "channel": "awgn", "power": {"energy_per_round": 1e9}}
        ideal, noisy = small_model(), small_model()
        fields: Any = {"batch": 32, "local_steps": 2, "local_learning_rate": 0.2, "epochs": 4}
        trained(ideal, **fields)
        trained(noisy, downlink=lp.Downlink.from_config(downlink), **fields)
        start = small_model().get_weights()
        for a, b, c in zip(ideal.get_weights(), noisy.get_weights(), start, strict=True):
            assert np.linalg.norm(a - b) < 0.01 * np.linalg.norm(a - c)

    def test_a_rate_is_needed(self) -> None:
        with pytest.raises(ValueError, match="local_learning_rate must be > 0 with local_steps"):
            trained(small_model(), local_steps=2)


class TestRandomLayers:
    def test_a_saved_model_goes_on_with_the_dropout_of_the_uninterrupted_run(
        self, tmp_path: Any
    ) -> None:
        straight = trained(small_model(0.5), epochs=4)
        first = trained(small_model(0.5), epochs=2)
        first.save(tmp_path / "model.keras")
        keras.utils.set_random_seed(99)
        second = keras.saving.load_model(tmp_path / "model.keras")
        fit(second)
        for a, b in zip(straight.get_weights(), second.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)

    def test_workers_and_rounds_draw_different_numbers(self) -> None:
        """Each worker has the same example; a layer counts which of 64 values it dropped."""
        masks = []

        class Watch(keras.layers.Layer):
            def call(self, inputs: Any) -> Any:
                if inputs.shape[0] is not None:  # not while the model is put together
                    masks.append(np.asarray(inputs) == 0)
                return inputs

        inner = keras.Sequential(
            [keras.Input((64,)), keras.layers.Dropout(0.5, seed=1), Watch(), keras.layers.Dense(2)]
        )
        model = trained(inner, epochs=0)
        model.compile(optimizer="sgd", loss=LOSS, run_eagerly=True)
        masks.clear()
        for _ in range(2):
            model.train_on_batch(np.ones((4, 64), np.float32), np.zeros(4, np.int32))
        assert len(masks) == 8
        assert len({mask.tobytes() for mask in masks}) == 8


class TestScenario:
    def task(self, **changes: Any) -> Any:
        task = {"dataset": {"name": "digits"}, "model": {"name": "linear"}, "batch_size": 8}
        tree = {"task": task | changes, "uplink": {"compressor": "laser"}}
        return Scenario.from_config(tree).task

    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            (
                {"micro_batches": 3, "local_steps": 3, "local_learning_rate": 0.1},
                r"batch_size must be >= 9 .* micro_batches x local_steps = 3 x 3; got 8",
            ),
            ({"local_steps": 2}, "local_learning_rate is missing: 2 local_steps need one"),
            (
                {"dataset": {"name": "pydocs"}, "model": {"name": "gpt"}, "partition": "dirichlet"},
                "partition must be iid with text, which has no classes .* got 'dirichlet'",
            ),
            (
                {"model": {"name": "gpt"}},
                "model must be one that learns from image data, as 'digits' is; got 'gpt'",
            ),
        ],
    )
    def test_what_does_not_fit_is_refused_early(self, changes: dict, sentence: str) -> None:
        with pytest.raises(SettingsError, match=sentence):
            self.task(**changes)

    def test_length_is_cut_by_rounds(self) -> None:
        assert self.task(epochs=3).length(7) == 21
        assert self.task(epochs=3, rounds=20).length(7) == 20
        assert self.task(epochs=3, rounds=30).length(7) == 21
