"""A run that was killed, however often and whenever, ends as one that never was: bit for bit."""

import random
import time
from pathlib import Path
from typing import Any

import pytest
from run_tools import fingerprint, kill, rows, small, start

import laser_phy as lp

KILLS = 3  # of each scenario: 21 in all
EPOCHS = 20  # of 7 rounds

BATCH_NORM = "a model with dropout and batch normalisation"
CASES: dict[str, dict[str, Any]] = {
    "laser_tdl": {  # momentum, running mean of the weights, dropout, moving statistics, schedule
        "task__model": BATCH_NORM,
        "uplink__power": {"energy_per_round": 100, "schedule": {"name": "linear"}},
    },
    "laser_both_rayleigh_adam": {
        "task__optimizer": {
            "name": "adam", "schedule": {"name": "one_cycle"}, "learning_rate": 0.01,
        },
        "uplink__compressor": {"name": "laser", "rank": 2, "factors": "both"},
        "uplink__channel": {"name": "rayleigh", "blocks": 8, "coherence_rounds": 5},
    },
    "identity_awgn_broadcast_update": {
        "uplink__compressor": {"name": "identity"},
        "uplink__channel": {"name": "awgn"},
        "uplink__power_control": {"name": "none"},
        "downlink": {"name": "broadcast", "resync_every": 11, "channel": {"name": "awgn"}},
    },
    "signum_cir": {
        "uplink__compressor": {"name": "signum"},
        "uplink__channel": {"name": "cir"},
    },
    "random_k_rayleigh_broadcast_weights": {
        "task__ema": None,
        "uplink__compressor": {"name": "random_k"},
        "uplink__channel": {"name": "rayleigh"},
        "downlink": {"name": "broadcast", "payload": "weights", "channel": {"name": "rayleigh"}},
    },
    "sketch_tdl_outdated": {
        "uplink__compressor": {"name": "sketch"},
        "uplink__csi": {"transmitter": {"name": "outdated", "age_s": 1e-3}},
        "uplink__participation": {"name": "fraction", "fraction": 0.5},
    },
    "a_dsgd_awgn_local_steps": {
        "task__steps_per_execution": None,  # an epoch a call
        "task__local_steps": 2,
        "task__local_learning_rate": 0.1,
        "task__partition": {"name": "dirichlet", "alpha": 1.0},
        "uplink__compressor": {"name": "a_dsgd"},
        "uplink__channel": {"name": "awgn"},
        "uplink__power_control": {"name": "none"},
    },
}  # fmt: skip


def tree_of(name: str, folder: Path) -> dict[str, Any]:
    """The scenario, which keeps a checkpoint as often as it may."""
    often = {"task__epochs": EPOCHS, "task__checkpoint_s": 0, "task__steps_per_execution": 1}
    changes = often | CASES[name]
    if changes.get("task__model") == BATCH_NORM:
        from keras import Input, Sequential, layers

        parts = [
            Input((8, 8, 1)), layers.Flatten(), layers.Dropout(0.1), layers.Dense(16),
            layers.BatchNormalization(), layers.Activation("relu"), layers.Dense(10),
        ]  # fmt: skip
        Sequential(parts).save(folder / "model.keras")
        changes["task__model"] = {"name": "keras", "path": str(folder / "model.keras")}
    return small(**changes)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", CASES)
def test_killed_at_random_moments(name: str, tmp_path: Path) -> None:
    """SIGKILL at random rounds, and random moments in them; once in three at any moment at all."""
    tree = tree_of(name, tmp_path)
    straight = start(tree, tmp_path / "straight")
    began = time.monotonic()
    _, errors = straight.communicate()
    assert straight.returncode == 0, errors
    took_s = time.monotonic() - began
    chance, out, kills = random.Random(name), tmp_path / "killed", []
    planned = 7 * EPOCHS
    for number in range(KILLS):
        process = start(tree, out)
        if number == KILLS - 1:
            time.sleep(chance.uniform(0, took_s))
        else:
            wanted = rows(out) + chance.randrange(1, planned // 2)
            while rows(out) < min(wanted, planned - 1) and process.poll() is None:
                time.sleep(0.002)
            time.sleep(chance.uniform(0, 0.05))
        kill(process)
        said = process.stdout.read() if process.stdout else ""
        went_on = [line for line in said.splitlines() if line.startswith("Going on")]
        kills.append(f"killed at {rows(out)} rows; {' '.join(went_on) or 'began at round 0'}")
    last = start(tree, out)
    said, errors = last.communicate()
    assert last.returncode == 0, errors
    went_on = [line for line in said.splitlines() if line.startswith("Going on")]
    print(f"{name}: {kills}; {went_on}")
    assert fingerprint(out) == fingerprint(tmp_path / "straight")


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", CASES)
def test_cut_within_an_epoch(name: str, tmp_path: Path) -> None:
    """At three rounds, one of them the first of an epoch; every part is a run of its own."""
    tree = tree_of(name, tmp_path)
    tree["task"]["epochs"] = 3
    whole = lp.run(tree, out=tmp_path / "whole", quiet=True)
    for rounds in (4, 7, 16, None):
        run = lp.run(tree, out=tmp_path / "parts", rounds=rounds, quiet=True)
    assert fingerprint(run.path) == fingerprint(whole.path)
