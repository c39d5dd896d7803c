"""Trains on two logical CPU devices and on one, in a process of its own; prints what differs.

Devices are split before TensorFlow starts, so no test that shares its process can do it.
`python two_devices.py CASES...` prints a JSON object by case; the cases are the functions below.
"""

import json
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import contextlib

import keras
import numpy as np
import tensorflow as tf

import laser_phy as lp

P = {"energy_per_round": 1000.0}
LASER = {"name": "laser", "rank": 1}
UPLINKS = {
    "identity_awgn": {"compressor": "identity", "channel": "awgn"},
    "laser_tdl": {"compressor": LASER, "channel": "tdl", "power": P},
    "both_factors": {"compressor": {**LASER, "factors": "both"}, "channel": "awgn"},
    "signum_rayleigh": {"compressor": "signum", "channel": "rayleigh", "power": P},
    "random_k_rician": {"compressor": "random_k", "channel": "rician", "power": P},
    "sketch_cdl": {"compressor": "sketch", "channel": "cdl", "power": P},
    "a_dsgd_umi": {"compressor": "a_dsgd", "channel": "umi", "power": P},
    "estimated_csi": {
        "compressor": LASER, "channel": "tdl", "power": P,
        "csi": {"transmitter": "estimated", "receiver": "estimated"},
    },
    "time_domain": {
        "compressor": LASER, "channel": {"name": "tdl", "domain": "time"},
        "power": {**P, "budget": "round"}, "power_control": "joint",
    },
    "fraction": {
        "compressor": LASER, "channel": "awgn",
        "participation": {"name": "fraction", "fraction": 0.5},
    },
}  # fmt: skip
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
WORKERS, BATCH = 4, 16


def two_devices():
    (cpu, *_) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


def scope(strategy):
    return strategy.scope() if strategy else contextlib.nullcontext()


def data(examples=64):
    random = np.random.default_rng(0)
    x = random.normal(size=(examples, 6)).astype(np.float32)
    return x, (x[:, 0] + x[:, 1] > 0).astype(np.int32)


def model(uplink="identity_awgn", *, plain=False, workers=WORKERS, loss=LOSS, **fields):
    keras.utils.set_random_seed(3)
    layers = [keras.Input((6,)), keras.layers.Dense(16, activation="relu")]
    if not plain:
        layers += [keras.layers.BatchNormalization(), keras.layers.Dropout(0.2)]
    inner = keras.Sequential([*layers, keras.layers.Dense(2)])
    link = lp.Uplink.from_config(UPLINKS[uplink])
    wrapped = lp.OverTheAir(inner, workers, link, seed=1, ema=0.9, **fields)
    wrapped.compile(keras.optimizers.SGD(0.1, momentum=0.9), loss, metrics=["accuracy"])
    return wrapped


def fit(wrapped, x=None, y=None, **fields):
    if x is None:
        x, y = data()
    return wrapped.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0, **fields).history


def values(wrapped):
    """Everything that a run goes on from, by name, the moving statistics and the trace apart."""
    names = ("moving_", "round_trace")
    kept, rounded = {}, {}
    for variable in (*wrapped.variables, *wrapped.optimizer.variables):
        if "seed_generator" in variable.path:
            continue  # set anew for every worker
        path = "/".join(variable.path.split("/")[-2:])
        inexact = any(name in variable.path for name in names)
        (rounded if inexact else kept)[f"{path} {len(kept)}"] = variable.numpy()
    return kept, rounded


def apart(a, b):
    """The largest difference of two dicts of arrays, relative to the larger of value and 1."""
    pairs = [(u, v) for u, v in zip(a.values(), b.values(), strict=True) if u.size]
    return max(float(np.max(np.abs(u - v) / np.maximum(1, np.abs(v)))) for u, v in pairs)


def compare(strategy, name, epochs=2, **fields):
    """Differences of weights and states, of moving statistics and trace, and of the logs."""
    runs = []
    for where in (strategy, None):  # the strategy first: it must not live on what one device left
        with scope(where):
            wrapped = model(name, **fields)
        monitor = lp.callbacks.LinkMonitor()
        logs = fit(wrapped, epochs=epochs, validation_data=data(32), callbacks=[monitor])
        assert len(monitor.rows) == wrapped.uplink.rounds
        runs.append((wrapped, logs))
    (two, logs_two), (one, logs_one) = runs
    exact, rounded = (apart(a, b) for a, b in zip(values(two), values(one), strict=True))
    logs = max(
        float(np.max(np.abs(np.subtract(logs_two[k], v)) / np.maximum(1, np.abs(v))))
        for k, v in logs_one.items()
    )
    memory = two.uplink.memory
    return {
        "exact": exact,
        "rounded": rounded,
        "logs": logs,
        "rounds": one.uplink.rounds,
        "names": sorted(logs_two) == sorted(logs_one),
        "memory": float(np.abs(memory.numpy()).sum()),
        "rows": [tuple(part.shape) for part in memory.value.values],
    }


