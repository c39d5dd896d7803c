"""What workers hear of a broadcast: every channel, both domains, pilots, their age and price."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import special

import laser_phy as lp
from laser_phy.channels import KINDS
from laser_phy.core.random_streams import stream_key

SIZE, WORKERS = 400, 3
LOUD = {"power": {"energy_per_round": 1e14}}
BLOCKS = {"name": "rayleigh", "blocks": 56}
OFDM = lp.Ofdm(fft_size=64, guard_carriers=(4, 3), cyclic_prefix=16).to_config()  # 56 carriers

CHANNELS = [
    {"name": "ideal"},
    {"name": "awgn", "antennas": 2},
    {"name": "rayleigh", "blocks": 4},
    {"name": "rician", "antennas": 2},
    {"name": "tdl", "profile": "D", "antennas": 3},
    {"name": "cdl", "profile": "B"},
    {"name": "cir", "antennas": 2},
    pytest.param({"name": "umi", "speed_mps": 10.0}, marks=pytest.mark.long),
    pytest.param({"name": "uma", "antennas": 2}, marks=pytest.mark.long),
]


def built(**fields):
    downlink = lp.Downlink(name="broadcast", ofdm=OFDM, **fields)
    downlink.build([(SIZE,)], WORKERS, seed=1)
    return downlink


def message():
    return tf.constant(np.random.default_rng(0).normal(size=SIZE), tf.float32)


def relative_errors(downlink, rounds=4):
    """[round * worker] energy of the error over that of the message."""
    reals = message()

    @tf.function(autograph=False)
    def step(t):
        signal = downlink.send(0, reals, t)
        return [downlink.receive(0, signal, reals, tf.constant(k)).error for k in range(WORKERS)]

    errors = np.array([step(tf.constant(t, tf.int64)) for t in range(rounds)])
    return errors.ravel() / np.sum(np.square(reals))


def within(samples, expected):
    """Mean of independent samples, five standard errors."""
    error = np.std(samples, ddof=1) / np.sqrt(np.size(samples))
    assert abs(np.mean(samples) - expected) < 5 * error, (np.mean(samples), expected)


class TestChannels:
    def test_every_kind_has_a_case(self):
        """But `site`, which becomes a `cir` once it is traced."""
        cases = [(case if isinstance(case, dict) else case.values[0])["name"] for case in CHANNELS]
        names = {kind.model_fields["name"].default for kind in KINDS}
        assert names - set(cases) == {"site"}

    @pytest.mark.parametrize("channel", CHANNELS, ids=lambda channel: channel["name"])
    def test_without_noise_it_is_read_exactly(self, channel):
        downlink = built(channel=channel, **LOUD)
        errors = relative_errors(downlink)
        assert np.all(errors < 1e-8)
        other = relative_errors(built(channel=channel, power={"energy_per_round": 300.0}))
        assert channel["name"] == "ideal" or np.all(other > 1e-3)

    def test_its_channel_and_noise_are_streams_of_their_own(self):
        """Not the uplink's, though both were built with the same seed and settings."""
        keys = {stream_key(1, n) for n in ("channel", "noise", "downlink", "downlink_noise")}
        assert len(keys) == 4
        downlink = built(channel="rayleigh")
        assert downlink.receivers[0].channels.fading.key == stream_key(1, "downlink")
        assert downlink.noise.key == stream_key(1, "downlink_noise")


class TestWaveform:
    """`domain: time`."""

    def channel(self, domain, speed):
        return {"name": "tdl", "speed_mps": speed, "domain": domain, "carrier_hz": 28e9}

    def test_a_static_channel_is_a_product_per_element(self):
        errors = relative_errors(built(channel=self.channel("time", 0.0), **LOUD))
        assert np.all(errors < 1e-5)

    def test_a_moving_one_has_intercarrier_interference(self):
        moving = [
            relative_errors(built(channel=self.channel(domain, 100.0), **LOUD)).min()
            for domain in ("frequency", "time")
        ]
        assert moving[0] < 1e-8
        assert moving[1] > 1e-4


