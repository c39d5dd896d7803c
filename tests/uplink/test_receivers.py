"""Receivers against their closed forms."""

import math

import numpy as np
import pytest
import tensorflow as tf
from scipy import special

import laser_phy as lp
from laser_phy.channels.recording import Recording, save
from laser_phy.receivers import ChannelObservation, Link

NO = 2.0
OFDM = {"fft_size": 256, "guard_carriers": [0, 0], "dc_null": False, "cyclic_prefix": 16}
BLIND = {
    "csi": {"transmitter": "none", "receiver": "perfect"},
    "power_control": "none",
    "receiver": "blind",
}
ENERGY = {"csi": {"transmitter": "none", "receiver": "none"}, "power_control": "none",
          "receiver": "energy"}  # fmt: skip


UNPRECODED = {"csi": {"transmitter": "none"}, "power_control": "none"}


def link(workers, reals, antennas=1, energy=100.0, seed=2, blocks=256, **fields):
    uplink = lp.Uplink.from_config(
        {
            "compressor": "identity",
            "channel": {"name": "rayleigh", "blocks": blocks, "antennas": antennas},
            "power": {"energy_per_round": energy},
            "ofdm": OFDM,
            **fields,
        }
    )
    uplink.build([(reals,)], workers, seed)
    return uplink


def decode(uplink, x, rounds):
    """[round, real] decoded means of the same message."""
    step = tf.function(lambda: uplink([tf.constant(x)]).gradients[0], autograph=False)
    return np.stack([np.asarray(step()) for _ in range(rounds)]).astype(np.float64)


def unit_rows(workers, reals, seed=0):
    x = np.random.default_rng(seed).normal(size=(workers, reals)).astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def within(samples, expected, deviations=5):
    """The mean of independent samples is `expected` within five of its standard errors."""
    error = np.std(samples, ddof=1) / math.sqrt(len(samples))
    assert abs(np.mean(samples) - expected) < deviations * error, (np.mean(samples), expected)


class TestScale:
    def channel(self, seed=0, workers=4, symbols=200):
        random = np.random.default_rng(seed)
        h = (random.normal(size=(2, workers, symbols)) / math.sqrt(2)).astype(np.float32)
        return h[0] + 1j * h[1]

    @pytest.mark.parametrize("c", [0.0, 0.5, 1.0])
    def test_least_error_for_a_known_sum_channel(self, c):
        """No other linear weight of the received symbol gives less error."""
        h, e, workers = self.channel(), 0.7, 4
        total, squares = h.sum(axis=0), np.square(np.abs(h)).sum(axis=0)
        receiver = lp.receivers.Scale(debias="mmse", correlation=c)
        observed = ChannelObservation(total=tf.constant(total[None]), squares=tf.constant(squares))
        known = Link(float(workers), 1.0, 1.0, 1.0, False, False, True, NO)
        one = tf.ones([1, 200], tf.complex64)
        w = np.asarray(receiver.combine(one, observed, tf.fill([200], e), known))

        def error(w):
            kappa = 1 - c + c * workers
            power = e * ((1 - c) * squares + c * np.abs(total) ** 2) + NO
            return np.abs(w) ** 2 * power - 2 * np.real(w * total) * e * kappa / workers

        for change in (0.01, -0.01, 0.01j, -0.01j):
            assert (error(w) <= error(w * (1 + change)) + 1e-6).all()

    def test_least_error_shrinks_and_helps(self):
        """Aligned at low SNR: smaller error than unbiased, and energy / (energy + noise) of it."""
        x = np.repeat(unit_rows(1, 512), 4, axis=0)
        fields = {"power_control": {"name": "joint"}, "energy": 4.0, "workers": 4, "reals": 512}
        plain = decode(link(**fields), x, 40)
        shrunk = decode(link(**fields, receiver={"name": "scale", "debias": "mmse"}), x, 40)
        assert np.mean((shrunk - x[0]) ** 2) < 0.6 * np.mean((plain - x[0]) ** 2)

    def test_statistical_knowledge_gives_the_least_error_on_average(self):
        """`truncated`, receiver statistical: the weight is E[S1] e k / K / (e E|S1|^2 + no)."""
        uplink = link(
            4, 512, energy=50.0, csi={"receiver": "statistical"},
            receiver={"name": "scale", "debias": "mmse", "correlation": 0.0},
        )  # fmt: skip
        x = unit_rows(4, 512)
        decoded, mean = decode(uplink, x, 60), x.mean(axis=0)
        s, e = uplink.links[0].transmitter.moments, 50.0 / 256
        first = 4 * s.gain * s.sent_fraction
        weight = e / 4 * first / (e * 4 * s.square + NO)
        within(decoded @ mean / (mean @ mean), weight * first)
        error = np.mean((decoded - mean) ** 2)
        for factor in (0.8, 1.25):
            assert error < np.mean((factor * decoded - mean) ** 2)


