"""A model with a bit of everything that has a state, and what becomes of it in files."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

if TYPE_CHECKING:  # a process that reads a file is to import laser_phy on its own terms
    import laser_phy as lp

LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
EPOCHS = 2  # before the file is written, and after


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


def rich(**uplink: Any) -> lp.OverTheAir:
    """A bit of everything that has a state."""
    import laser_phy as lp

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
        **uplink,
    }
    model = lp.OverTheAir(
        inner, 4, lp.Uplink.from_config(uplink), lp.Downlink(name="broadcast", resync_every=5),
        seed=1, ema=0.9, bad_gradients="exclude",
    )  # fmt: skip
    rate = keras.optimizers.schedules.CosineDecay(0.01, 100)
    model.compile(optimizer=keras.optimizers.Adam(rate), loss=LOSS, metrics=["accuracy"])
    return model
