"""The contracts of an allocation, a schedule and a rule of participation."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from laser_phy.power import Allocation, Decoding, Schedule, mean_shares
from laser_phy.testing.broken import Contract
from laser_phy.uplink.participation import Participation

NORMS = np.array([[1.0, 2.0, 0.5], [3.0, 1.0, 4.0]], np.float32)
DECODING = Decoding(noise_gains=np.array([3.0, 5.0, 7.0], np.float32))


def check_allocation(allocation: Allocation) -> None:
    """Hold an allocation to what every one promises; one line of pytest.

    Shares >= 0 of sum 1; nothing for a block of zeros, and no NaN where all are; the same whatever
    the unit of the gradients (1e-25 to 1e15).

    Raises:
        AssertionError: names the rule of the contract that is broken, and what was seen.
    """
    contract = Contract(allocation)
    contract.comes_back()
    reference = mean_shares(allocation, NORMS, 1.5 * NORMS, DECODING).numpy()
    contract.holds("must give a share a block", reference.shape == (3,), str(reference.shape))
    relative = NORMS / NORMS.max(axis=1, keepdims=True)
    asked = np.asarray(allocation.weights(tf.constant(relative), tf.constant(relative), DECODING))
    contract.holds("must ask for [worker, block]", asked.shape == NORMS.shape, str(asked.shape))
    contract.holds("must ask for weights >= 0", (asked >= 0).all(), f"{asked.min():.3g}")
    for scale in (1e-25, 1.0, 1e15):
        scaled = np.float32(scale) * NORMS
        shares = mean_shares(allocation, scaled, 1.5 * scaled, DECODING).numpy()
        contract.finite(f"norms of size {scale:g}", shares)
        total = float(shares.sum())
        contract.holds("must give shares of sum 1", abs(total - 1) < 1e-5, f"{total:.6g}")
        contract.equal("must not depend on the unit of the gradients", shares, reference, 1e-4)
    silent = NORMS * np.array([1, 0, 1], np.float32)
    contract.holds(
        "must give nothing to a block of zeros",
        mean_shares(allocation, silent, silent, DECODING).numpy()[1] == 0,
    )
    nothing = mean_shares(allocation, 0 * NORMS, 0 * NORMS, DECODING).numpy()
    contract.holds("must give nothing where all is zero", not nothing.any(), str(nothing))


def check_schedule(schedule: Schedule) -> None:
    """Hold a schedule to what every one promises; one line of pytest.

    Factors >= 0, finite, one a round, of mean 1, for runs of any length.

    Raises:
        AssertionError: names the rule of the contract that is broken, and what was seen.
    """
    contract = Contract(schedule)
    contract.comes_back()
    for rounds in (1, 2, 7, 1000):
        factors = np.asarray(schedule.factors(rounds))
        seen = f"{factors.shape} for {rounds} rounds"
        contract.holds("must give a factor a round", factors.shape == (rounds,), seen)
        contract.finite(f"{rounds} rounds", factors)
        contract.holds("must give factors >= 0", (factors >= 0).all(), f"{factors.min():.3g}")
        mean = float(factors.mean())
        contract.holds("must have the mean 1 over a run", abs(mean - 1) < 1e-9, f"{mean:.6g}")


def check_participation(participation: Participation, workers: int = 8) -> None:
    """Hold a rule of participation to what every one promises; one line of pytest.

    [worker] bool, a pure function of round, seed and gains, the same in a graph.

    Raises:
        AssertionError: names the rule of the contract that is broken, and what was seen.
    """
    contract = Contract(participation)
    contract.comes_back()
    gains = tf.linspace(0.01, 2.0, workers) if participation.measures else None

    def sends(round_: tf.Tensor) -> tf.Tensor:
        seed = tf.stack([tf.cast(round_, tf.int32), 7])
        return participation.sends(workers, round_, seed, gains)

    graph = tf.function(sends, autograph=False)
    for round_ in range(5):
        index = tf.constant(round_, tf.int64)
        first = np.asarray(sends(index))
        contract.holds(
            "must give [worker] bool",
            first.shape == (workers,) and first.dtype == bool,
            f"{first.dtype} {first.shape}",
        )
        contract.equal("must give the same for a round asked twice", sends(index), first, 0)
        contract.equal("must give the same in a graph", graph(index), first, 0)