class TestLmmse:
    def test_zero_forcing_of_the_sum(self):
        """M >= K and little noise: exact."""
        x = unit_rows(4, 256)
        uplink = link(4, 256, antennas=6, energy=1e9, receiver="lmmse", **UNPRECODED)
        np.testing.assert_allclose(decode(uplink, x, 2), [x.mean(axis=0)] * 2, atol=2e-3)

    @pytest.mark.parametrize("c", [0.0, 0.6])
    def test_its_error_is_the_closed_form(self, c):
        """E|error|^2 = e kappa / K - e^2 kappa^2 / K^2 g^H R^-1 g, on every element."""
        random = np.random.default_rng(3)
        workers, antennas, symbols, e = 3, 2, 4000, 1.5
        h = random.normal(size=(2, antennas, workers)) / math.sqrt(2)
        h = (h[0] + 1j * h[1]).astype(np.complex64)
        root = np.linalg.cholesky((1 - c) * np.eye(workers) + c)
        s = random.normal(size=(2, workers, symbols)) * math.sqrt(e / 2)
        s = root @ (s[0] + 1j * s[1])
        z = random.normal(size=(2, antennas, symbols))
        y = (h @ s + z[0] + 1j * z[1]).astype(np.complex64)
        g, kappa = h.sum(axis=1), 1 - c + c * workers
        cov = e * ((1 - c) * h @ h.conj().T + c * np.outer(g, g.conj())) + NO * np.eye(antennas)
        expected = e * kappa / workers - (e * kappa / workers) ** 2 * np.real(
            g.conj() @ np.linalg.solve(cov, g)
        )
        observed = ChannelObservation(
            total=tf.constant(np.repeat(g[:, None], symbols, axis=1)),
            outer=tf.constant(np.repeat((h @ h.conj().T)[None], symbols, axis=0)),
        )
        known = Link(float(workers), 1.0, 1.0, 1.0, False, False, True, NO)
        receiver = lp.receivers.Lmmse(correlation=c)
        found = receiver.combine(tf.constant(y), observed, tf.fill([symbols], e), known)
        within(np.abs(np.asarray(found) - s.mean(axis=0)) ** 2, expected)

    def test_more_antennas_less_error(self):
        x = unit_rows(4, 256)
        errors = [
            np.mean((decode(link(4, 256, m, 256.0, receiver="lmmse", **UNPRECODED), x, 8)
                     - x.mean(axis=0)) ** 2)
            for m in (1, 4, 16)
        ]  # fmt: skip
        assert errors[0] > 1.5 * errors[1] > 2 * errors[2]

    def test_unbiased_divides_by_the_gain_of_the_mean(self):
        x = np.repeat(unit_rows(1, 256), 4, axis=0)  # the same from all
        fields = UNPRECODED | {"receiver": {"name": "lmmse", "debias": "unbiased"}}
        decoded = decode(link(4, 256, 4, 2000.0, **fields), x, 40)
        within(decoded @ x[0], 1.0)


