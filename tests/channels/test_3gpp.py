"""What is special to TDL, CDL and urban cells: Sionna's own numbers, Jakes, chunks, the drop."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from scipy import special

import laser_phy as lp
from laser_phy.channels import Cdl, Cir, Tdl, Uma, Umi, chunks, randomness
from laser_phy.channels.grid import Grid, round_grid
from laser_phy.channels.paths import PathResponse
from laser_phy.channels.profiles import SPECULAR_RATIO
from laser_phy.phy.ofdm import Ofdm

OFDM = Ofdm(fft_size=64, cyclic_prefix=8, guard_carriers=(3, 2), slot_symbols=7, pilot_symbols=(2,))
GRID = round_grid(OFDM, 58 * 10)
KEY = 77


def state_of(fading, realisation: int, speed: float):
    return fading.draw(tf.constant(realisation, tf.int64), tf.constant(speed))


@pytest.mark.parametrize("profile", "ABCDE")
def test_tdl_is_sionnas(profile):
    """The product over sinusoids gives what Sionna's block gives from the same stream."""
    fading = Tdl(profile=profile, antennas=3, speed_mps=30.0).build(GRID, KEY, workers=3)
    gains, delays = fading.paths(state_of(fading, 7, 30.0), tf.constant(2))
    randomness.seek(KEY, 7, 2)
    expected, expected_delays = fading.tdl(1, GRID.ofdm_symbols, fading.rate(30.0))
    np.testing.assert_allclose(gains, expected[0, 0, :, 0, 0], atol=1e-5)
    np.testing.assert_allclose(delays, expected_delays[0, 0, 0], rtol=1e-6)


@pytest.mark.parametrize("constant", [True, False])
def test_frequency_response_is_sionnas(constant):
    """`cir_to_ofdm_channel` on TDL-C, 4 antennas; delays as a constant and as a tensor."""
    from sionna.phy.channel import cir_to_ofdm_channel
    from sionna.phy.channel.tr38901 import TDL

    frequencies = (np.arange(128) - 64) * 30e3
    grid = Grid(frequencies, np.arange(14), 14, 36e-6)
    tdl = TDL("C", 300e-9, 3.5e9, min_speed=30.0, num_rx_ant=4)
    gains, delays = tdl(1, 14, 1 / 36e-6)
    expected = cir_to_ofdm_channel(tf.constant(frequencies, tf.float32), gains, delays)
    ours = PathResponse(grid)(
        gains[0, 0, :, 0, 0], tdl.delays.numpy() if constant else delays[0, 0, 0]
    )
    np.testing.assert_allclose(ours, tf.reshape(expected, [4, -1]), atol=1e-5)


def test_frequency_response_is_exact_for_late_paths():
    """Against double precision, 20 us late at 50 MHz: a thousand periods."""
    frequencies = np.linspace(-25e6, 25e6, 64)
    grid = Grid(frequencies, np.arange(1), 1, 36e-6)
    delays = np.array([0.0, 7.3e-6, 20e-6], np.float32)
    exact = np.exp(-2j * np.pi * np.outer(delays.astype(float), frequencies)).sum(axis=0)
    for value in (delays, tf.constant(delays)):
        response = PathResponse(grid)(tf.ones([1, 3, 1], tf.complex64), value)
        np.testing.assert_allclose(response[0], exact, atol=1e-5)


@pytest.mark.parametrize("kind", ["tdl", "cdl"])
@pytest.mark.parametrize("profile", "ABCDE")
def test_specular_ratio_is_that_of_sionnas_tables(kind, profile):
    if kind == "tdl":
        model = Tdl(profile=profile).build(GRID, KEY, 1).tdl
        power = float(model.mean_power_los) if model.los else 0.0
        assert power / (1 - power) == pytest.approx(SPECULAR_RATIO[profile], rel=1e-5)
        return
    model = Cdl(profile=profile).build(GRID, KEY, 1).cdl
    powers = np.array(model.powers, float)
    if not model.los:
        assert SPECULAR_RATIO[profile] == 0
        return
    # powers[0] = (K + P_0) / (K + 1), k_factor = K / P_0
    k = powers[0] / (1 + 1 / float(model.k_factor) - powers[0])
    assert k == pytest.approx(SPECULAR_RATIO[profile], rel=1e-5)


