"""Hardware impairments, each against its closed form."""

import math

import numpy as np
import pytest
import tensorflow as tf
from scipy import special

import laser_phy as lp
from laser_phy.channels.grid import round_grid
from laser_phy.phy.impairments import (
    Hardware,
    Impairments,
    common_phase,
    inter_carrier,
    papr_db,
    soft_clip,
    timing_ramp,
)

OFDM = lp.Ofdm(fft_size=64, guard_carriers=(4, 3), cyclic_prefix=16)


def complex_normal(*shape, seed=0):
    parts = np.random.default_rng(seed).normal(size=(2, *shape)) / math.sqrt(2)
    return (parts[0] + 1j * parts[1]).astype(np.complex64)


def hardware(symbols, **settings):
    grid = round_grid(OFDM, symbols)
    return Hardware(Impairments(**settings), OFDM, grid, np.arange(symbols)), grid


def link(impairments, workers=4, reals=448, energy=1e9, **fields):
    uplink = lp.Uplink.from_config(
        {
            "compressor": "identity",
            "channel": "awgn",
            "power": {"energy_per_round": energy},
            "ofdm": OFDM.to_config(),
            "impairments": impairments,
            **fields,
        }
    )
    uplink.build([(reals,)], workers, 1)
    return uplink


def gains(uplink, workers, rounds, seed=0):
    """Gain along the true mean, [round]; the same message from all workers."""
    x = np.random.default_rng(seed).normal(size=(1, uplink.layouts[0].size)).astype(np.float32)
    stacked = np.repeat(x, workers, axis=0)
    step = tf.function(lambda: uplink([stacked]).gradients[0], autograph=False)
    return np.array([np.asarray(step()) @ x[0] for _ in range(rounds)]) / (x[0] @ x[0])


def within(samples, expected):
    error = np.std(samples, ddof=1) / math.sqrt(len(samples))
    assert abs(np.mean(samples) - expected) < 5 * error, (np.mean(samples), expected)


class TestWaveforms:
    def test_there_and_back(self):
        hw, _ = hardware(130)
        x = complex_normal(3, 130)
        for oversampling in (1, 4):
            back = hw.symbols(hw.waveforms(tf.constant(x), oversampling))
            np.testing.assert_allclose(back, x, atol=1e-5)

    def test_equals_sionnas_modulator(self):
        from sionna.phy.ofdm import OFDMModulator

        hw, grid = hardware(112)
        x = complex_normal(112)
        bins = np.rint(grid.frequencies_hz / OFDM.subcarrier_spacing_hz).astype(int)
        placed = np.zeros((2, 64), np.complex64)
        placed[:, bins + 32] = x.reshape(2, 56)
        expected = np.asarray(OFDMModulator(16)(tf.constant(placed))).reshape(2, 80)[:, 16:]
        found = np.asarray(hw.waveforms(tf.constant(x)))
        np.testing.assert_allclose(found * math.sqrt(64), expected, atol=1e-5)


class TestTiming:
    @pytest.mark.parametrize("delay", [0, 3, 16])
    def test_ramp_is_a_late_window_within_the_prefix(self, delay):
        """A signal that comes d samples late, read where it was expected."""
        hw, grid = hardware(56)
        x = complex_normal(56)
        body = np.asarray(hw.waveforms(tf.constant(x)))[0]
        samples = np.concatenate([body[-16:], body])  # with its cyclic prefix
        window = samples[16 - delay :][:64]
        bins = np.rint(grid.frequencies_hz / OFDM.subcarrier_spacing_hz).astype(int)
        ramp = np.asarray(timing_ramp(tf.constant(float(delay)), bins, 64))
        found = hw.symbols(tf.constant(window[None]))
        np.testing.assert_allclose(found, x * ramp, atol=1e-4)

    def test_mean_gain_over_the_band(self):
        """E over uniform d of e^(-j 2 pi k d / N), averaged over subcarriers."""
        offset, rounds, workers = 10.0, 60, 4
        uplink = link({"timing_offset_samples": offset}, workers)
        k = np.rint(uplink.links[0].grid.frequencies_hz / OFDM.subcarrier_spacing_hz)
        expected = np.mean(np.sinc(2 * k * offset / 64))  # Re of the mean phase: sin(x) / x
        found = gains(uplink, workers, rounds)
        # the message's own scatter over subcarriers does not average out: 448 reals of weights
        error = np.std(found) / math.sqrt(rounds) + np.std(np.sinc(2 * k * offset / 64)) / 15
        assert abs(found.mean() - expected) < 5 * error

    def test_beyond_the_prefix_is_refused(self):
        with pytest.raises(lp.SettingsError, match="must be <= cyclic_prefix 16"):
            link({"timing_offset_samples": 17.0})


