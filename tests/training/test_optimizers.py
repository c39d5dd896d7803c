"""Optimizers and learning rates of the paper, against their formulas."""

from typing import Any

import keras
import numpy as np
import pytest

from laser_phy.core.settings import SettingsError
from laser_phy.experiments.optimizer_settings import (
    Adam,
    AdamW,
    ConstantRate,
    OneCycle,
    Sgd,
    StepRate,
)
from laser_phy.training.optimizers import CoupledSGD, SelectiveAdamW


def weights() -> list[Any]:
    """One weight of each kind, all of ones."""
    model = keras.Sequential(
        [
            keras.Input((3,), dtype="int32"),
            keras.layers.Embedding(5, 4),
            keras.layers.Flatten(),
            keras.layers.Dense(4, name="dense"),
            keras.layers.BatchNormalization(name="bn"),
            keras.layers.LayerNormalization(name="ln"),
        ]
    )
    for variable in model.trainable_variables:
        variable.assign(np.ones(variable.shape))
    return list(model.trainable_variables)


def moved(optimizer: Any) -> dict[str, bool]:
    """Which weights a step without gradient moves: those that decay."""
    variables = weights()
    optimizer.build(variables)
    optimizer.apply([np.zeros(v.shape, np.float32) for v in variables], variables)
    return {v.path: bool(np.any(v.numpy() != 1)) for v in variables}


@pytest.mark.parametrize("settings", [Sgd, AdamW])
@pytest.mark.parametrize(
    ("skips", "still"),
    [
        ((), {"embeddings", "kernel", "bias", "gamma", "beta"}),
        (("normalization",), {"embeddings", "kernel", "bias"}),
        (("normalization", "bias", "embedding"), {"kernel"}),
    ],
)
def test_decay_leaves_alone_what_it_is_told_to(settings: Any, skips: Any, still: set) -> None:
    made = settings(learning_rate=0.1, weight_decay=0.5, weight_decay_skips=skips).build(10, 5)
    again = type(made).from_config(made.get_config())  # what a saved model is loaded with
    for optimizer in (made, again):
        assert {path.split("/")[-1] for path, m in moved(optimizer).items() if m} == still


def test_decay_of_sgd_is_coupled_and_of_adamw_is_not() -> None:
    """SGD: g' = lambda w enters the momentum. AdamW: w (1 - lr lambda) a step."""
    w = keras.Variable(np.ones(3), name="kernel")
    sgd = Sgd(learning_rate=0.1, momentum=0.9, weight_decay=0.5).build(10, 5)
    sgd.build([w])
    expected, velocity = 1.0, 0.0
    for _ in range(3):
        sgd.apply([np.zeros(3, np.float32)], [w])
        velocity = 0.9 * velocity - 0.1 * 0.5 * expected
        expected += velocity
    np.testing.assert_allclose(w.numpy(), expected, rtol=1e-6)
    w.assign(np.ones(3))
    adamw = AdamW(learning_rate=0.1, weight_decay=0.5).build(10, 5)
    adamw.build([w])
    adamw.apply([np.zeros(3, np.float32)], [w])
    np.testing.assert_allclose(w.numpy(), 0.95, rtol=1e-6)


@pytest.mark.parametrize("kind", [CoupledSGD, SelectiveAdamW])
def test_unknown_kinds_are_refused(kind: Any) -> None:
    with pytest.raises(ValueError, match=r"skips must be of normalization.*got \['biases'\]"):
        kind(skips=["biases"])


def rates(schedule: Any, rounds: int = 101, per_epoch: int = 10, peak: float = 1.0) -> np.ndarray:
    """What an optimizer steps with, round after round: a gradient of one, no momentum."""
    settings = Sgd(learning_rate=peak, momentum=0.0, schedule=schedule)
    optimizer = settings.build(rounds, per_epoch)
    w = keras.Variable(np.zeros(1))
    optimizer.build([w])
    places = []
    for _ in range(rounds):
        optimizer.apply([np.ones(1, np.float32)], [w])
        places.append(float(w.numpy()[0]))
    return -np.diff([0.0, *places])


def test_one_cycle_is_two_half_cosines() -> None:
    found = rates(OneCycle(warm_up=0.2))
    up = 0.01 + 0.99 * (1 - np.cos(np.pi * np.arange(20) / 20)) / 2
    down = 1 - 0.8 * (1 - np.cos(np.pi * np.arange(81) / 80)) / 2
    # differences of float32 places up to 60: rounding of 4e-6
    np.testing.assert_allclose(found, [*up, *down], atol=1e-5)
    assert found[-1] == pytest.approx(1 / 5, abs=1e-5)
    assert found.argmax() == 20


def test_one_cycle_without_warm_up_begins_at_its_peak() -> None:
    assert rates(OneCycle(warm_up=0.0))[0] == pytest.approx(1.0)


def test_steps_fall_as_their_epoch_begins() -> None:
    found = rates(StepRate(epochs=(3, 5), factor=0.1), rounds=60)
    np.testing.assert_allclose(found[:30], 1, atol=1e-5)
    np.testing.assert_allclose(found[30:50], 0.1, atol=1e-5)
    np.testing.assert_allclose(found[50:], 0.01, atol=1e-5)


def test_constant_can_be_set_by_callbacks() -> None:
    optimizer = Adam(schedule=ConstantRate()).build(10, 5)
    optimizer.learning_rate = 0.5
    assert float(optimizer.learning_rate) == 0.5


def test_epochs_of_steps_ascend() -> None:
    with pytest.raises(SettingsError, match=r"epochs must be >= 1 and ascend .* got \[5, 3\]"):
        StepRate(epochs=(5, 3))