def saved(strategy, folder):
    """A run that changes from two devices to one and back, against one that does not."""
    with scope(strategy):
        straight, first = model("laser_tdl"), model("laser_tdl")
    fit(straight, epochs=3)
    fit(first)
    first.save(f"{folder}/two.keras")
    one = keras.saving.load_model(f"{folder}/two.keras")
    fit(one)
    one.save(f"{folder}/one.keras")
    with scope(strategy):
        last = keras.saving.load_model(f"{folder}/one.keras")
    fit(last)
    exact, rounded = (apart(a, b) for a, b in zip(values(last), values(straight), strict=True))
    return {"exact": exact, "rounded": rounded, "replicas": [one.devices.replicas, 2]}


def restored(strategy):
    """`EarlyStopping` puts back every worker's memory, and not the first replica's to all."""
    with scope(strategy):
        wrapped = model("laser_tdl")
    fit(wrapped)
    kept = wrapped.get_weights()
    fit(wrapped)
    moved = apart(dict(enumerate(kept)), dict(enumerate(wrapped.get_weights())))
    wrapped.set_weights(kept)
    back = apart(dict(enumerate(kept)), dict(enumerate(wrapped.get_weights())))
    return {"moved": moved, "back": back}


def refused(strategy):
    """The sentences, by what is asked for."""
    inside = strategy.scope

    def unbuilt():
        with inside():
            inner = keras.Sequential([keras.layers.Dense(2)])
            wrapped = lp.OverTheAir(inner, WORKERS, lp.Uplink(compressor=lp.compressors.Identity()))
            wrapped.compile("sgd", LOSS)
        fit(wrapped)

    def around_a_model_made_outside():
        inner = keras.Sequential([keras.Input((6,)), keras.layers.Dense(2)])
        with inside():
            wrapped = lp.OverTheAir(inner, WORKERS, lp.Uplink(compressor=lp.compressors.Identity()))
            wrapped.compile("sgd", LOSS)
        fit(wrapped)

    def made_outside():
        wrapped = model()
        with inside():
            fit(wrapped)

    def compiled_outside():
        with inside():
            wrapped = model()
        wrapped.compile("sgd", LOSS)
        fit(wrapped)

    def within(strategy=strategy, **fields):
        with strategy.scope():
            return model(**fields)

    def several_steps():
        with inside():
            wrapped = model()
            wrapped.compile("sgd", LOSS, steps_per_execution=2)

    summed = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="sum")
    asked = {
        "workers": lambda: within(workers=3),
        "sum": lambda: within(loss=summed),
        "broadcast": lambda: within(downlink=lp.Downlink(name="broadcast")),
        "steps_per_execution": several_steps,
        "partial": lambda: fit(within(), *data(54)),
        "unbuilt": unbuilt,
        "around": around_a_model_made_outside,
        "outside": made_outside,
        "compiled": compiled_outside,
        "multi_worker": lambda: within(tf.distribute.MultiWorkerMirroredStrategy()),
    }
    sentences = {}
    for name, ask in asked.items():
        try:
            ask()
            sentences[name] = ""
        except (ValueError, tf.errors.InvalidArgumentError) as error:
            sentences[name] = str(error)
    return sentences


def main(cases, folder):
    strategy = two_devices()
    found = {}
    for case in cases:
        if case in UPLINKS:
            found[case] = compare(strategy, case)
        elif case == "saved":
            found[case] = saved(strategy, folder)
        elif case == "plain_local_steps":
            steps = {"local_steps": 2, "local_learning_rate": 0.01, "micro_batches": 2}
            found[case] = compare(strategy, "laser_tdl", plain=True, **steps)
        elif case == "mixed_float16":
            keras.config.set_dtype_policy("mixed_float16")
            found[case] = compare(strategy, "laser_tdl")
            keras.config.set_dtype_policy("float32")
        else:
            found[case] = {"restored": restored, "refused": refused}[case](strategy)
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[2:], sys.argv[1])
