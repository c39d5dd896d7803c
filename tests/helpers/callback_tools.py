"""Small models over the air, for callbacks."""

import keras
import numpy as np

import laser_phy as lp

LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
X = np.random.default_rng(0).normal(size=(64, 12)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] > 0).astype(np.int32)
ROUNDS = 4  # an epoch


def inner_model(*, noisy=False, seed=3):
    """Two dense layers; `noisy` has the layers that keep something of what they have seen."""
    keras.utils.set_random_seed(seed)
    layers = [keras.Input((12,)), keras.layers.Dense(10, activation="relu", name="hidden")]
    if noisy:
        layers += [keras.layers.BatchNormalization(momentum=0.5), keras.layers.Dropout(0.3)]
    return keras.Sequential([*layers, keras.layers.Dense(2, name="logits")])


def over_the_air(inner=None, *, steps=1, optimizer=None, downlink=None, uplink=None, **fields):
    """Compiled; LASER on AWGN with momentum, so that everything has a memory."""
    uplink = {"compressor": {"name": "laser", "rank": 1}, "channel": "awgn", **(uplink or {})}
    model = lp.OverTheAir(
        inner or inner_model(), 4, lp.Uplink.from_config(uplink), downlink, seed=1, **fields
    )
    optimizer = optimizer or keras.optimizers.SGD(0.1, momentum=0.9)
    model.compile(optimizer, LOSS, metrics=["accuracy"], steps_per_execution=steps)
    return model


def fit(model, epochs=1, callbacks=(), *, copies=1, **fields):
    """`copies` of the data, one behind the other."""
    fields = {"batch_size": 64 // ROUNDS, "shuffle": False, "verbose": 0, **fields}
    x, y = np.tile(X, (copies, 1)), np.tile(Y, copies)
    return model.fit(x, y, epochs=epochs, callbacks=list(callbacks), **fields).history


def same(a, b):
    """All variables of two models are equal, bit for bit."""
    pairs = zip(a.get_weights(), b.get_weights(), strict=True)
    return all(np.array_equal(x, y) for x, y in pairs)


def event_tags(folder):
    """Scalars {tag: [(step, value)]} and tensors {tag: [step]} of a folder's event files."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
    events.Reload()
    scalars = {t: [(e.step, e.value) for e in events.Scalars(t)] for t in events.Tags()["scalars"]}
    return scalars, {t: [e.step for e in events.Tensors(t)] for t in events.Tags()["tensors"]}
