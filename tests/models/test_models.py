"""The models: exact sizes, seeds, causality, saving, and the settings that build them."""

import importlib
import math
import subprocess
import sys
from typing import Any

import keras
import numpy as np
import pytest

import laser_phy as lp
from laser_phy import data, models
from laser_phy.experiments import model_settings as model_zoo

TINY = {"layers": 2, "heads": 2, "embedding": 16, "context": 12, "vocabulary": 20}


def trainable(model: keras.Model) -> int:
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_variables)


def images(shape: tuple[int, ...], count: int = 3) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, *shape)).astype(np.float32)


def tokens(count: int = 2, length: int = 12) -> np.ndarray:
    return np.random.default_rng(0).integers(20, size=(count, length), dtype=np.int32)


def test_resnet18_is_the_one_of_the_papers() -> None:
    # Origin of the numbers: torchvision's ResNet18 with a 3x3 stem and without max pooling.
    model = models.resnet18((32, 32, 3), 10, width=64, seed=0)
    assert trainable(model) == 11_173_962
    assert len(model.trainable_variables) == 62
    assert not [w for w in model.trainable_variables if "conv" in w.path and "bias" in w.path]
    norms = [x for x in model.layers if isinstance(x, keras.layers.BatchNormalization)]
    assert len(norms) == 20
    assert {(n.momentum, n.epsilon) for n in norms} == {(0.9, 1e-5)}


def test_resnet18_on_small_grey_images() -> None:
    model = models.resnet18((8, 8, 1), 10, width=4, seed=0)
    logits = model.predict(images((8, 8, 1)), verbose=0)
    assert logits.shape == (3, 10)
    assert np.isfinite(logits).all()
    assert [model.get_layer(f"stage{i}_block1_relu").output.shape[1] for i in (1, 2, 3, 4)] == [
        8,
        4,
        2,
        1,
    ]


def test_perceptrons() -> None:
    assert trainable(models.linear((28, 28, 1), 10)) == 7_850
    assert trainable(models.mlp((8, 8, 1), 10, hidden=(5, 3))) == 65 * 5 + 6 * 3 + 4 * 10
    x = images((4, 4, 1))
    model = models.linear((4, 4, 1), 3, seed=1)
    kernel, bias = (w.value.numpy() for w in model.trainable_variables)
    np.testing.assert_allclose(
        model.predict(x, verbose=0), x.reshape(3, 16) @ kernel + bias, rtol=1e-5
    )


def test_gpt2_has_the_papers_size() -> None:
    model = models.gpt("gpt2", seed=0)
    assert trainable(model) == 123_980_544
    assert model.input_shape == (None, 512)
    assert model.output_shape == (None, 512, 50304)
    assert not [w for w in model.trainable_variables if "bias" in w.path or "beta" in w.path]


@pytest.mark.parametrize(("preset", "size"), [("nano", 836_736), ("mini", 10_818_432)])
def test_gpt_presets_have_the_size_they_state(preset: str, size: int) -> None:
    model = models.gpt(preset)
    assert trainable(model) == size
    assert f"{size:,}" in str(models.gpt.__doc__)


def test_gpt_starts_as_gpt2() -> None:
    model = models.gpt("nano", seed=0)  # 4 layers: residual projections start sqrt(8) smaller
    deviations = {w.path: float(np.std(w.value.numpy())) for w in model.trainable_variables}
    for path, deviation in deviations.items():
        if "norm" in path:
            assert deviation == 0
        else:
            expected = 0.02 / np.sqrt(8) if "_out" in path else 0.02
            # 16,384 draws or more: five sigma of a sample deviation are 5 / sqrt(2 * 16384).
            assert abs(deviation / expected - 1) < 5 / np.sqrt(2 * 16_384), path
    # Nearly uniform: the first loss is log(vocabulary).
    x = np.random.default_rng(0).integers(256, size=(2, 128), dtype=np.int32)
    logits = model.predict_on_batch(x)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(np.roll(x, 1), logits)
    assert abs(float(loss) - np.log(256)) < 0.1