class TestBlind:
    @pytest.mark.parametrize("antennas", [4, 16, 64])
    @pytest.mark.parametrize("workers", [2, 8])
    def test_variance_falls_with_antennas_and_not_with_workers(self, antennas, workers):
        """Complex variance a symbol (1/M) (mean_k |s_k|^2 + no / K), and no bias.

        Each round is one number: its mean over symbols of independent fading.
        """
        reals, energy, rounds = 512, 500.0, 16
        x = unit_rows(workers, reals)
        uplink = link(workers, reals, antennas, energy, **BLIND)
        decoded, mean = decode(uplink, x, rounds), x.mean(axis=0)
        per_symbol = energy / 256
        scale = energy  # |a|^2: decoded reals are in units of 1/a
        errors = np.sum((decoded - mean) ** 2, axis=1) / 256
        within(errors, (per_symbol + NO / workers) / antennas / scale)
        within(decoded @ mean / (mean @ mean), 1.0)

    def test_real_and_imaginary_parts(self):
        """[mean_k |s_k|^2 +- Re((mean_k s_k)^2) + no / K] / (2 M) in units of a^2.

        The workers send the same real symbols: all of the interference is in the real part.
        """
        workers, antennas, energy = 4, 4, 500.0
        x = np.repeat(unit_rows(1, 512), workers, axis=0)
        x[:, 1::2] = 0
        x /= np.linalg.norm(x[0])
        errors = decode(link(workers, 512, antennas, energy, **BLIND), x, 40) - x[0]
        noise = 256 * NO / workers / energy
        within(np.sum(errors[:, ::2] ** 2, axis=1), (2 + noise) / (2 * antennas))
        within(np.sum(errors[:, 1::2] ** 2, axis=1), noise / (2 * antennas))

    def test_refuses_power_control(self):
        with pytest.raises(lp.SettingsError, match="Write power_control: none"):
            link(2, 8, csi={"receiver": "perfect"}, receiver="blind")


