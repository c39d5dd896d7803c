"""The time-domain path against the frequency domain, and its interference against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

import laser_phy as lp
from laser_phy.channels import Awgn, Cdl, Cir, Rayleigh, Rician, Tdl, Umi, chunks
from laser_phy.channels.grid import round_grid
from laser_phy.channels.recording import Recording, save
from laser_phy.channels.waveform import PULSE, Waveform
from laser_phy.phy.ofdm import Ofdm

SPACING = 30e3


def ofdm(prefix: int = 24) -> Ofdm:
    return Ofdm(fft_size=64, subcarrier_spacing_hz=SPACING, cyclic_prefix=prefix,
                guard_carriers=(3, 2), slot_symbols=7, pilot_symbols=(2,))  # fmt: skip


def qpsk(generator: np.random.Generator, size: int) -> np.ndarray:
    return np.exp(0.5j * np.pi * generator.integers(4, size=size)).astype(np.complex64)


def round_trip(fading, symbols, speed: float, realisation: int = 3, worker: int = 1):
    """What arrives, and response * symbols."""
    state = fading.draw(tf.constant(realisation, tf.int64), tf.constant(speed))
    worker = tf.constant(worker)
    arrived = fading.propagate(state, worker, tf.constant(symbols)).numpy()
    return arrived, fading.response(state, worker).numpy() * symbols


CASES = {
    "tdl": Tdl(profile="C", delay_spread_s=100e-9, antennas=2),
    "cdl": Cdl(profile="D", delay_spread_s=100e-9, antennas=2),
    "cir": Cir(antennas=3),
    "rayleigh": Rayleigh(antennas=2),
    "rician": Rician(),
    "awgn": Awgn(antennas=2),
    "umi": Umi(antennas=2),
}
LONG_ENOUGH = {"umi": 64}


@pytest.mark.parametrize(
    "case", [pytest.param(name, marks=[pytest.mark.long] * (name == "umi")) for name in CASES]
)
def test_a_static_channel_with_a_long_prefix_is_a_product_per_element(case):
    grid = round_grid(ofdm(LONG_ENOUGH.get(case, 24)), 58 * 9)
    settings = CASES[case].model_copy(update={"domain": "time"})
    fading = settings.build(grid, 11, workers=4)
    arrived, expected = round_trip(fading, qpsk(np.random.default_rng(0), grid.elements), 0.0)
    assert arrived.shape == (settings.antennas, grid.elements)
    scale = np.abs(expected).max()
    limit = 1e-5 * scale if case != "umi" else 0.02 * scale  # umi has paths behind any prefix
    assert np.abs(arrived - expected).max() < limit


def on_the_sample_grid(tmp_path, delays, prefix: int, symbols: int = 58 * 9, moving=False):
    """Frequency- and time-domain fading over one link of unit paths at whole samples."""
    recording = Recording(
        gains=np.ones([1, 1, len(delays)], np.complex64) / np.sqrt(len(delays)),
        delays_s=np.array([delays]) / (64 * SPACING),
        departures=np.array([[[1.0, 0, 0]] * len(delays)], np.float32) if moving else None,
    )
    save(recording, tmp_path / "links.npz")
    grid = round_grid(ofdm(prefix), symbols)
    return grid, [
        Cir(path=str(tmp_path / "links.npz"), domain=domain).build(grid, 11, workers=1)
        for domain in ("frequency", "time")
    ]


def test_both_domains_agree_where_delays_are_whole_samples(tmp_path):
    grid, (frequency, time) = on_the_sample_grid(tmp_path, [0, 3, 7], prefix=24)
    symbols = qpsk(np.random.default_rng(0), grid.elements)
    arrived, own = round_trip(time, symbols, 0.0, worker=0)
    _, expected = round_trip(frequency, symbols, 0.0, worker=0)
    np.testing.assert_allclose(own, expected, atol=1e-5)
    np.testing.assert_allclose(arrived, expected, atol=1e-5)


def test_taps_and_signal_are_those_of_sionna(tmp_path):
    """`cir_to_time_channel`, `ApplyTimeChannel` and `time_to_ofdm_channel` give the same."""
    from sionna.phy.channel import ApplyTimeChannel, cir_to_time_channel
    from sionna.phy.ofdm import OFDMDemodulator, OFDMModulator

    grid = round_grid(ofdm(), 58 * 3)
    settings = Tdl(profile="B", delay_spread_s=150e-9, antennas=2, domain="time")
    fading = settings.build(grid, 11, workers=2)
    waveform = Waveform(grid, fading.longest_delay_s())
    state = fading.draw(tf.constant(5, tf.int64), tf.constant(0.0))
    gains, delays = fading.paths(state, tf.constant(1))
    count = len(waveform.lags)
    samples = grid.ofdm_symbols * (64 + 24)
    steps = samples + count - 1
    constant = tf.tile(gains[:, :, :1], [1, 1, steps])[None, None, :, None, None]
    taps = cir_to_time_channel(
        waveform.bandwidth_hz, constant, tf.constant(delays)[None, None, None],
        waveform.lags[0], waveform.lags[-1],
    )  # fmt: skip
    np.testing.assert_allclose(
        taps[0, 0, :, 0, 0, 0], tf.matmul(gains[:, :, 0], waveform.pulses(delays)), atol=1e-6
    )
    symbols = tf.constant(qpsk(np.random.default_rng(0), grid.elements))
    sent = OFDMModulator(24)(waveform._placed(symbols))
    received = ApplyTimeChannel(samples, count)(sent[None, None, None], taps)[0, 0]
    demodulated = OFDMDemodulator(64, -PULSE, 24)(received[:, :samples]).numpy()
    bins = np.rint(grid.frequencies_hz / SPACING).astype(int) + 32
    expected = demodulated[:, grid.times][:, :, bins].reshape(2, -1)
    arrived = fading.propagate(state, tf.constant(1), symbols)
    np.testing.assert_allclose(arrived, expected, atol=1e-5)


def test_interference_behind_a_short_prefix_has_its_closed_form(tmp_path):
    """A path e of N samples later than the prefix reaches loses them of its own symbol, and gets as
    many of the symbol before. Of power 1 and with symbols on all bins, what is left is

        gain 1 - e/N,   ISI e/N,   ICI (e/N)(1 - e/N)

    (Seoane, Wilson, Gelfand 1997); empty bins at the edge send nothing.
    """
    fft, prefix, delay = 64, 10, 30
    excess = delay - (prefix - PULSE)  # the demodulator takes its window PULSE samples early
    grid, (_, time) = on_the_sample_grid(tmp_path, [delay], prefix, symbols=58 * 400)
    assert time.longest_delay_s() * fft * SPACING == pytest.approx(delay)
    symbols = qpsk(np.random.default_rng(0), grid.elements)
    arrived, _ = round_trip(time, symbols, 0.0, worker=0)
    arrived = arrived.reshape(400, -1)[1:]  # the first symbol has none before it
    symbols = symbols.reshape(400, -1)[1:]
    gain = np.mean(arrived * np.conj(symbols), axis=0)  # subcarrier
    kept = 1 - excess / fft
    assert np.abs(np.abs(gain) - kept).max() < 5 / np.sqrt(399)  # QPSK: interference below 1
    power = np.mean(np.abs(arrived - gain * symbols) ** 2)
    lost = excess / fft
    full = lost + lost * kept
    edges = 58 / fft  # empty bins at the band's edge send no interference
    assert edges * full < power * 1.02
    assert power < full * 1.02


def test_no_interference_while_the_prefix_is_long_enough(tmp_path):
    grid, (_, time) = on_the_sample_grid(tmp_path, [12], prefix=12 + 2 * PULSE)
    symbols = qpsk(np.random.default_rng(0), grid.elements)
    arrived, expected = round_trip(time, symbols, 0.0, worker=0)
    np.testing.assert_allclose(arrived, expected, atol=1e-5)


@pytest.mark.parametrize("speed", [60.0, 240.0])
def test_intercarrier_interference_against_the_jakes_bound(speed):
    """At most (2 pi f_d T)^2 / 24 of the power (Li, Cimini 2001), and near it."""
    settings = Tdl(profile="A", delay_spread_s=100e-9, carrier_hz=6e9, domain="time", antennas=4)
    grid = round_grid(ofdm(), 58 * 14)
    fading = settings.build(grid, 11, workers=1)
    symbols = qpsk(np.random.default_rng(0), grid.elements)

    @tf.function
    def interference(realisation):
        state = fading.draw(realisation, tf.constant(speed))
        worker = tf.constant(0)
        error = fading.propagate(state, worker, symbols) - fading.response(state, worker) * symbols
        return tf.reduce_mean(tf.square(tf.abs(error)))

    powers = np.array([interference(tf.constant(r, tf.int64)).numpy() for r in range(100)])
    doppler = speed / settings.wavelength_m
    bound = (2 * np.pi * doppler / SPACING) ** 2 / 24
    mean, error = powers.mean(), powers.std(ddof=1) / 10
    assert mean - 5 * error < bound
    assert mean > 0.7 * bound


def test_the_same_in_a_graph(tmp_path):
    grid = round_grid(ofdm(), 58 * 9)
    fading = Tdl(domain="time", speed_mps=30.0, antennas=2).build(grid, 11, workers=2)
    symbols = qpsk(np.random.default_rng(0), grid.elements)
    eager, _ = round_trip(fading, symbols, 30.0)
    graph = tf.function(
        lambda s: fading.propagate(fading.draw(tf.constant(3, tf.int64), 30.0), 1, s)
    )
    np.testing.assert_allclose(graph(tf.constant(symbols)), eager, atol=1e-5)


@pytest.mark.parametrize("delay_spread_s", [100e-9, 2e-6])
def test_a_round_in_chunks_is_the_round_in_one_piece(monkeypatch, delay_spread_s):
    """Echoes reach over the seams, of two OFDM symbols even where the channel is that long."""
    grid = round_grid(ofdm(), 58 * 9)
    settings = Tdl(domain="time", antennas=2, delay_spread_s=delay_spread_s)
    fading = settings.build(grid, 11, workers=2)
    symbols = qpsk(np.random.default_rng(0), grid.elements)
    whole, _ = round_trip(fading, symbols, 30.0)
    monkeypatch.setattr(chunks, "LARGEST", 4 * 88 * 2 * 2)  # two OFDM symbols
    parts, _ = round_trip(fading, symbols, 30.0)
    np.testing.assert_allclose(parts, whole, atol=1e-5)


def test_the_uplink_goes_through_the_waveform():
    """At rest both domains decode alike; at 300 m/s carriers leak, and perfect CSI is no help."""
    stacked = [tf.random.stateless_normal([2, 60, 40], [1, 2])]

    def error_db(domain: str, speed: float) -> float:
        link = lp.Uplink(
            compressor=lp.compressors.Identity(),
            channel=Tdl(domain=domain, speed_mps=speed),
            ofdm=ofdm(),
            power=lp.Power(snr_db=60.0),
            power_control=lp.power_control.TruncatedInversion(threshold=1e-6),
        )
        link.build([(60, 40)], workers=2)
        return float(link(stacked).diagnostics["uplink_nmse_db"])

    assert abs(error_db("time", 0.0) - error_db("frequency", 0.0)) < 3
    assert error_db("time", 300.0) > error_db("frequency", 300.0) + 10


def test_blocks_of_subcarriers_have_no_impulse_response():
    for kind in (Rayleigh, Rician):
        with pytest.raises(ValueError, match=r"domain time needs .* got blocks 4. Write blocks: 1"):
            kind(blocks=4, domain="time")