def test_gpt_is_causal() -> None:
    model = models.gpt(**TINY, seed=0)
    x = tokens()
    before = model.predict_on_batch(x)
    for position in (5, 11):
        changed = x.copy()
        changed[:, position] = (changed[:, position] + 1) % 20
        after = model.predict_on_batch(changed)
        np.testing.assert_array_equal(after[:, :position], before[:, :position])
        assert (after[:, position] != before[:, position]).any(axis=-1).all()
    moved = x.copy()
    moved[:, 0] = (moved[:, 0] + 1) % 20
    assert np.abs(model.predict_on_batch(moved)[:, -1] - before[:, -1]).max() > 0


def test_gpt_attention_is_the_formula() -> None:
    from laser_phy.models.transformer import CausalAttention

    heads, context, depth = 2, 5, 3
    x = images((context, 3 * heads * depth), count=2)
    query, key, value = np.moveaxis(x.reshape(2, context, 3, heads, depth), 2, 0)
    expected = np.zeros((2, context, heads, depth))
    for b, h, t in np.ndindex(2, heads, context):
        scores = query[b, t, h] @ key[b, : t + 1, h].T / np.sqrt(depth)
        weights = np.exp(scores) / np.exp(scores).sum()
        expected[b, t, h] = weights @ value[b, : t + 1, h]
    mixed = np.asarray(CausalAttention(heads)(x))
    np.testing.assert_allclose(mixed, expected.reshape(mixed.shape), rtol=1e-4, atol=1e-6)


def test_gpt_drops_in_training_alone() -> None:
    model = models.gpt(**TINY, dropout=0.5, seed=0)
    x = tokens()
    still = [np.asarray(model(x, training=False)) for _ in range(2)]
    np.testing.assert_array_equal(*still)
    assert np.abs(np.asarray(model(x, training=True)) - still[0]).max() > 0


