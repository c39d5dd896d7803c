"""Any Keras model trains over the air: kinds of models, of numbers, of compressors and of input."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.src.trainers.trainer import model_supports_jit

import laser_phy as lp

WORKERS, BATCH, EXAMPLES = 4, 16, 32
CLASSES, WORDS, LENGTH, PIXELS = 3, 20, 6, 96


def features(seed=0):
    random = np.random.default_rng(seed)
    x = random.normal(size=(EXAMPLES, 8)).astype(np.float32)
    return x, (x[:, 0] > 0).astype(np.int32) + (x[:, 1] > 0.5)


def words(seed=0):
    random = np.random.default_rng(seed)
    return random.integers(0, WORDS, (EXAMPLES, LENGTH)), random.integers(0, CLASSES, EXAMPLES)


def images(seed=0, size=8):
    random = np.random.default_rng(seed)
    x = random.normal(size=(EXAMPLES, size, size, 3)).astype(np.float32)
    return x, random.integers(0, CLASSES, EXAMPLES)


def dense(units, **fields):
    return keras.layers.Dense(units, **fields)


def logits(x):
    return keras.layers.Dense(CLASSES, dtype="float32", name="logits")(x)


# ---- models: each returns the model and its data ----


def functional():
    inputs = keras.Input((8,))
    x = keras.layers.LayerNormalization()(dense(16, activation="gelu")(inputs))
    return keras.Model(inputs, logits(keras.layers.Dropout(0.3)(x))), features()


def sequential():
    return keras.Sequential([keras.Input((8,)), dense(16, activation="relu"), dense(3)]), features()


def sequential_unbuilt():
    return keras.Sequential([dense(16, activation="relu"), dense(CLASSES)]), features()


@keras.saving.register_keras_serializable("tests")
class Subclassed(keras.Model):
    """Layers made in the constructor, an `add_loss` and a metric of its own in the call."""

    def __init__(self, **fields):
        super().__init__(**fields)
        self.hidden, self.out = dense(16, activation="relu"), dense(CLASSES)
        self.norm = keras.layers.BatchNormalization()

    def call(self, inputs, training=False):
        hidden = self.norm(self.hidden(inputs), training=training)
        self.add_loss(1e-3 * keras.ops.mean(keras.ops.square(hidden)))
        return self.out(hidden)


def subclassed():
    model = Subclassed()
    model(np.zeros((1, 8), np.float32))
    return model, features()


def subclassed_unbuilt():
    return Subclassed(), features()


def batch_norm():
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(8, 3, use_bias=False)(inputs)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    return keras.Model(inputs, logits(keras.layers.GlobalAveragePooling2D()(x))), images()


def embedding():
    inputs = keras.Input((LENGTH,), dtype="int32")
    x = keras.layers.Embedding(WORDS, 8, mask_zero=True)(inputs)
    return keras.Model(inputs, logits(keras.layers.GlobalAveragePooling1D()(x))), words()


def recurrent():
    inputs = keras.Input((LENGTH,), dtype="int32")
    x = keras.layers.GRU(8)(keras.layers.Embedding(WORDS, 8)(inputs))
    return keras.Model(inputs, logits(x)), words()


def shared_layer():
    twin = dense(16, activation="tanh")
    left, right = keras.Input((8,), name="left"), keras.Input((8,), name="right")
    (x, y), (z, _) = features(), features(1)
    model = keras.Model([left, right], logits(keras.layers.subtract([twin(left), twin(right)])))
    return model, ([x, z], y)


def frozen_layers():
    inputs = keras.Input((8,))
    x = keras.layers.Normalization(mean=0.1, variance=1.3)(inputs)
    frozen = keras.Sequential([dense(16, activation="relu"), keras.layers.BatchNormalization()])
    x = frozen(x)
    frozen.trainable = False
    return keras.Model(inputs, logits(x)), features()


def regularized():
    penalty = keras.regularizers.L2(1e-3)
    layers = [dense(16, activation="relu", kernel_regularizer=penalty), dense(CLASSES)]
    return keras.Sequential([keras.Input((8,)), *layers]), features()


def mobilenet():
    backbone = keras.applications.MobileNetV2(
        input_shape=(PIXELS, PIXELS, 3), alpha=0.35, weights=None, include_top=False, pooling="avg"
    )
    inputs = keras.Input((PIXELS, PIXELS, 3))
    return keras.Model(inputs, logits(backbone(inputs))), images(size=PIXELS)


MODELS = (
    functional, sequential, sequential_unbuilt, subclassed, subclassed_unbuilt, batch_norm,
    embedding, recurrent, shared_layer, frozen_layers, regularized,
)  # fmt: skip
COMPRESSORS = (
    {"name": "laser", "rank": 2}, {"name": "laser", "rank": 2, "factors": "both"}, "identity",
    "random_k", "sketch", "signum", "a_dsgd",
)  # fmt: skip
POLICIES = ("float32", "mixed_bfloat16", "mixed_float16")


@pytest.fixture
def policy(request):
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_dtype_policy("float32")


def wrapped(model, compressor="identity", channel="ideal", workers=WORKERS, **fields):
    fields = {"optimizer": keras.optimizers.SGD(0.05), "loss": sparse(), **fields}
    link = lp.Uplink.from_config({"compressor": compressor, "channel": channel})
    over = lp.OverTheAir(model, workers, link, seed=1)
    over.compile(**fields)
    return over


def sparse():
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def fit(model, x, y=None, **fields):
    fields = {"shuffle": False, "verbose": 0, **fields}
    if y is not None:
        fields = {"batch_size": BATCH, **fields}
    return model.fit(x, y, **fields).history


def arrays(model):
    return [weight.numpy() for weight in model.trainable_weights]


def trains(make, compressor, **compiled):
    """A short fit that moves every trainable weight, and nothing that is frozen."""
    keras.utils.set_random_seed(1)
    model, (x, y) = make()
    over = wrapped(model, compressor, "awgn", **compiled)
    before = None
    if over.built:
        before, frozen = arrays(model), [w.numpy() for w in frozen_weights(model)]
    history = fit(over, x, y, epochs=2, validation_data=(x, y))
    assert over.uplink.rounds == 4
    assert np.isfinite(history["loss"]).all()
    assert np.isfinite(history["val_loss"]).all()
    assert all(np.isfinite(weight).all() for weight in arrays(model))
    if before is not None:
        assert all((a != b).any() for a, b in zip(before, arrays(model), strict=True))
        for a, b in zip(frozen, frozen_weights(model), strict=True):
            np.testing.assert_array_equal(a, b.numpy())
    assert over.predict(x, verbose=0).shape == (EXAMPLES, CLASSES)


def frozen_weights(model):
    return [
        weight
        for layer in model._flatten_layers()
        if not layer.trainable or isinstance(layer, keras.layers.Normalization)
        for weight in layer.weights
        if "seed_generator" not in weight.path
    ]


@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_every_kind_of_model_trains(make):
    trains(make, {"name": "laser", "rank": 2})


@pytest.mark.parametrize("policy", ["mixed_bfloat16"], indirect=True)
def test_a_loss_of_a_layer_in_low_precision(policy):
    """Which `compute_loss` of Keras 3.15 cannot add to the float32 one."""
    trains(subclassed, "identity")


@pytest.mark.long
@pytest.mark.parametrize("compressor", COMPRESSORS, ids=str)
@pytest.mark.parametrize("policy", POLICIES, indirect=True)
@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_every_model_with_every_compressor_in_every_precision(make, policy, compressor):
    trains(make, compressor)


@pytest.mark.long
@pytest.mark.parametrize("compressor", COMPRESSORS[:3], ids=str)
@pytest.mark.parametrize("policy", POLICIES, indirect=True)
def test_an_application_of_keras_in_every_precision(policy, compressor):
    # The scale that a longer fit comes down to, in Keras too; at 32 pixels, where the last maps are
    # of one pixel, Keras' own fit on a worker's four images overflows at every scale.
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.05), 2.0**10)
    trains(mobilenet, compressor, **({"optimizer": optimizer} if policy == "mixed_float16" else {}))


class TestAgainstKeras:
    """On an ideal link and without compression, a fit of Keras itself on the global batch."""

    @staticmethod
    def compare(make, x, y, fields=None, rtol=2e-4, **fit_fields):
        runs = []
        for over in (True, False):
            keras.utils.set_random_seed(1)
            model, compiled = make(), dict(fields or {})
            options = {"optimizer": keras.optimizers.SGD(0.05), **compiled}
            trained = wrapped(model, **options) if over else model
            if not over:
                model.compile(**options)
            runs.append((fit(trained, x, y, epochs=2, **fit_fields), model))
        (ours, a), (theirs, b) = runs
        for name, values in theirs.items():
            np.testing.assert_allclose(ours[name], values, rtol=rtol, err_msg=name)
        for u, v in zip(arrays(a), arrays(b), strict=True):
            np.testing.assert_allclose(u, v, rtol=rtol, atol=1e-6)

    @pytest.mark.parametrize("nest", [dict, list])
    def test_several_inputs_and_outputs(self, nest):
        """A loss, a weight and a metric an output."""
        (x, y), (z, _) = features(), features(1)

        def make():
            left, right = keras.Input((8,), name="left"), keras.Input((8,), name="right")
            hidden = dense(16, activation="tanh")(keras.layers.concatenate([left, right]))
            kind, size = dense(CLASSES, name="kind")(hidden), dense(1, name="size")(hidden)
            ins = {"left": left, "right": right} if nest is dict else [left, right]
            outs = {"kind": kind, "size": size} if nest is dict else [kind, size]
            return keras.Model(ins, outs)

        target = (x**2).mean(axis=1, keepdims=True)
        named = nest is dict
        self.compare(
            make,
            {"left": x, "right": z} if named else [x, z],
            {"kind": y, "size": target} if named else [y, target],
            {
                "loss": {"kind": sparse(), "size": "mse"} if named else [sparse(), "mse"],
                "loss_weights": {"kind": 1.0, "size": 0.3} if named else [1.0, 0.3],
                "metrics": {"size": ["mae"]} if named else [[], ["mae"]],
            },
        )

    def test_sample_weights_and_class_weights(self):
        def make():
            return sequential()[0]

        x, y = features()
        fields = {"loss": sparse(), "weighted_metrics": ["accuracy"]}
        weight = np.linspace(0.1, 2, EXAMPLES).astype(np.float32)
        self.compare(make, x, y, fields, sample_weight=weight)
        self.compare(make, x, y, fields, class_weight={0: 1.0, 1: 2.0, 2: 0.5})

    def test_custom_loss_and_metric(self):
        def error(target, output):
            return keras.ops.mean(keras.ops.abs(target - output) ** 1.5, axis=-1)

        class Largest(keras.metrics.Metric):
            def __init__(self, name="largest", **fields):
                super().__init__(name=name, **fields)
                self.value = self.add_variable((), "zeros", name="value")

            def update_state(self, target, output, sample_weight=None):
                found = keras.ops.max(keras.ops.abs(target - output))
                self.value.assign(keras.ops.maximum(self.value, found))

            def result(self):
                return self.value.value

        def make():
            return keras.Sequential([keras.Input((8,)), dense(8, activation="relu"), dense(2)])

        x, _ = features()
        self.compare(make, x, x[:, :2], {"loss": error, "metrics": [Largest()]}, rtol=1e-3)

    def test_regularizers_and_losses_of_layers(self):
        self.compare(lambda: regularized()[0], *features(), {"loss": sparse()})
        penalty = keras.regularizers.L1(1e-3)

        def make():
            inputs = keras.Input((8,))
            hidden = dense(16, activation="relu", activity_regularizer=penalty)(inputs)
            return keras.Model(inputs, dense(CLASSES)(hidden))

        self.compare(make, *features(), {"loss": sparse()})

    def test_sparse_gradients_of_an_embedding(self):
        self.compare(lambda: embedding()[0], *words(), {"loss": sparse()})

    def test_frozen_weights_do_not_move(self):
        self.compare(lambda: frozen_layers()[0], *features(), {"loss": sparse()})


def fed(x, y=None, compiled=None, **fields):
    """Weights after four rounds."""
    keras.utils.set_random_seed(1)
    model = functional()[0]
    over = wrapped(model, {"name": "laser", "rank": 2}, "awgn", **(compiled or {}))
    fit(over, x, y, epochs=2, **fields)
    assert over.uplink.rounds == 4
    return arrays(model)


@pytest.fixture(scope="module")
def expected():
    return fed(*features())


class TestFeeding:
    """The same examples in another form give the same weights."""

    def check(self, expected, *args, **fields):
        for a, b in zip(expected, fed(*args, **fields), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)

    def test_tf_data(self, expected):
        self.check(expected, tf.data.Dataset.from_tensor_slices(features()).batch(BATCH))

    def test_a_dataset_without_a_length(self, expected):
        data = tf.data.Dataset.from_tensor_slices(features()).batch(BATCH).repeat()
        self.check(expected, data, steps_per_epoch=2)

    def test_a_generator(self, expected):
        def batches():
            x, y = features()
            for i in range(4):
                j = i % 2 * BATCH
                yield x[j : j + BATCH], y[j : j + BATCH]

        self.check(expected, batches(), steps_per_epoch=2)

    def test_a_py_dataset(self, expected):
        x, y = features()

        class Batches(keras.utils.PyDataset):
            def __len__(self):
                return EXAMPLES // BATCH

            def __getitem__(self, index):
                part = slice(index * BATCH, (index + 1) * BATCH)
                return x[part], y[part]

        self.check(expected, Batches())

    @pytest.mark.parametrize("fields", [{"run_eagerly": True}, {"steps_per_execution": 2}], ids=str)
    def test_ways_to_run(self, expected, fields):
        self.check(expected, *features(), compiled=fields)

    def test_train_on_batch(self):
        keras.utils.set_random_seed(1)
        over = wrapped(functional()[0])
        x, y = features()
        logs = over.train_on_batch(x[:BATCH], y[:BATCH], return_dict=True)
        assert np.isfinite(logs["loss"])
        assert over.uplink.rounds == 1


def test_what_is_frozen_stays_bit_for_bit():
    """The mean of eight equal float32 numbers, added in turn, is another in 44 % of cases."""
    keras.utils.set_random_seed(1)
    model, (x, y) = frozen_layers()
    before = [weight.numpy() for weight in frozen_weights(model)]
    fit(wrapped(model, workers=8), x, y)
    assert sum(weight.size for weight in before) > 100
    for a, b in zip(before, frozen_weights(model), strict=True):
        np.testing.assert_array_equal(a, b.numpy())


@pytest.mark.parametrize("policy", ["mixed_float16"], indirect=True)
def test_an_overflow_poisons_nothing(policy):
    """At a scale no float16 gradient survives, until it has fallen far enough."""
    keras.utils.set_random_seed(1)
    model, (x, y) = functional()
    start = 2.0**40
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.05), start)
    over = wrapped(model, {"name": "laser", "rank": 2}, "awgn", optimizer=optimizer)
    before = arrays(model)
    history = fit(over, x, y, callbacks=[keras.callbacks.TerminateOnNaN()])
    assert over.uplink.rounds == 2
    assert np.isfinite(history["loss"]).all()
    for a, b in zip(before, arrays(model), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not over.uplink.memory.numpy().any()
    assert float(optimizer.dynamic_scale.numpy()) == start / 4
    fit(over, x, y, epochs=20)
    assert float(optimizer.dynamic_scale.numpy()) < 2.0**30
    assert all((a != b).any() for a, b in zip(before, arrays(model), strict=True))
    assert all(np.isfinite(weight).all() for weight in (*arrays(model), over.uplink.memory.numpy()))


class TestWhatCannotWork:
    def test_a_model_without_trainable_weights(self):
        model = sequential()[0]
        model.trainable = False
        with pytest.raises(ValueError, match="no trainable weights"):
            wrapped(model)

    def test_something_else_than_a_model(self):
        with pytest.raises(ValueError, match=r"model must be a keras\.Model; got Dense"):
            wrapped(dense(2))

    def test_xla(self):
        with pytest.raises(ValueError, match="jit_compile=True"):
            wrapped(sequential()[0], jit_compile=True)
        # "auto", Keras' default, asks this of the model on a GPU
        assert not model_supports_jit(wrapped(sequential()[0]))
