"""What the radio costs: a round over the air against the same workers' gradients without a link.

The limit of a round is K gradients, one after the other, and one optimizer step. The figure is the
ratio of the two, taken in turn in one run, because this machine's speed drifts.

    python benchmarks/bench_round.py [--model linear|resnet18] [--repeats 7]
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

import laser_phy as lp

WORKERS = 16
CASES = {
    # model, input shape, examples a worker, channel, rounds timed at once
    "linear": (lambda: lp.models.linear((28, 28, 1), 10, seed=1), (28, 28, 1), 128, "awgn", 100),
    "resnet18": (
        lambda: lp.models.resnet18((8, 8, 1), 10, width=16, seed=1),
        (8, 8, 1),
        8,
        "tdl",
        6,
    ),
}


def over_the_air(inner: keras.Model, channel: str, x: tf.Tensor, y: tf.Tensor) -> Callable:
    """A round through compressor, channel and receiver."""
    uplink = lp.Uplink.from_config({"compressor": {"name": "laser", "rank": 4}, "channel": channel})
    model = lp.OverTheAir(inner, WORKERS, uplink, seed=1)
    model.compile(keras.optimizers.SGD(0.01, 0.9), loss_function(), metrics=["accuracy"])
    return tf.function(lambda: model.train_step((x, y))["loss"], autograph=False)


def without_link(inner: keras.Model, x: tf.Tensor, y: tf.Tensor) -> Callable:
    """The same gradients, averaged: what no link could do without."""
    optimizer, loss_of = keras.optimizers.SGD(0.01, 0.9), loss_function()
    optimizer.build(inner.trainable_variables)
    examples = x.shape[0] // WORKERS

    @tf.function(autograph=False)
    def step() -> tf.Tensor:
        def body(k: tf.Tensor, total: list[tf.Tensor], loss: tf.Tensor) -> tuple:
            part = slice(k * examples, (k + 1) * examples)
            with tf.GradientTape() as tape:
                one = loss_of(y[part], inner(x[part], training=True))
            gradients = tape.gradient(one, [v.value for v in inner.trainable_variables])
            return k + 1, [a + b for a, b in zip(total, gradients, strict=True)], loss + one

        zeros = [tf.zeros(v.shape) for v in inner.trainable_variables]
        _, total, loss = tf.while_loop(
            lambda k, *_: k < WORKERS, body, (0, zeros, tf.zeros([])), parallel_iterations=1
        )
        optimizer.apply([g / WORKERS for g in total], inner.trainable_variables)
        return loss

    return step


def loss_function() -> keras.losses.Loss:
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def timed(step: Callable, rounds: int) -> float:
    start = time.perf_counter()
    for _ in range(rounds):
        loss = step()
    float(loss)
    return (time.perf_counter() - start) / rounds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=CASES, default="linear")
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    build, shape, examples, channel, rounds = CASES[arguments.model]
    random = np.random.default_rng(1)
    x = tf.constant(random.normal(size=(WORKERS * examples, *shape)), tf.float32)
    y = tf.constant(random.integers(10, size=WORKERS * examples))
    steps = [over_the_air(build(), channel, x, y), without_link(build(), x, y)]
    print(
        f"{arguments.model}: {WORKERS} workers x {examples}, laser rank 4, {channel}; tracing ..."
    )
    for step in steps:
        timed(step, 2)  # both kinds of round
    pairs = [[timed(step, rounds) for step in steps] for _ in range(arguments.repeats)]
    ratios = sorted(air / plain for air, plain in pairs)
    air, plain = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(
        f"over the air {1 / air:8.1f} rounds/s   without link {1 / plain:8.1f} rounds/s (medians)"
    )
    print(
        f"ratio of times, over the air / without link: median {statistics.median(ratios):.2f}, "
        f"{ratios[0]:.2f} to {ratios[-1]:.2f} in {arguments.repeats} pairs"
    )


if __name__ == "__main__":
    main()