class TestEnergy:
    @pytest.mark.parametrize("antennas", [1, 4])
    def test_unbiased_with_the_variance_of_the_closed_form(self, antennas):
        """(S+^2 + S-^2) / (M K^2 gamma^2), S+- = gamma sum u+- + no, no CSI anywhere."""
        workers, reals, energy, rounds = 3, 64, 400.0, 300
        x = unit_rows(workers, reals, seed=4)
        uplink = link(workers, reals, antennas, energy, **ENERGY)
        decoded, mean = decode(uplink, x, rounds), x.mean(axis=0)
        gamma = energy / np.abs(x).sum(axis=1).max()
        plus = gamma * np.maximum(x, 0).sum(axis=0) + NO
        minus = gamma * np.maximum(-x, 0).sum(axis=0) + NO
        variance = (plus**2 + minus**2) / (antennas * workers**2 * gamma**2)
        # The 128 elements of a round fade independently (256 blocks), so rounds are the samples.
        within(np.mean((decoded - mean) ** 2 / variance, axis=1), 1.0)
        within(decoded @ mean / (mean @ mean), 1.0)

    def test_energy_goes_with_the_l1_norm(self):
        uplink = link(2, 64, energy=9.0, **ENERGY)
        x = unit_rows(2, 64)
        x[1] *= 0.5
        seen = uplink([x]).diagnostics
        l1 = np.abs(x).sum(axis=1)
        assert float(seen["energy_max_worker"]) == pytest.approx(9.0, rel=1e-5)
        assert float(seen["energy_mean_worker"]) == pytest.approx(
            4.5 * (1 + min(l1) / max(l1)), rel=1e-5
        )
        assert float(seen["symbols_per_round"]) == 2 * 64

    @pytest.mark.parametrize("code", ["signed", "affine"])
    def test_works_where_nothing_fades(self, code):
        x = unit_rows(1, 64)
        receiver = {"name": "energy", "code": code, "length": 3}
        uplink = lp.Uplink.from_config(
            {"compressor": "identity", "channel": "ideal", "receiver": receiver}
        )
        uplink.build([(40,), (4, 6)], 1, 0)
        found = uplink([x[:, :40], x[:, 40:].reshape(1, 4, 6)])
        decoded = np.concatenate([np.ravel(g) for g in found.gradients])
        np.testing.assert_allclose(decoded, x[0], atol=1e-5)
        assert float(found.diagnostics["symbols_per_round"]) == 64 * 3 * (1 + (code == "signed"))

    @pytest.mark.parametrize("length", [1, 16])
    def test_affine_energies_over_known_gains(self, length):
        """(S^2 - sum c_k^2 + 2 S no + no^2) / L for c_k = |h_k|^2 P_k (Goldenbaum, Stanczak).

        One flat gain a worker and round; the sequences' phases and the noise are the randomness.
        """
        workers, reals, energy, rounds = 3, 64, 300.0, 24
        x = unit_rows(workers, reals, seed=4)
        receiver = {"name": "energy", "code": "affine", "length": length}
        uplink = link(workers, reals, energy=energy, blocks=1, **ENERGY | {"receiver": receiver})
        decoded, fading = decode(uplink, x, rounds), uplink.links[0].channels.fading
        h = [[np.asarray(fading.response(fading.draw(tf.constant(t, tf.int64), 0.0), k))[0, 0]
              for k in range(workers)] for t in range(rounds)]  # fmt: skip
        level = np.abs(x).max()
        a = energy / (x + level).sum(axis=1).max()
        c = np.square(np.abs(h))[:, :, None] * a * (x + level) / length  # round, worker, real
        s = c.sum(axis=1)
        estimate = (decoded + level) * a * workers / length
        variance = (s**2 - np.square(c).sum(axis=1) + 2 * s * NO + NO**2) / length
        within(np.ravel((estimate - s) / np.sqrt(variance)), 0.0)
        within(np.ravel((estimate - s) ** 2 / variance), 1.0)

    def test_affine_energies_are_unbiased_over_fading(self):
        x = unit_rows(3, 64, seed=4)
        receiver = {"name": "energy", "code": "affine", "length": 2}
        uplink = link(3, 64, antennas=4, energy=2000.0, **ENERGY | {"receiver": receiver})
        mean = x.mean(axis=0)
        within(decode(uplink, x, 200) @ mean / (mean @ mean), 1.0)
        seen = uplink([x]).diagnostics
        assert float(seen["energy_max_worker"]) == pytest.approx(2000.0, rel=1e-5)

    def test_a_longer_sequence_over_independent_fading(self):
        """L (S+^2 + S-^2) / (K^2 gamma^2), S+- of gamma / L an element."""
        workers, reals, energy, length = 3, 32, 800.0, 4
        x = unit_rows(workers, reals, seed=4)
        receiver = {"name": "energy", "length": length}
        uplink = link(workers, reals, energy=energy, **ENERGY | {"receiver": receiver})
        decoded, gamma = decode(uplink, x, 200), energy / np.abs(x).sum(axis=1).max()
        plus = gamma / length * np.maximum(x, 0).sum(axis=0) + NO
        minus = gamma / length * np.maximum(-x, 0).sum(axis=0) + NO
        variance = length * (plus**2 + minus**2) / (workers * gamma) ** 2
        within(np.mean((decoded - x.mean(axis=0)) ** 2 / variance, axis=1), 1.0)

    def test_repetitions_inside_a_coherence_block_do_not_average_its_fading(self):
        """([S+^2 + S-^2] / g^2 - sum x^2) / (L K^2) + sum x^2 / K^2, g = gamma / L."""
        workers, reals, energy, length = 3, 32, 4000.0, 8
        x = unit_rows(workers, reals, seed=4)
        receiver = {"name": "energy", "length": length}
        uplink = link(workers, reals, energy=energy, blocks=1, **ENERGY | {"receiver": receiver})
        decoded = decode(uplink, x, 400)
        g = energy / np.abs(x).sum(axis=1).max() / length
        plus = g * np.maximum(x, 0).sum(axis=0) + NO
        minus = g * np.maximum(-x, 0).sum(axis=0) + NO
        squares = np.square(x).sum(axis=0)
        variance = ((plus**2 + minus**2) / g**2 - squares) / (length * workers**2)
        variance += squares / workers**2
        # All reals of a round share one fading: rounds are the samples.
        within(np.mean((decoded - x.mean(axis=0)) ** 2, axis=1), variance.mean())

    @pytest.mark.parametrize("antennas", [1, 4])
    def test_majority_vote_by_frequency_shift_keying(self, antennas):
        """P(wrong sign) = I_x(M, M), x = m-/(m+ + m-), m+- = E K+- + no; x for one antenna (Sahin).

        Three workers vote for plus, two for minus, on every real.
        """
        reals, energy, rounds = 64, 96.0, 60
        x = np.repeat(np.array([1, 1, 1, -1, -1], np.float32)[:, None], reals, axis=1)
        uplink = link(5, reals, antennas, energy, compressor="signum", **ENERGY)
        wrong = decode(uplink, 0.3 * x, rounds) < 0
        each = energy / reals  # of a vote
        minus, plus = 2 * each + NO, 3 * each + NO
        expected = special.betainc(antennas, antennas, minus / (plus + minus))
        if antennas == 1:
            assert expected == pytest.approx((2 + NO / each) / (5 + 2 * NO / each))
        error = math.sqrt(expected * (1 - expected) / wrong.size)
        assert abs(wrong.mean() - expected) < 5 * error

    def test_the_refusal_of_no_csi_names_it(self):
        with pytest.raises(lp.SettingsError, match="only receiver energy makes sense"):
            link(2, 8, csi={"transmitter": "none", "receiver": "none"}, power_control="none")

    def test_refuses_power_control(self):
        with pytest.raises(lp.SettingsError, match="Write power_control: none"):
            link(2, 8, receiver="energy")


