"""Rules, receivers, participation, allocations and schedules that users bring, from outside."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import laser_phy as lp
from laser_phy.core.kinds import for_a_while, register
from laser_phy.testing import (
    check_allocation,
    check_participation,
    check_power_control,
    check_receiver,
    check_schedule,
)

# ---- what a user writes ----


class SoftInversion(lp.power_control.PowerControl):
    """b ~ h* / |h|^(1 + power): from phase correction (0) to inversion (1)."""

    power: float = 0.5

    def factor(self, gain):
        magnitude = tf.maximum(tf.abs(gain), 1e-3) ** (1 + self.power)
        return tf.math.conj(gain) / tf.cast(magnitude, gain.dtype)


def matched(gain, floor: float = 0.1):
    """The matched filter, above a floor."""
    return tf.where(tf.abs(gain) >= floor, tf.math.conj(gain), tf.zeros_like(gain))


class Strongest(lp.receivers.Receiver):
    """The antenna with the largest sum gain alone: selection combining."""

    needs = "sum"

    def learns(self, aligned):
        return ("total",)

    def problem(self, knows):
        return None if knows.of_gain else "strongest must know the sum channel."

    def combine(self, received, observed, prior, link):
        best = tf.argmax(tf.abs(observed.total), axis=0)  # [symbol]
        total = tf.gather(tf.transpose(observed.total), best, batch_dims=1)
        picked = tf.gather(tf.transpose(received), best, batch_dims=1)
        return picked / total


class RoundRobin(lp.participation.Participation):
    """One half of the workers in even rounds, the other in odd ones."""

    def sends(self, workers, round_, seed, mean_gains):
        return tf.range(workers, dtype=tf.int64) % 2 == round_ % 2


class LargestOnly(lp.power.Allocation):
    """All of the energy to each worker's largest block."""

    def weights(self, sent, source, decoding):
        return tf.cast(sent == tf.reduce_max(sent, axis=1, keepdims=True), tf.float32)


class Sprint(lp.power.Schedule):
    """Everything in the first half."""

    def factors(self, rounds):
        first = np.arange(rounds) < max(1, rounds // 2)
        return first * rounds / first.sum()


# ---- what becomes of it ----


def gradients(workers: int = 6, size: int = 200) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.normal(size=(workers, size)).astype(np.float32) + 0.3]


def link(workers: int = 6, **fields) -> lp.Uplink:
    uplink = lp.Uplink(compressor=lp.compressors.Identity(), **fields)
    uplink.build([(200,)], workers, seed=1)
    return uplink


RAYLEIGH = {"channel": lp.channels.Rayleigh()}


class TestRules:
    @pytest.mark.parametrize("power", [0.25, 0.5, 0.75])
    def test_one_method_is_a_whole_rule(self, power):
        check_power_control(SoftInversion(power=power))

    def test_its_normaliser_is_the_closed_form(self):
        """E s^-power = Gamma(1 - power) under Rayleigh fading: rho^2 = 1 / Gamma(1/2)."""
        uplink = link(power_control=SoftInversion(power=0.5), **RAYLEIGH)
        moments = uplink.links[0].transmitter.moments
        assert moments.scale == pytest.approx(np.pi**-0.25, rel=1e-3)
        assert moments.gain == pytest.approx(np.pi**-0.25 * 0.9064, rel=1e-3)  # Gamma(5/4)

    def test_a_function_is_a_rule(self):
        uplink = link(power_control=matched, **RAYLEIGH)
        rule = uplink.settings.power_control
        check_power_control(rule)
        assert (rule.name, rule.floor) == ("matched", 0.1)
        assert uplink.get_config()["power_control"] == {"name": "matched", "floor": 0.1}

    def test_one_that_does_not_align_is_told_so(self):
        def forgets_the_phase(gain):
            return tf.ones_like(gain)

        with pytest.raises(ValueError, match="'forgets_the_phase' must make h b real"):
            link(power_control=forgets_the_phase, **RAYLEIGH)

    @pytest.mark.parametrize("budget", ["mean", "round"])
    def test_it_sends_and_keeps_the_budget(self, budget):
        uplink = link(
            power_control=SoftInversion(), power=lp.Power(energy_per_round=1e7, budget=budget),
            **RAYLEIGH,
        )  # fmt: skip
        x = gradients()
        seen = [uplink(x) for _ in range(150)]
        if budget == "round":
            assert max(float(s.diagnostics["energy_max_worker"]) for s in seen) <= 1e7 * (1 + 1e-5)
        truth = x[0].mean(axis=0)
        found = [np.asarray(s.gradients[0]) @ truth / (truth @ truth) for s in seen]
        assert np.mean(found) == pytest.approx(1, abs=float(5 * np.std(found) / 150**0.5))


class TestReceivers:
    def test_contract(self):
        check_receiver(Strongest(), power_control="truncated_inversion")

    def test_its_refusals_are_its_own(self):
        with pytest.raises(lp.SettingsError, match="strongest must know the sum channel"):
            link(receiver=Strongest(), csi=lp.Csi(receiver="none"), **RAYLEIGH)


class TestTheOthers:
    def test_contracts(self):
        check_participation(RoundRobin())
        check_allocation(LargestOnly())
        check_schedule(Sprint())

    def test_participation(self):
        uplink = link(participation=RoundRobin())
        for round_ in range(4):
            seen = uplink(gradients())
            energy = seen.workers["worker_energy"].numpy()
            np.testing.assert_array_equal(energy > 0, np.arange(6) % 2 == round_ % 2)
            assert float(seen.diagnostics["senders"]) == 3

    def test_allocation(self):
        uplink = lp.Uplink(
            compressor="identity", channel="awgn", power=lp.Power(allocation=LargestOnly())
        )
        uplink.build([(8,), (8,)], 3, seed=1)
        large, small = np.ones((3, 8), np.float32), np.full((3, 8), 0.1, np.float32)
        decoded = uplink([large, small]).gradients
        assert np.any(decoded[0])
        assert not np.any(decoded[1])

    def test_schedule(self):
        power = lp.Power(energy_per_round=10.0, schedule=Sprint())
        assert power.schedule.factors(4).tolist() == [2, 2, 0, 0]
        assert power.to_config()["schedule"] == {"name": "sprint"}

    def test_two_that_are_called_alike(self):
        class Scale(lp.receivers.Receiver):
            """Not the one that ships."""

        with pytest.raises(lp.SettingsError, match="'scale', as another kind is"):
            link(receiver=Scale())


def test_a_saved_link_comes_back_once_its_kinds_are_known():
    uplink = link(power_control=SoftInversion(power=0.25), participation=RoundRobin(), **RAYLEIGH)
    config = uplink.get_config()
    with pytest.raises(lp.SettingsError, match="power_control cannot be 'soft_inversion'"):
        lp.Uplink.from_config(config)
    with for_a_while():
        register(SoftInversion)
        register(RoundRobin)
        again = lp.Uplink.from_config(config)
    assert again.settings == uplink.settings


def test_in_fit():
    keras.utils.set_random_seed(0)
    inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    uplink = lp.Uplink(
        compressor=lp.compressors.Laser(rank=1), power_control=matched, receiver=Strongest(),
        participation=RoundRobin(), **RAYLEIGH,
    )  # fmt: skip
    model = lp.OverTheAir(inner, workers=4, uplink=uplink, seed=1)
    model.compile(optimizer="sgd", loss="mse")
    x = np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32)
    losses = model.fit(x, x.sum(axis=1), batch_size=16, epochs=5, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