def test_gpt_saved_is_gpt_loaded(tmp_path) -> None:
    model = models.gpt(**TINY, dropout=0.1, seed=0)
    model.save(tmp_path / "gpt.keras")
    x = tokens()
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", model.predict_on_batch(x))
    program = (
        "import sys, keras, numpy as np\n"
        "from laser_phy.models import gpt\n"
        "folder = sys.argv[1]\n"
        "model = keras.models.load_model(f'{folder}/gpt.keras')\n"
        "y = model.predict_on_batch(np.load(f'{folder}/x.npy'))\n"
        "np.testing.assert_allclose(y, np.load(f'{folder}/y.npy'), atol=1e-6)\n"
        "model.summary()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "6,736" in done.stdout


def test_gpt_learns_and_writes_what_it_learnt() -> None:
    # The text repeats 0 1 2 ... 9: after training, each token is followed by the next.
    model = models.gpt(**TINY, seed=0)
    text = np.arange(400, dtype=np.int32) % 10
    starts = np.random.default_rng(0).integers(380, size=(640, 1))
    windows = text[starts + np.arange(13)]
    model.compile(
        optimizer=keras.optimizers.Adam(0.01),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    model.fit(windows[:, :-1], windows[:, 1:], batch_size=32, epochs=2, verbose=0)
    written = models.generate(model, [3, 4], length=20, temperature=0)
    np.testing.assert_array_equal(written, (np.arange(22) + 3) % 10)


def test_generate_draws_from_the_models_probabilities() -> None:
    model = models.gpt(**TINY, seed=0)
    table = model.get_layer("embedding").table
    table.assign(100 * table.value.numpy())  # far from uniform
    drawn = [models.generate(model, [7], 1, temperature=2.0, seed=s)[1] for s in range(300)]
    logits = model.predict_on_batch(np.array([[7] + [0] * 11], np.int32))[0, 0].astype(float) / 2
    odds = np.exp(logits - logits.max())
    odds /= odds.sum()
    share = np.bincount(drawn, minlength=20) / 300
    assert np.all(np.abs(share - odds) <= 5 * np.sqrt(odds * (1 - odds) / 300) + 1e-3)
    same = [models.generate(model, [7, 1], 15, seed=4) for _ in range(2)]
    np.testing.assert_array_equal(*same)
    flat = [models.generate(model, [7, 1], 15, temperature=50.0, seed=s) for s in (4, 5)]
    assert (flat[0] != flat[1]).any()
    few = models.generate(model, [1], 10, temperature=50.0, vocabulary=3)
    assert few.max() < 3


BUILDERS = {
    "linear": lambda seed: models.linear((4, 4, 1), 3, seed=seed),
    "mlp": lambda seed: models.mlp((4, 4, 1), 3, hidden=(4, 4), seed=seed),
    "resnet18": lambda seed: models.resnet18((8, 8, 1), 3, width=2, seed=seed),
    "gpt": lambda seed: models.gpt(**TINY, seed=seed),
}


@pytest.mark.parametrize("kind", BUILDERS)
def test_weights_are_a_function_of_the_seed(kind: str) -> None:
    def kernels(seed: int | None) -> list[np.ndarray]:
        found = [w.value.numpy() for w in BUILDERS[kind](seed).trainable_variables]
        return [w for w in found if w.std() > 0]

    first, again, other, free, free2 = (kernels(s) for s in (1, 1, 2, None, None))
    for a, b, c, d, e in zip(first, again, other, free, free2, strict=True):
        np.testing.assert_array_equal(a, b)
        assert (a != c).any()
        assert (d != e).any()
    # No two tensors of one model start as copies of each other.
    for i, a in enumerate(first):
        assert not any(a.shape == b.shape and (a == b).any() for b in first[:i])


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (
            lambda: models.resnet18((28, 28), 10),
            r"input_shape must have 3 axes .* got \(28, 28\)",
        ),
        (lambda: models.resnet18((8, 8, 1), 10, width=0), "width must be an integer >= 1"),
        (lambda: models.mlp((4,), 2, hidden=(3, 0)), r"hidden\[1\] must be an integer >= 1"),
        (lambda: models.gpt("huge"), "preset must be one of nano, mini, gpt2; got 'huge'"),
        (lambda: models.gpt(heads=3), "embedding must be a multiple of heads; got 128 and 3"),
        (lambda: models.gpt(dropout=1.0), "dropout must be >= 0 and < 1"),
        (
            lambda: models.generate(models.gpt(**TINY), [], 3),
            r"prompt_tokens must be integers of shape \[position\]",
        ),
        (
            lambda: models.generate(models.gpt(**TINY), [1], 3, temperature=-1.0),
            "temperature must be >= 0; got -1.0",
        ),
    ],
)
def test_refusals_say_name_bound_and_value(build, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        build()


def test_the_package_loads_nothing_heavy() -> None:
    program = (
        "import sys\n"
        "import laser_phy.models, laser_phy.experiments.model_settings\n"
        "heavy = [m for m in ('keras', 'tensorflow', 'sionna') if m in sys.modules]\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_package_names_its_functions_whatever_was_imported_before() -> None:
    for module in ("generation", "gpt2", "perceptron", "resnet", "transformer"):
        importlib.import_module(f"laser_phy.models.{module}")
    assert set(models.__all__) == {"generate", "gpt", "linear", "mlp", "resnet18"}
    assert all(callable(getattr(models, name)) for name in models.__all__)
    assert set(models.__all__) <= set(dir(models))


def grey(classes: int = 10) -> data.Data:
    x = images((8, 8, 1))
    y = np.arange(3, dtype=np.int32)
    return data.Data("grey", "image", x, y, x, y, classes)


def letters() -> data.Data:
    return data.Data("letters", "text", tokens(), tokens(), tokens(), tokens(), 20)


@pytest.mark.parametrize(
    ("settings", "source", "size"),
    [
        (model_zoo.Linear(), grey(), 650),
        (model_zoo.Mlp(hidden=[5]), grey(), 65 * 5 + 60),
        (model_zoo.Resnet18(width=2), grey(), 11_384),
        (
            model_zoo.Gpt(layers=1, heads=1, embedding=8, vocabulary=32),
            letters(),
            12 * 64 + 32 * 8 + 12 * 8 + 3 * 8,
        ),
    ],
)
def test_settings_build_for_the_data(settings, source: data.Data, size: int) -> None:
    model = settings.build(source, seed=3)
    assert trainable(model) == size
    assert model.input_shape == (None, *source.input_shape)
    again = settings.build(source, seed=3)
    for a, b in zip(model.variables, again.variables, strict=True):
        np.testing.assert_array_equal(a.value.numpy(), b.value.numpy())


def test_a_saved_model_is_trained_on(tmp_path) -> None:
    path = str(tmp_path / "own.keras")
    own = models.mlp((8, 8, 1), 10, hidden=(3,), seed=9)
    own.save(path)
    loaded = model_zoo.KerasFile(path=path).build(grey(), seed=0)
    x = images((8, 8, 1))
    np.testing.assert_array_equal(loaded.predict_on_batch(x), own.predict_on_batch(x))
    with pytest.raises(data.DataError, match=r"takes examples of shape \(8, 8, 1\).*\(12,\)"):
        model_zoo.KerasFile(path=path).build(letters(), seed=0)
    with pytest.raises(data.DataError, match="gives 10 logits; data set 'grey' needs 11"):
        model_zoo.KerasFile(path=path).build(grey(classes=11), seed=0)
    (tmp_path / "broken.keras").write_text("no model")
    with pytest.raises(data.DataError, match="cannot be loaded as a Keras model"):
        model_zoo.KerasFile(path=str(tmp_path / "broken.keras")).build(grey(), seed=0)
    with pytest.raises(data.DataError, match="does not exist"):
        model_zoo.KerasFile(path=str(tmp_path / "none.keras")).build(grey(), seed=0)


@keras.saving.register_keras_serializable("test_models")
class Own(keras.Model):
    """A subclassed model, which does not know the shapes it takes and gives."""

    def __init__(self, logits: int = 10, **options: Any) -> None:
        super().__init__(**options)
        self.logits = logits
        self.hidden = keras.layers.Dense(4, activation="tanh")
        self.out = keras.layers.Dense(logits)

    def build(self, input_shape: Any) -> None:
        self.hidden.build((None, math.prod(input_shape[1:])))
        self.out.build((None, 4))
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        flat = keras.ops.reshape(inputs, (-1, math.prod(inputs.shape[1:])))
        return self.out(self.hidden(flat))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "logits": self.logits}


def test_a_saved_subclassed_model_is_trained_on(tmp_path) -> None:
    path = str(tmp_path / "own.keras")
    own, x = Own(), images((8, 8, 1))
    own(x)
    own.save(path)
    loaded = model_zoo.KerasFile(path=path).build(grey(), seed=0)
    assert not hasattr(loaded, "input_shape")
    np.testing.assert_array_equal(loaded.predict_on_batch(x), own.predict_on_batch(x))
    with pytest.raises(data.DataError, match="gives 10 logits; data set 'grey' needs 11"):
        model_zoo.KerasFile(path=path).build(grey(classes=11), seed=0)
    with pytest.raises(data.DataError, match=r"does not take examples of shape \(12,\) and type"):
        model_zoo.KerasFile(path=path).build(letters(), seed=0)


def test_a_subclassed_model_trains_over_the_air_saves_and_summarises(tmp_path, capsys) -> None:
    link = lp.Uplink.from_config({"compressor": {"name": "laser", "rank": 1}, "channel": "awgn"})
    model = lp.OverTheAir(Own(), 3, link, seed=1)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer="sgd", loss=loss)
    x, y = images((8, 8, 1)), np.arange(3, dtype=np.int32)
    model.fit(x, y, batch_size=3, shuffle=False, verbose=0)  # the first batch builds it
    model.save(tmp_path / "air.keras")
    again = keras.saving.load_model(tmp_path / "air.keras")
    for either in (model, again):
        either.fit(x, y, batch_size=3, shuffle=False, verbose=0)
    np.testing.assert_array_equal(again.predict_on_batch(x), model.predict_on_batch(x))
    model.summary()
    assert "310" in capsys.readouterr().out  # 64 x 4 + 4 + 4 x 10 + 10


def test_generate_is_told_the_context_of_a_subclassed_model() -> None:
    inner = models.gpt(**TINY, seed=0)

    class Wrapped(keras.Model):
        def call(self, inputs: Any) -> Any:
            return inner(inputs)

    written = models.generate(Wrapped(), [3], 15, seed=2, context=12)
    np.testing.assert_array_equal(written, models.generate(inner, [3], 15, seed=2))
    with pytest.raises(ValueError, match=r"context must be an integer >= 1 .*; got 0"):
        models.generate(inner, [3], 2, context=0)


def test_models_refuse_data_they_cannot_learn_from() -> None:
    with pytest.raises(data.DataError, match=r"'gpt' learns from text data; .*'grey' is image"):
        model_zoo.Gpt().build(grey(), seed=0)
    with pytest.raises(data.DataError, match="'linear' learns from image or array data"):
        model_zoo.Linear().build(letters(), seed=0)
    with pytest.raises(data.DataError, match="vocabulary must be >= 20"):
        model_zoo.Gpt(vocabulary=19).build(letters(), seed=0)