def test_tdl_moves_as_jakes_says():
    """E[a(t) a*(t + d)] of a tap is its power times J0(2 pi f_d d): long traces, five sigma."""
    speed, steps = 30.0, 400
    grid = Grid(np.zeros(1), np.arange(steps), steps, 50e-6)
    settings = Tdl(profile="A", antennas=4)
    fading = settings.build(grid, KEY, workers=1)
    powers = np.array(fading.tdl.mean_powers)[:, None]
    lags = np.array([1, 5, 17, 40, 90, 200, 330])

    @tf.function
    def trace(realisation):
        gains, _ = fading.paths(fading.draw(realisation, tf.constant(speed)), tf.constant(0))
        return gains

    products = []  # realisation, path, lag
    for realisation in range(150):
        a = trace(tf.constant(realisation, tf.int64)).numpy()
        products.append(
            [np.mean(a[..., lag:] * np.conj(a[..., :-lag]), axis=(0, 2)) for lag in lags]
        )
    correlation = np.array(products).transpose(0, 2, 1) / powers
    expected = special.j0(2 * np.pi * speed / settings.wavelength_m * lags * 50e-6)
    mean = correlation.mean(axis=(0, 1))  # paths are independent too
    count = correlation.shape[0] * correlation.shape[1]
    error = correlation.std(axis=(0, 1), ddof=1) / np.sqrt(count)
    assert (np.abs(mean - expected) < 5 * error).all()
    assert error.max() < 0.02  # sharp enough to tell J0 from anything else
    assert expected.min() < -0.2


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(Tdl(profile="D", antennas=2), id="tdl"),
        pytest.param(Cdl(profile="D", antennas=2), id="cdl"),
        pytest.param(Umi(antennas=2), id="umi", marks=pytest.mark.long),
    ],
)
def test_a_round_in_chunks_is_the_round_in_one_piece(settings, monkeypatch):
    fading = settings.build(GRID, KEY, workers=2)
    whole = fading.response(state_of(fading, 3, 30.0), tf.constant(1))
    monkeypatch.setattr(chunks, "LARGEST", 700)  # 3 steps of the TDL, one of the others
    assert not chunks.fits(GRID.ofdm_symbols, 240)
    fading = settings.build(GRID, KEY, workers=2)
    parts = fading.response(state_of(fading, 3, 30.0), tf.constant(1))
    np.testing.assert_allclose(parts, whole, atol=2e-5)


def test_cdl_looks_in_the_profiles_directions():
    """Neighbouring antennas correlate as the profile's azimuths say, half a wavelength apart."""
    settings = Cdl(profile="D", antennas=2)
    fading = settings.build(round_grid(OFDM, 58), KEY, workers=1)

    @tf.function
    def product(realisation):
        h = fading.response(fading.draw(realisation, tf.constant(1.0)), tf.constant(0))
        return tf.reduce_mean(h[1] * tf.math.conj(h[0]))

    values = np.array([product(tf.constant(r, tf.int64)).numpy() for r in range(150)])
    cdl = fading.cdl
    powers = np.array(cdl._powers)[0, 0, 0] / (1 + SPECULAR_RATIO["D"])  # cluster
    azimuth, zenith = np.array(cdl._aoa)[0, 0, 0], np.array(cdl._zoa)[0, 0, 0]  # cluster, ray
    # The server's line of antennas lies along y: a phase pi sin(zenith) sin(azimuth) apart.
    # Azimuths and zeniths are coupled at random: their mean over all pairs of a cluster's rays.
    turn = np.exp(1j * np.pi * np.sin(zenith)[:, :, None] * np.sin(azimuth)[:, None, :])
    expected = np.sum(powers * turn.mean(axis=(1, 2)))
    expected += SPECULAR_RATIO["D"] / (1 + SPECULAR_RATIO["D"])  # broadside
    error = np.sqrt(np.var(values) / len(values))
    assert abs(values.mean() - expected) < 5 * error