class TestCarrierOffset:
    @pytest.mark.parametrize("offset", [0.02, 0.2, -0.35])
    def test_gain_and_interference(self, offset):
        """Own gain (1/N) sum_n e^(j 2 pi eps n / N), of power sinc^2; the rest interferes."""
        ofdm = lp.Ofdm(fft_size=64, guard_carriers=(0, 0), dc_null=False, cyclic_prefix=16)
        grid = round_grid(ofdm, 64 * 300)
        hw = Hardware(Impairments(), ofdm, grid, np.arange(64 * 300))
        x = complex_normal(64 * 300)
        y = np.asarray(hw.symbols(inter_carrier(hw.waveforms(tf.constant(x)), offset)))
        own = np.mean(np.exp(2j * np.pi * offset * np.arange(64) / 64))
        found = np.vdot(x, y) / np.vdot(x, x)
        assert abs(found - own) < 5 / math.sqrt(x.size)
        power = np.abs(y - own * x) ** 2
        within(power, 1 - abs(own) ** 2)  # all subcarriers used: what is lost arrives elsewhere
        assert abs(own) ** 2 == pytest.approx(np.sinc(offset) ** 2, rel=2e-3)

    def test_phase_runs_from_symbol_to_symbol(self):
        phase = np.asarray(common_phase(0.1, np.arange(5), 64, 16))
        np.testing.assert_allclose(
            phase, np.exp(2j * np.pi * 0.1 * np.arange(5) * 80 / 64), atol=1e-5
        )

    def test_equals_a_turning_time_signal(self):
        """Prefix and all: the carrier runs on through prefixes and symbols."""
        hw, grid = hardware(112)
        x, offset = complex_normal(112), 0.13
        bodies = np.asarray(hw.waveforms(tf.constant(x)))
        stream = np.concatenate([np.concatenate([b[-16:], b]) for b in bodies])
        n = np.arange(stream.size) - 16  # the phase is 0 where the first symbol's body begins
        turned = (stream * np.exp(2j * np.pi * offset * n / 64)).reshape(2, 80)[:, 16:]
        expected = hw.symbols(tf.constant(turned.astype(np.complex64)))
        found = np.asarray(hw.symbols(inter_carrier(hw.waveforms(tf.constant(x)), offset)))
        found = found * np.repeat(np.asarray(common_phase(offset, grid.times, 64, 16)), 56)
        np.testing.assert_allclose(found, expected, atol=1e-4)

    def test_in_the_link_it_costs(self):
        exact, off = (gains(link(i), 4, 4) for i in ({}, {"cfo_subcarriers": 0.05}))
        np.testing.assert_allclose(exact, 1, atol=1e-3)
        assert (off < 0.999).all()


class TestPhaseError:
    @pytest.mark.parametrize("std", [0.2, 0.7])
    def test_bias(self, std):
        """E e^(j phi) = e^(-var / 2), one phase a worker and round."""
        found = gains(link({"phase_error_std_rad": std}), 4, 150)
        within(found, math.exp(-(std**2) / 2))
        # Re of the mean of 4 phases: variance (1 - e^-var)^2 / 2 / 4
        assert np.var(found) == pytest.approx(
            (1 - math.exp(-(std**2))) ** 2 / 8, rel=5 * math.sqrt(2 / 150) * 2
        )


class TestClipping:
    @pytest.mark.parametrize("level", [0.5, 1.0, 2.0])
    def test_bussgang_gain(self, level):
        """Gain 1 - e^(-c^2) + (sqrt(pi)/2) c erfc(c) of Gaussian samples, error uncorrelated."""
        x = complex_normal(200_000)
        y = np.asarray(soft_clip(tf.constant(x), level))
        expected = 1 - math.exp(-(level**2))
        expected += math.sqrt(math.pi) / 2 * level * special.erfc(level)
        product = np.real(y * x.conj())
        within(product / np.mean(np.abs(x) ** 2), expected)
        assert np.abs(y).max() <= level * math.sqrt(np.mean(np.abs(x) ** 2)) * (1 + 1e-5)

    @pytest.mark.parametrize("level", [0.7, 1.5])
    def test_gain_in_the_link(self, level):
        """OFDM of many subcarriers is nearly Gaussian; the link loses the same part."""
        expected = 1 - math.exp(-(level**2))
        expected += math.sqrt(math.pi) / 2 * level * special.erfc(level)
        found = gains(link({"clipping": level}, 1, reals=4480), 1, 1)[0]
        # 2240 symbols, some 4 times as many samples: the gain scatters by below 1/sqrt(2240)
        assert found == pytest.approx(expected, abs=5 * 0.5 / math.sqrt(2240))

    def test_a_high_level_clips_nothing(self):
        assert gains(link({"clipping": 50.0}), 4, 1)[0] == pytest.approx(1, abs=1e-4)


class TestPapr:
    def test_of_two_tones_and_of_one(self):
        n = np.arange(64)
        one = np.exp(2j * np.pi * n / 64).astype(np.complex64)
        two = (one + 1).astype(np.complex64)
        assert float(papr_db(tf.constant(one))) == pytest.approx(0, abs=1e-4)
        assert float(papr_db(tf.constant(two))) == pytest.approx(10 * math.log10(2), abs=1e-3)

    def test_reported_where_asked_for(self):
        x = np.random.default_rng(0).normal(size=(4, 448)).astype(np.float32)
        asked = float(link({"papr": True})([x]).diagnostics["papr_db"])
        assert 5 < asked < 15  # of 56 subcarriers
        assert float(link({})([x]).diagnostics["papr_db"]) == 0


def test_off_by_default_changes_nothing():
    x = np.random.default_rng(0).normal(size=(4, 448)).astype(np.float32)
    fields = {"channel": {"name": "rayleigh", "blocks": 8}, "energy": 50.0}
    plain = np.asarray(link({}, **fields)([x]).gradients[0])
    measured = np.asarray(link({"papr": True}, **fields)([x]).gradients[0])
    np.testing.assert_array_equal(plain, measured)