@pytest.mark.parametrize("receiver", ["blind", "energy"])
class TestUnequalGains:
    """Two workers of constant gains 1.6 and 0.4, new phases every round; they send apart."""

    def coefficients(self, receiver, rule, tmp_path):
        """[round, worker] weight of a worker's message in the decoded mean, and diagnostics."""
        gains = np.array([1.0, 0.5], np.complex64).reshape(2, 1, 1)
        save(Recording(gains, np.zeros((2, 1))), tmp_path / "links.npz")
        csi = {"transmitter": "statistical", "receiver": "perfect"}
        channel = {"name": "cir", "path": str(tmp_path / "links.npz")}
        uplink = link(2, 64, energy=1e4, channel=channel, csi=csi, power_control=rule,
                      receiver=receiver)  # fmt: skip
        x = np.zeros((2, 64), np.float32)
        x[0, :32], x[1, 32:] = 32**-0.5, -(32**-0.5)
        seen = {k: float(v) for k, v in uplink([x]).diagnostics.items()}
        return decode(uplink, x, 200) @ x.T, seen

    def test_they_weigh(self, receiver, tmp_path):
        found, _ = self.coefficients(receiver, "none", tmp_path)
        within(found[:, 0], 1.6 / 2)
        within(found[:, 1], 0.4 / 2)

    def test_path_loss_makes_them_equal(self, receiver, tmp_path):
        """At the price of the weakest worker's power: the strong one sends a quarter."""
        found, seen = self.coefficients(receiver, "path_loss", tmp_path)
        within(found[:, 0], 0.5)
        within(found[:, 1], 0.5)
        assert seen["energy_max_worker"] == pytest.approx(1e4, rel=1e-5)
        assert seen["energy_mean_worker"] == pytest.approx(1e4 * (1 + 1 / 4) / 2, rel=1e-5)


@pytest.mark.parametrize(
    "fields",
    [
        {"receiver": "scale"},
        {"receiver": "lmmse"},
        {"receiver": "blind", "power_control": "none"},
        {"receiver": "energy", "power_control": "none"},
        {"receiver": {"name": "energy", "code": "affine"}, "power_control": "none"},
    ],
    ids=lambda fields: str(fields["receiver"]),
)
@pytest.mark.parametrize("channel", ["awgn", "rayleigh"])
class TestContract:
    def link(self, fields, channel, **more):
        csi = {"transmitter": "none"} if "power_control" in fields else {}
        uplink = lp.Uplink.from_config(
            {"compressor": "identity", "channel": {"name": channel, "antennas": 2}, "csi": csi,
             **fields, **more}
        )  # fmt: skip
        uplink.build([(31,), (4, 3)], 3, 5)
        return uplink

    def test_zeros_decode_finite_and_frozen_blocks_as_zero(self, fields, channel):
        uplink = self.link(fields, channel)
        x = [unit_rows(3, 31), np.zeros((3, 4, 3), np.float32)]
        gradients = uplink(x).gradients
        assert np.isfinite(np.asarray(gradients[0])).all()
        assert (np.asarray(gradients[1]) == 0).all()

    def test_budget_a_round(self, fields, channel):
        uplink = self.link(fields, channel, power={"energy_per_round": 5.0, "budget": "round"})
        x = [unit_rows(3, 31), unit_rows(3, 12).reshape(3, 4, 3)]
        for _ in range(3):
            assert float(uplink(x).diagnostics["energy_max_worker"]) <= 5.0 * (1 + 1e-5)
