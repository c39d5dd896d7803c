"""What a round over the air holds in memory, against what it must hold.

The limit is what lives through a round: weights, optimizer, error feedback, messages, one gradient
and the running sum of them. The figure is the ratio of the peak to that. One worker's gradient and
a step without a link, in a process of their own, tell what the activations are.

    python benchmarks/bench_memory.py [--case resnet18|gpt2|small] [--batch N] [--context N]

resnet18: full size, 16 workers. gpt2: full size, 4 workers, short context. Takes minutes and up to
20 GB.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

CASES = {
    # workers, examples a worker, context, vocabulary, compressor
    "resnet18": {"workers": 16, "batch": 128},
    "gpt2": {"workers": 4, "batch": 1, "context": 64},
    "small": {"workers": 4, "batch": 8},
}


def peak_bytes() -> int:
    """The most that this process has had resident."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def problem(case: str, batch: int, context: int, workers: int) -> tuple[Any, Any, Any, Any]:
    """Model, optimizer, and a global batch."""
    import numpy as np

    import laser_phy as lp
    from laser_phy.experiments.optimizer_settings import AdamW, Sgd

    random = np.random.default_rng(1)
    if case == "gpt2":
        model = lp.models.gpt("gpt2", context=context, seed=1)
        tokens = random.integers(50257, size=(2, workers * batch, context)).astype(np.int32)
        return model, AdamW(weight_decay=1e-3).build(100, 10), *tokens
    width = 64 if case == "resnet18" else 8
    model = lp.models.resnet18((32, 32, 3), 10, width=width, seed=1)
    x = random.normal(size=(workers * batch, 32, 32, 3)).astype(np.float32)
    y = random.integers(10, size=workers * batch).astype(np.int32)
    return model, Sgd(weight_decay=1e-4).build(100, 10), x, y


def one_round(arguments: argparse.Namespace) -> dict[str, Any]:
    """Rounds over the air, or a step without a link, and the peak."""
    import keras
    import tensorflow as tf

    import laser_phy as lp
    from laser_phy.experiments.run.memory import held

    workers = CASES[arguments.case]["workers"]
    inner, optimizer, x, y = problem(arguments.case, arguments.batch, arguments.context, workers)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(workers * arguments.batch)
    result: dict[str, Any] = {"before": peak_bytes()}
    if arguments.part == "air":
        compressor: Any = {"name": arguments.compressor}
        uplink = lp.Uplink.from_config({"compressor": compressor, "channel": arguments.channel})
        model = lp.OverTheAir(inner, workers, uplink, seed=1, micro_batches=arguments.micro_batches)
        model.compile(optimizer=optimizer, loss=loss)
        result["held"] = held(model)
    else:  # one worker's gradient, and a step
        model, data = inner, data.unbatch().batch(arguments.batch // arguments.micro_batches)
        model.compile(optimizer=optimizer, loss=loss, jit_compile=False)
        result["held"] = {}
    for _ in range(arguments.rounds if arguments.part == "air" else 1):
        start = time.perf_counter()
        model.fit(data.take(1), verbose=0)
    return result | {"seconds": time.perf_counter() - start, "peak": peak_bytes()}


def in_a_process(arguments: list[str], part: str) -> dict[str, Any]:
    """`one_round` in a process of its own: a peak is that of a process's whole life."""
    command = [sys.executable, __file__, *arguments, "--part", part]
    return dict(json.loads(subprocess.run(command, check=True, capture_output=True).stdout))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", choices=CASES, default="small")
    parser.add_argument("--compressor", default="laser")
    parser.add_argument("--channel", default="awgn")
    parser.add_argument("--batch", type=int, help="examples a worker")
    parser.add_argument("--context", type=int, help="tokens of a sequence")
    parser.add_argument("--micro-batches", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=2, help="2 are both kinds of round")
    parser.add_argument("--part", choices=["air", "model"])
    arguments = parser.parse_args()
    arguments.batch = arguments.batch or CASES[arguments.case]["batch"]
    arguments.context = arguments.context or CASES[arguments.case].get("context", 0)
    if arguments.part:
        print(json.dumps(one_round(arguments)))
        return
    from laser_phy.experiments.run.memory import in_words

    model, air = (in_a_process(sys.argv[1:], part) for part in ("model", "air"))
    libraries, held = air["before"] / 1e9, air["held"]
    must = sum(held.values()) / 1e9
    peak = air["peak"] / 1e9
    print(f"{arguments.case}: {arguments.batch} examples a worker, {arguments.compressor}")
    print(f"peak {peak:.2f} GB, {libraries:.2f} of them before the first round was built")
    print(f"must be held: {in_words(held)}")
    print(f"one worker's gradient and a step without a link: peak {model['peak'] / 1e9:.2f} GB")
    print(
        f"ratio of the peak to the libraries and what must be held: {peak / (libraries + must):.2f}"
    )
    over = (air["peak"] - model["peak"]) / 1e9
    print(f"the link adds {over:.2f} GB; the last round took {air['seconds']:.1f} s here")


if __name__ == "__main__":
    main()
