"""The contract of a power control rule."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from laser_phy.channels.gain_law import Constant, Rician
from laser_phy.power_control import PowerControl, RuleMoments
from laser_phy.testing.broken import Contract

SYMBOLS = 200_000
NUMERIC = 2e-3
"""What moments that were integrated numerically may be off by."""


def check_power_control(rule: PowerControl, workers: int = 8, seed: int = 0) -> None:
    """Hold a rule to what every rule promises; one line of pytest.

    Over Rayleigh fading, whatever the law of the channel it will meet: E|b|^2 = 1 where the rule
    `has_mean`; h b real and positive where it `aligns`; the moments that it states are those that
    it has; a factor depends on its own element alone and, where a rule `needs` less than the
    channel, on no more than it says; finite factors for every channel, 0 included; the same in a
    graph; settings that come back. A rule that `plans` gives amplitudes >= 0 within every worker's
    mean budget.

    Args:
        rule: an instance.
        workers: K, for a rule that plans.
        seed: of the channels.

    Raises:
        AssertionError: names the rule of the contract that is broken, and what was seen.
    """
    contract = Contract(rule)
    known = ("nothing", "statistics", "phase", "channel")
    contract.holds(f"must have `needs` in {known}", rule.needs in known, repr(rule.needs))
    contract.comes_back()
    random = np.random.default_rng(seed)
    parts = random.normal(size=(2, workers, SYMBOLS // workers)).astype(np.float32) / 2**0.5
    gains = parts[0] + 1j * parts[1]
    if rule.plans:
        _check_plan(contract, rule, gains)
    elif rule.needs == "statistics":
        _check_compensation(contract, rule)
    else:
        _check_factor(contract, rule, gains.ravel())


def _check_plan(contract: Contract, rule: PowerControl, gains: np.ndarray) -> None:
    """[worker, symbol] gains."""
    gains = gains[:, :256]  # one grid of a round: a plan solves for all of it at once
    powers, ratio = np.square(np.abs(gains)), np.full(gains.shape[1], 0.1, np.float32)
    amplitude = np.asarray(rule.plan(tf.constant(powers), tf.constant(ratio)))
    contract.holds(
        "must plan [worker, symbol] float32 amplitudes",
        amplitude.shape == gains.shape and amplitude.dtype == np.float32,
        f"{amplitude.dtype} {amplitude.shape} for {gains.shape}",
    )
    contract.finite("the channels of a round", amplitude)
    contract.holds("must plan amplitudes >= 0", (amplitude >= 0).all(), f"{amplitude.min():.3g}")
    spent = np.mean(np.square(amplitude) / np.maximum(powers, 1e-12), axis=1)
    contract.holds(
        "must keep every worker's mean budget, mean |b|^2 <= 1",
        (spent <= 1 + 1e-3).all(),
        f"{spent.max():.4g}",
    )
    graph = tf.function(rule.plan, autograph=False)(tf.constant(powers), tf.constant(ratio))
    contract.equal("must plan the same in a graph", graph, amplitude, 1e-3)


def _check_compensation(contract: Contract, rule: PowerControl) -> None:
    """A rule that knows the mean of its gain alone has one factor for all elements."""
    for mean in (0.01, 1.0, 100.0):
        known = tf.fill([4], tf.cast(mean**0.5, tf.complex64))
        factor = np.asarray(rule.precode(known, rule.statistics(Constant(mean))))
        contract.finite(f"a mean gain of {mean:g}", factor)
        contract.equal("must go by the mean gain alone", factor, np.full(4, factor[0]))
        contract.holds(
            "must keep |b|^2 <= 1 for a worker on its own",
            np.abs(factor[0]) ** 2 <= 1 + 1e-5,
            f"{np.abs(factor[0]) ** 2:.4g} at a mean gain of {mean:g}",
        )


def _check_factor(contract: Contract, rule: PowerControl, gains: np.ndarray) -> None:
    """[symbol] gains."""
    moments = rule.statistics(Rician())
    factor = np.asarray(rule.precode(tf.constant(gains), moments))
    contract.holds(
        "must give [symbol] complex64 factors",
        factor.shape == gains.shape and factor.dtype == np.complex64,
        f"{factor.dtype} {factor.shape} for {gains.shape}",
    )
    extremes = np.array([0, 1e-15, 1e-6j, -1.0, 1e6, 1e15j], np.complex64)
    contract.finite("every channel", factor, rule.precode(tf.constant(extremes), moments))
    graph = tf.function(rule.precode, autograph=False)(tf.constant(gains), moments)
    contract.equal("must give the same in a graph", graph, factor)
    half = np.asarray(rule.precode(tf.constant(gains[: len(gains) // 2]), moments))
    contract.equal(
        "must go by each element on its own, in chunks as in one piece", half, factor[: len(half)]
    )
    _check_knowledge(contract, rule, gains, moments)
    _check_moments(contract, rule, gains * factor, factor, moments)


def _check_knowledge(
    contract: Contract, rule: PowerControl, gains: np.ndarray, moments: RuleMoments
) -> None:
    """Less of the channel gives the same factors, where the rule says that it needs no more."""
    factor = np.asarray(rule.precode(tf.constant(gains), moments))
    if rule.needs == "nothing":
        other = np.asarray(rule.precode(tf.constant(np.ones_like(gains)), moments))
        contract.equal("needs nothing of the channel, and must not go by it", other, factor)
    if rule.needs == "phase":
        turned = gains / np.maximum(np.abs(gains), 1e-30)
        other = np.asarray(rule.precode(tf.constant(turned), moments))
        contract.equal("needs the phase, and must not go by the gain", other, factor)


def _check_moments(
    contract: Contract,
    rule: PowerControl,
    arriving: np.ndarray,
    factor: np.ndarray,
    moments: RuleMoments,
) -> None:
    """What arrives, h b [symbol], has the moments that the receiver goes by."""
    if rule.aligns:
        away = np.max(np.abs(arriving.imag) - 1e-3 * np.abs(arriving))
        contract.holds(
            "must make h b real and positive, as it `aligns`",
            away <= 1e-6 and arriving.real.min() >= -1e-6,
            f"imaginary parts up to {np.max(np.abs(arriving.imag)):.3g}",
        )
    power = np.square(np.abs(factor))
    if rule.has_mean:
        contract.mean_is("must keep E|b|^2 = 1, or its `has_mean` be False", power, 1.0, NUMERIC)
    if not rule.has_mean:
        return
    sent = (factor != 0).astype(float)
    contract.mean_is("must send the stated part", sent, moments.sent_fraction, NUMERIC)
    square = np.square(np.abs(arriving))
    contract.mean_is("must arrive with the stated E|h b|^2", square, moments.square, NUMERIC)
    if rule.aligns:
        mean = moments.gain * moments.sent_fraction
        contract.mean_is("must arrive with the stated E[h b]", arriving.real, mean, NUMERIC)
