"""`.keras` files in another process: the wrapper goes on bit for bit, the inner model is Keras'."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import laser_phy as lp

LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
EPOCHS = 2  # before the file is written, and after

ELSEWHERE = """
import json, sys
import keras
import numpy as np
folder, inner, wrapper = sys.argv[1:]
x, y = (np.load(f"{folder}/{name}.npy") for name in "xy")
plain = keras.saving.load_model(inner)
ours = [name for name in sys.modules if name.split(".")[0] in ("laser_phy", "sionna")]
predicted = plain.predict(x, verbose=0).tolist()
import laser_phy
sys.path.insert(0, TESTS)
from test_saving import digests, fit
model = keras.saving.load_model(wrapper)
found = digests(model)
fit(model, x, y)
print(json.dumps({"ours": ours, "kind": type(plain).__name__, "layers": [
    layer.name for layer in plain.layers], "predicted": predicted, "loaded": found,
    "ended": digests(model), "compiled": plain.compiled}))
"""


def data() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    x = random.normal(size=(64, 6)).astype(np.float32)
    return x, (x[:, 0] + x[:, 1] > 0).astype(np.int32)


def fit(model: lp.OverTheAir, x: np.ndarray, y: np.ndarray) -> None:
    model.fit(x, y, batch_size=16, shuffle=False, verbose=0, epochs=EPOCHS)


def digests(model: lp.OverTheAir) -> dict[str, str]:
    """Of every variable: weights, statistics, optimizer, memories, counters, replicas, means."""
    # By place: names count the layers that the process made before.
    variables = {str(i): v for i, v in enumerate(model.variables)}
    variables |= {f"optimizer {i}": v for i, v in enumerate(model.optimizer.variables)}
    metrics = {id(v) for v in model.metrics_variables}  # of the epoch, and set back as it begins
    return {
        name: hashlib.sha256(np.asarray(v).tobytes()).hexdigest()
        for name, v in variables.items()
        if id(v) not in metrics and "seed_generator_state" not in v.name
    }


def rich() -> lp.OverTheAir:
    """A bit of everything that has a state."""
    keras.utils.set_random_seed(3)
    layers = keras.layers
    inner = keras.Sequential(
        [
            keras.Input((6,)), layers.Dense(16, activation="relu"), layers.Dropout(0.2),
            layers.BatchNormalization(momentum=0.5), layers.Dense(2),
        ]
    )  # fmt: skip
    uplink = {
        "compressor": {"name": "laser", "rank": 1},
        "channel": {"name": "rayleigh", "coherence_rounds": 3},
        "power_control": "truncated_inversion",
    }
    model = lp.OverTheAir(
        inner, 4, lp.Uplink.from_config(uplink), lp.Downlink(name="broadcast", resync_every=5),
        seed=1, ema=0.9, bad_gradients="exclude",
    )  # fmt: skip
    rate = keras.optimizers.schedules.CosineDecay(0.01, 100)
    model.compile(optimizer=keras.optimizers.Adam(rate), loss=LOSS, metrics=["accuracy"])
    return model


def test_in_another_process(tmp_path: Path) -> None:
    x, y = data()
    straight, first = rich(), rich()
    fit(straight, x, y)
    fit(straight, x, y)
    fit(first, x, y)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    files = [tmp_path / "inner.keras", tmp_path / "wrapper.keras"]
    first.model.save(files[0])
    first.save(files[1])
    code = ELSEWHERE.replace("TESTS", repr(str(Path(__file__).parent)))
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), *map(str, files)],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])

    # The inner model: a plain Keras model, read where nobody has heard of us.
    assert seen["ours"] == []
    assert seen["kind"] == "Sequential"
    assert seen["layers"] == [layer.name for layer in first.model.layers]
    assert not seen["compiled"]
    np.testing.assert_allclose(seen["predicted"], first.model.predict(x, verbose=0), rtol=1e-6)

    # The wrapper: all that it had, and then what it would have had.
    assert seen["loaded"] == digests(first)
    assert int(first.uplink.round) == 4 * EPOCHS
    assert np.any(first.uplink.memory.numpy())
    assert seen["ended"] == digests(straight)
    assert seen["ended"] != seen["loaded"]


COMPRESSORS = [
    {"name": "laser", "rank": 1}, {"name": "laser", "rank": 1, "factors": "both"}, "identity",
    "signum", {"name": "random_k"}, {"name": "sketch"}, {"name": "a_dsgd"},
]  # fmt: skip
OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(0.1, momentum=0.9),
    "float16": lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.01)),
}


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("compressor", COMPRESSORS, ids=str)
def test_save_load_and_go_on(compressor: object, optimizer: str, tmp_path: Path) -> None:
    """Every compressor, with a loss scale and without."""

    def made() -> lp.OverTheAir:
        keras.utils.set_random_seed(3)
        layers = keras.layers
        dtype = "mixed_float16" if optimizer == "float16" else None
        inner = keras.Sequential(
            [
                keras.Input((6,)), layers.Dense(16, activation="relu", dtype=dtype),
                layers.Dense(2, dtype=dtype),
            ]
        )  # fmt: skip
        uplink = lp.Uplink.from_config({"compressor": compressor, "channel": "awgn"})
        model = lp.OverTheAir(inner, 4, uplink, seed=1)
        model.compile(optimizer=OPTIMIZERS[optimizer](), loss=LOSS)
        return model

    x, y = data()
    straight, first = made(), made()
    fit(straight, x, y)
    fit(straight, x, y)
    fit(first, x, y)
    first.save(tmp_path / "model.keras")
    second = keras.saving.load_model(tmp_path / "model.keras")
    assert list(digests(second).values()) == list(digests(first).values())
    fit(second, x, y)
    assert list(digests(second).values()) == list(digests(straight).values())