class TestPilots:
    @pytest.mark.parametrize("age_s", [None, 1e-3])
    def test_error_of_an_estimating_receiver(self, age_s):
        """h = h^ + e, |h^|^2 ~ v Exp(1), e of variance 1 - v: with x = (no + e_s (1 - v))/(e_s v)
        the relative error of LMMSE is x e^x E1(x). v = J0^2/(1 + s), s = 1/SNR of the pilots."""
        snr_db, doppler_hz, energy = 5.0, 100.0, 4000.0
        csi = {"name": "estimated", "pilot_snr_db": snr_db, "estimator": "lmmse",
               "interpolation": "nearest"}  # fmt: skip
        aging = 1.0
        if age_s is not None:
            csi |= {"name": "outdated", "age_s": age_s, "doppler_hz": doppler_hz}
            aging = special.j0(2 * np.pi * doppler_hz * age_s)
        downlink = built(channel=BLOCKS, csi=csi, power={"energy_per_round": energy})
        v = aging**2 / (1 + 10 ** (-snr_db / 10))
        symbol = energy / (SIZE / 2)
        x = (2 + symbol * (1 - v)) / (symbol * v)
        expected = x * np.exp(x) * special.exp1(x)
        within(relative_errors(downlink, 60), expected)

    def test_good_pilots_are_perfect_knowledge(self):
        fields = {"channel": "tdl", "power": {"energy_per_round": 500.0}}
        csi = {"name": "estimated", "pilot_snr_db": 100.0}
        downlink = built(csi=csi, **fields)
        transmission = downlink.receivers[0].transmission(
            tf.constant(3, tf.int64), tf.constant(0.0)
        )
        ones = tf.ones([SIZE // 2], tf.complex64)
        arriving, known, _ = downlink.receivers[0].receive(transmission, tf.constant(1), ones)
        np.testing.assert_allclose(known, arriving, atol=1e-4)

    def test_age_of_a_moving_channel(self):
        """E[h(t) h*(t - age)] = J0(2 pi f_d age)."""
        age_s, speed, carrier_hz = 2e-3, 20.0, 3.5e9
        csi = {"name": "outdated", "age_s": age_s, "pilot_snr_db": 60.0}
        channel = {"name": "tdl", "speed_mps": speed, "carrier_hz": carrier_hz}
        receiver = built(channel=channel, csi=csi).receivers[0]
        ones = tf.ones([SIZE // 2], tf.complex64)

        @tf.function(autograph=False)
        def product(t, worker):
            transmission = receiver.transmission(t, tf.constant(speed))
            h, known, _ = receiver.receive(transmission, worker, ones)
            return tf.reduce_mean(tf.math.real(h * tf.math.conj(known)))

        times = tf.range(300, dtype=tf.int64)
        samples = [product(t, tf.constant(k)) for t in times for k in range(WORKERS)]
        symbol_s = receiver.grid.symbol_duration_s
        turns = speed * carrier_hz / 299_792_458.0 * round(age_s / symbol_s) * symbol_s
        within(samples, special.j0(2 * np.pi * turns))

    def test_the_server_pays_for_one_pilot(self):
        """Two pilot symbols of 56 elements a slot of 14, of 10^(SNR/10) no each."""
        plain = built(channel="tdl").receivers[0]
        asked = built(channel="tdl", csi={"name": "estimated", "pilot_snr_db": 20.0}).receivers[0]
        assert (plain.pilot_energy, plain.grid.ofdm_symbols) == (0.0, 4)
        assert asked.pilot_energy == pytest.approx(2 * 56 * 100 * 2)
        assert asked.grid.ofdm_symbols == 12  # the second pilot is waited for


class TestRefused:
    @pytest.mark.parametrize(
        ("fields", "sentence"),
        [
            ({"csi": "none"}, "csi cannot be 'none'. Known: perfect, estimated, outdated"),
            ({"csi": "estimated", "ofdm": {"pilot_symbols": []}}, "csi estimated needs pilots"),
            ({"csi": "outdated", "channel": "rayleigh"}, "csi outdated needs doppler_hz"),
            ({"csi": {"name": "outdated", "doppler_hz": 5.0}}, "has a Doppler of its own"),
            ({"payload": "weights", "basis": "received"}, "training ends at chance"),
        ],
    )
    def test_with_a_sentence(self, fields, sentence):
        with pytest.raises(ValueError, match=sentence):
            lp.Downlink.from_config({"name": "broadcast", **fields})