@pytest.fixture(scope="module")
def drop():
    return Umi(antennas=1).build(GRID, KEY, workers=300)


def test_workers_are_dropped_in_the_sector(drop):
    distance = np.linalg.norm(drop.positions_m[:, :2], axis=1)
    assert distance.min() >= 10
    assert distance.max() <= 200 * 2 / 3
    assert drop.positions_m[:, 2] == pytest.approx(1.5)
    angle = np.arctan2(drop.positions_m[:, 1], drop.positions_m[:, 0])
    assert angle.min() >= 0
    assert angle.max() <= 2 * np.pi / 3  # a third of the circle
    again = Umi(antennas=1).build(GRID, KEY, workers=300)
    np.testing.assert_array_equal(again.positions_m, drop.positions_m)
    np.testing.assert_array_equal(again.gains_db, drop.gains_db)


def test_path_loss_and_shadowing_are_those_of_38901(drop):
    """38.901 Table 7.4.1-1, UMi: line of sight 32.4 + 21 lg d + 20 lg f, shadowing 4 dB; without,
    22.4 + 35.3 lg d + 21.3 lg f, shadowing 7.82 dB. A worker follows one of the two."""
    height = 10 - 1.5
    distance = np.hypot(np.linalg.norm(drop.positions_m[:, :2], axis=1), height)
    clear = 32.4 + 21 * np.log10(distance) + 20 * np.log10(3.5)
    blocked = 22.4 + 35.3 * np.log10(distance) + 21.3 * np.log10(3.5)
    in_sight = drop._model._scenario.los.numpy()[0, 0]
    excess = -drop.gains_db - np.where(in_sight, clear, np.maximum(clear, blocked))
    for group, sigma in ((excess[in_sight], 4.0), (excess[~in_sight], 7.82)):
        # shadowing of neighbours is correlated: half of the workers count
        assert len(group) > 20
        assert abs(group.mean()) < 5 * sigma / np.sqrt(len(group) / 2)
        assert 0.5 * sigma < group.std() < 1.5 * sigma


def test_gains_are_normalised_with_their_ratios_kept(drop):
    powers = np.array(drop.powers())
    assert powers.mean() == pytest.approx(1)
    levels = 10 * np.log10(powers)
    np.testing.assert_allclose(levels - levels[0], drop.gains_db - drop.gains_db[0], atol=1e-4)
    assert np.ptp(levels) > 20


def test_a_worker_below_the_threshold_stays_silent_and_all_of_them_are_refused():
    def link(threshold: float):
        rule = lp.power_control.TruncatedInversion(threshold=threshold)
        uplink = lp.Uplink(
            compressor=lp.compressors.Identity(), channel=Cir(), ofdm=OFDM, power_control=rule
        )
        uplink.build([(30, 20)], workers=8)
        return uplink

    uplink = link(0.5)
    silent = [law.probability(0.5) == 0 for law in uplink.links[0].channels.fading.laws()]
    assert 0 < sum(silent) < 8
    diagnostics = uplink([tf.random.stateless_normal([8, 30, 20], [1, 2])]).diagnostics
    assert float(diagnostics["truncated_fraction"]) > sum(silent) / 8 - 1e-6
    assert np.isfinite(float(diagnostics["uplink_nmse_db"]))
    with pytest.raises(ValueError, match=r"threshold must be a power gain .* got 100, above which"):
        link(100.0)


def test_walls_weaken():
    inside = Umi(indoor_probability=1.0).build(GRID, KEY, workers=50)
    outside = Umi(indoor_probability=0.0).build(GRID, KEY, workers=50)
    assert (
        outside.gains_db.mean() - inside.gains_db.mean() > 10
    )  # 38.901 Table 7.4.3: 10 dB or more


def test_refusals_of_the_settings():
    with pytest.raises(ValueError, match="rows must divide antennas 4"):
        Cdl(antennas=4, rows=3)
    with pytest.raises(ValueError, match="carrier_hz must be"):
        Uma(carrier_hz=1e6)
