"""Workers split among two devices of a MirroredStrategy: the numbers of one device."""

import json
import subprocess
import sys

import numpy as np
import pytest
from paths import ROOT

QUICK = ("laser_tdl", "identity_awgn")
SLOW = (
    "both_factors", "signum_rayleigh", "random_k_rician", "sketch_cdl", "a_dsgd_umi",
    "estimated_csi", "time_domain", "fraction", "plain_local_steps", "mixed_float16",
)  # fmt: skip
EPSILON = float(np.finfo(np.float32).eps)


def run(folder, *cases):
    command = [
        sys.executable,
        str(ROOT / "tests" / "helpers" / "two_devices.py"),
        str(folder),
        *cases,
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return run(tmp_path_factory.mktemp("two"), *QUICK, "restored", "refused")


def check(result):
    """Weights, momentum, memories and bases bit for bit; sums over workers up to their rounding.

    Halves are exact in floating point, so nothing of what is applied is rounded otherwise. Moving
    statistics, true mean and mean loss are sums over workers in another order: K roundings each,
    over the rounds.
    """
    assert result["rounds"] == 8
    assert result["names"]
    assert result["exact"] == 0
    bound = 8 * 4 * EPSILON
    assert result["rounded"] <= bound
    assert result["logs"] <= 10 / np.log(10) * bound  # a dB is 23 % of energy


@pytest.mark.parametrize("name", QUICK)
def test_two_devices_are_one(found, name):
    check(found[name])


def test_memories_are_where_their_workers_are(found):
    assert found["laser_tdl"]["rows"] == [[2, 128], [2, 128]]
    assert found["laser_tdl"]["memory"] > 0


def test_weights_are_put_back_worker_by_worker(found):
    assert found["restored"]["moved"] > 0
    assert found["restored"]["back"] == 0


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ("workers", "workers must be a multiple of the strategy's 2 replicas"),
        (
            "sum",
            "a loss with reduction='sum' does not work with the workers split among 2 replicas",
        ),
        ("broadcast", "a broadcast downlink does not work with the workers split"),
        ("steps_per_execution", "steps_per_execution > 1 does not work with the workers split"),
        ("partial", "a batch must be a multiple of the 4 workers"),
        ("unbuilt", "a model that is not built does not work with the workers split"),
        ("around", "inside the same `with strategy.scope():`; got a wrapper made for 2 replicas"),
        ("outside", "got a wrapper made for 1 replicas in a fit with 2"),
        ("compiled", "made outside: sgd"),
        ("multi_worker", "Use tf.distribute.MirroredStrategy."),
    ],
)
def test_what_cannot_be_split_says_so(found, asked, sentence):
    assert sentence in found["refused"][asked]


@pytest.mark.long
def test_every_chain_is_the_same_on_two_devices(tmp_path):
    results = run(tmp_path, *SLOW)
    for name in SLOW:
        check(results[name])


@pytest.mark.long
def test_a_run_may_change_the_number_of_devices(tmp_path):
    result = run(tmp_path, "saved")["saved"]
    assert result["replicas"] == [1, 2]
    assert result["exact"] == 0
    assert result["rounded"] <= 12 * 4 * EPSILON
