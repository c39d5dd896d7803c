"""`.keras` files in another process: the wrapper goes on bit for bit, the inner model is Keras'."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from paths import ROOT
from saving_tools import EPOCHS, LOSS, data, digests, fit, rich

import laser_phy as lp

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
model = keras.saving.load_model(wrapper)
sys.path.insert(0, TOOLS)
from saving_tools import digests, fit
found = digests(model)
fit(model, x, y)
print(json.dumps({"ours": ours, "kind": type(plain).__name__, "layers": [
    layer.name for layer in plain.layers], "predicted": predicted, "loaded": found,
    "ended": digests(model), "compiled": plain.compiled}))
"""

ORDERS = {
    "laser_phy, then keras": "import laser_phy, keras; m = keras.saving.load_model(FILE)",
    "keras, then laser_phy": "import keras, laser_phy; m = keras.saving.load_model(FILE)",
    "tensorflow in between": (
        "import laser_phy, tensorflow as tf; m = tf.keras.models.load_model(FILE)"
    ),
    "somebody asks where keras is": (
        "import laser_phy, importlib.util as u; u.find_spec('keras'); import keras; "
        "m = keras.saving.load_model(FILE)"
    ),
    "ours": "import laser_phy as lp; m = lp.load_model(FILE)",
}
"""Code that reads a file and touches nothing else of the package."""

KIND = """
import laser_phy as lp

class Calm(lp.power_control.PowerControl):
    floor: float = 0.5

    def factor(self, gain):
        import tensorflow as tf
        magnitude = tf.maximum(tf.abs(gain), self.floor)
        return tf.math.conj(gain) / tf.cast(magnitude**2, gain.dtype)
"""


def python(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """A process of its own."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("order", ORDERS)
def test_after_import_alone(order: str, tmp_path: Path) -> None:
    model = rich()
    model.save(tmp_path / "model.keras")
    code = ORDERS[order].replace("FILE", repr(str(tmp_path / "model.keras")))
    done = python(f"{code}; print(type(m).__module__, m.uplink.round.numpy())")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["laser_phy.training.over_the_air", "0"]


def test_importing_is_light_still() -> None:
    code = (
        "import laser_phy, sys; sys.exit(str({'keras', 'tensorflow', 'sionna'} & {*sys.modules}))"
    )
    assert python(code).stderr.strip() == "set()"


def test_with_a_kind_of_a_users(tmp_path: Path) -> None:
    """It comes back once the kind is registered; before, the message names it."""
    namespace: dict[str, Any] = {}
    exec(KIND, namespace)
    file = tmp_path / "model.keras"
    rich(power_control=namespace["Calm"](floor=0.25)).save(file)
    load = f"m = lp.load_model({str(file)!r}); print(m.uplink.settings.power_control.floor)"
    known = python(f"{KIND}\nlp.register(Calm)\n{load}")
    assert (known.returncode, known.stdout.strip()) == (0, "0.25"), known.stderr
    unknown = python(f"import laser_phy as lp\n{load}")
    assert unknown.returncode != 0
    assert "power_control cannot be 'calm'" in unknown.stderr
    assert "laser_phy.register" in unknown.stderr


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
    done = python(ELSEWHERE.replace("TOOLS", repr(str(ROOT / "tests/helpers"))), tmp_path, *files)
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
