"""What each side knows: pilots, estimates, their age, and what imperfect knowledge costs."""

import importlib.util
import math

import numpy as np
import pytest
import tensorflow as tf
from paths import ROOT
from scipy import special

import laser_phy as lp
from laser_phy.channels.estimation import PilotEstimator
from laser_phy.channels.grid import resource_grid, round_grid
from laser_phy.phy.csi import RECEIVER_KINDS, TRANSMITTER_KINDS
from laser_phy.phy.pilots import Mobility

OFDM = lp.Ofdm(fft_size=64, guard_carriers=(4, 3), cyclic_prefix=8, dc_null=True)  # 56 carriers
TRUNCATED = {"name": "truncated_inversion", "threshold": 0.2}


def link(workers=4, reals=400, seed=1, energy=1e9, **fields):
    uplink = lp.Uplink.from_config(
        {
            "compressor": "identity",
            "channel": {"name": "rayleigh", "blocks": 56},
            "power": {"energy_per_round": energy},
            "ofdm": OFDM.to_config(),
            **fields,
        }
    )
    uplink.build([(reals,)], workers, seed)
    return uplink


def knowledge(uplink, rounds):
    """Channel behind the beam and what workers know of it, [round, worker, symbol]."""
    link_, symbols = uplink.links[0], uplink.layouts[0].symbols
    transmitter, channels = link_.transmitter, link_.channels

    @tf.function(autograph=False)
    def look(round_, worker):
        transmission = link_.transmission(round_, 0, uplink.mobility)
        sight = channels.response(transmission, worker)
        known = transmitter.csi(transmission, worker, sight)
        return transmitter.receiver.beam_gain(channels.used(sight)), known

    pairs = [
        [look(tf.constant(t, tf.int64), tf.constant(k)) for k in range(uplink.workers)]
        for t in range(rounds)
    ]
    pairs = np.array([[(h.numpy(), g.numpy()) for h, g in row] for row in pairs])
    return pairs[:, :, 0, :symbols], pairs[:, :, 1, :symbols]


def samples_within(samples, expected, deviations=5):
    """Mean of independent samples against `expected`, in standard errors."""
    samples = np.ravel(samples)
    error = np.std(samples, ddof=1) / math.sqrt(samples.size)
    assert abs(np.mean(samples) - expected) < deviations * error, (np.mean(samples), expected)


class TestEstimator:
    @pytest.mark.parametrize("interpolation", ["linear", "nearest"])
    @pytest.mark.parametrize("combs", [1, 4, 5])
    def test_equals_sionnas(self, interpolation, combs):
        """Least squares and interpolation over a slot, for every comb."""
        from sionna.phy.ofdm import (
            LinearInterpolator,
            LSChannelEstimator,
            NearestNeighborInterpolator,
            PilotPattern,
        )

        grid = round_grid(OFDM, 56 * 12, pilots=True)
        estimator = PilotEstimator(grid, np.arange(14), combs, interpolation)
        random = np.random.default_rng(0)
        y = random.normal(size=(2, 3, 14, 56))  # antenna, time, subcarrier
        y = (y[0] + 1j * y[1]).astype(np.complex64)
        for sender in range(combs):
            pilots = np.zeros((1, 1, 2, 56), np.complex64)
            pilots[..., sender::combs] = estimator.pilots[:, sender::combs]
            slot = resource_grid(OFDM, pilots=True)
            mask = np.zeros((1, 1, 14, 56), bool)
            mask[:, :, [2, 11]] = True
            slot.pilot_pattern = PilotPattern(mask, pilots.reshape(1, 1, -1))
            kind = {"linear": LinearInterpolator, "nearest": NearestNeighborInterpolator}
            sionna = LSChannelEstimator(slot, interpolator=kind[interpolation](slot.pilot_pattern))
            placed = np.zeros((1, 1, 3, 14, 64), np.complex64)
            placed[0, 0][..., np.asarray(slot.effective_subcarrier_ind)] = y
            expected, _ = sionna(tf.constant(placed), tf.constant(0.1))
            band = estimator.comb(tf.constant(y[:, [2, 11]]), sender)
            found = np.asarray(estimator(band, sender)).reshape(3, 14, 56)
            np.testing.assert_allclose(found, expected[0, 0, :, 0, 0], atol=2e-5)

    def test_too_many_workers_for_the_band(self):
        with pytest.raises(ValueError, match=r"workers must be <= 56 \(data subcarriers\)"):
            PilotEstimator(round_grid(OFDM, 56, pilots=True), np.arange(14), 57, "linear")


class TestErrors:
    """`nearest`, so that every element's error is that at a pilot."""

    @pytest.mark.parametrize("snr_db", [0.0, 10.0])
    @pytest.mark.parametrize("estimator", ["ls", "lmmse"])
    def test_receiver_estimate(self, snr_db, estimator):
        """LS: s2 / P. LMMSE: b s2 / (b P + s2), b = K for the sum of K channels."""
        workers, s2 = 4, 10 ** (-snr_db / 10)
        receiver = {"name": "estimated", "pilot_snr_db": snr_db, "estimator": estimator,
                    "interpolation": "nearest"}  # fmt: skip
        uplink = link(
            workers, 112, csi={"transmitter": "none", "receiver": receiver}, power_control="none"
        )
        link_ = uplink.links[0]
        messages = lp.compressors.Message(
            tf.ones([workers, 112]), tf.ones([workers, 1]), tf.ones([workers, 1])
        )

        @tf.function(autograph=False)
        def one(t):
            transmission = link_.transmission(t, 0, Mobility(tf.zeros([])))
            scaled = link_.scaling.scale(messages, tf.ones([1]), transmission, tf.ones([workers]))
            sums = link_.superposition(scaled)
            known = link_.csi.finish(transmission, sums.observed, tf.constant(float(workers)))
            looks = [link_.channels.response(transmission, tf.constant(k)) for k in range(workers)]
            truth = tf.add_n([link_.channels.used(sight)[:, :56] for sight in looks])
            return tf.square(tf.abs(known.total - truth))

        errors = [one(tf.constant(t, tf.int64)).numpy() for t in range(40)]
        expected = s2 if estimator == "ls" else workers * s2 / (workers + s2)
        samples_within(errors, expected)
        error = link_.csi.error(Mobility(0.0), float(workers))
        assert float(error) == pytest.approx(expected, rel=1e-5)

    def test_each_worker_from_its_comb(self):
        """Orthogonal pilots: a flat channel is known up to the noise of the nearest pilot."""
        receiver = {"name": "estimated", "pilot_snr_db": 10.0, "interpolation": "nearest"}
        uplink = link(
            4, 112, channel={"name": "rayleigh", "antennas": 3}, receiver="lmmse",
            csi={"transmitter": "none", "receiver": receiver}, power_control="none",
        )  # fmt: skip
        link_ = uplink.links[0]

        @tf.function(autograph=False)
        def one(t, k):
            transmission = link_.transmission(t, 0, Mobility(tf.zeros([])))
            sight = link_.channels.response(transmission, k)
            ones = tf.ones([len(link_.channels.sampling.used)], tf.complex64)
            known = link_.csi.of(transmission, k, sight, ones).total
            return tf.square(tf.abs(known - link_.channels.used(sight)[:, :56]))

        errors = [
            np.mean(one(tf.constant(t, tf.int64), tf.constant(k)))
            for t in range(60)
            for k in range(4)
        ]
        samples_within(errors, 0.1)


class TestImperfectTransmitters:
    """h = rho h^ + sqrt(1 - rho^2) e; a = h / h^ where |h^|^2 >= g."""

    G, SNR_DB = 0.2, 6.0

    def gains(self):
        csi = {"transmitter": {"name": "estimated", "pilot_snr_db": self.SNR_DB,
                               "interpolation": "nearest"}}  # fmt: skip
        uplink = link(4, 112, csi=csi, power_control=TRUNCATED)
        h, known = knowledge(uplink, 120)
        heard = np.abs(known) ** 2 >= self.G
        rho2 = 1 / (1 + 10 ** (-self.SNR_DB / 10))
        return uplink, h, known, np.where(heard, h / known, 0), rho2

    def test_moments_and_leakage(self):
        uplink, h, known, a, rho2 = self.gains()
        share, e1 = math.exp(-self.G), special.exp1(self.G)
        samples_within(np.abs(known) ** 2, 1.0)
        samples_within(np.real(h * known.conj()), math.sqrt(rho2))
        samples_within(np.real(a), math.sqrt(rho2) * share)
        samples_within(np.abs(a) ** 2, rho2 * share + (1 - rho2) * e1)
        samples_within(np.real(a) ** 2, rho2 * share + (1 - rho2) * e1 / 2)
        samples_within(np.imag(a) ** 2, (1 - rho2) * e1 / 2)  # into the other real of a symbol
        transmitter = uplink.links[0].transmitter
        assert float(transmitter.correlation(uplink.mobility)[1]) == pytest.approx(rho2, rel=1e-5)

    def test_decoded_mean_is_unbiased(self):
        """The server divides by K rho e^-g times the scale."""
        csi = {"transmitter": {"name": "estimated", "pilot_snr_db": 3.0}}
        uplink = link(4, 400, csi=csi, power_control=TRUNCATED)
        x = np.random.default_rng(0).normal(size=(4, 400)).astype(np.float32)
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        step = tf.function(lambda: uplink([x]), autograph=False)
        decoded = np.stack([np.asarray(step().gradients[0]) for _ in range(80)])
        truth = x.mean(axis=0)
        samples_within(decoded @ truth / (truth @ truth), 1.0)

    def test_good_pilots_are_perfect_knowledge(self):
        csi = {"transmitter": {"name": "estimated", "pilot_snr_db": 100.0}}
        h, known = knowledge(link(2, 112, csi=csi), 2)
        np.testing.assert_allclose(known, h, atol=1e-4)


class TestAge:
    def test_jakes_on_a_moving_channel(self):
        """E[h(t) h*(t - age)] = J0(2 pi f_d age), against a long trace of the channel itself."""
        age, speed, carrier = 2e-3, 20.0, 3.5e9
        csi = {"transmitter": {"name": "outdated", "age_s": age, "pilot_snr_db": 60.0}}
        channel = {"name": "tdl", "profile": "A", "speed_mps": speed, "carrier_hz": carrier}
        uplink = link(8, 112, channel=channel, csi=csi)
        link_ = uplink.links[0]
        lag = round(age / link_.grid.symbol_duration_s) * link_.grid.symbol_duration_s
        expected = special.j0(2 * np.pi * speed * carrier / 299_792_458.0 * lag)
        assert abs(expected) > 0.1
        h, known = knowledge(uplink, 150)
        products = np.mean(np.real(h * known.conj()), axis=-1)  # a realisation is one sample
        samples_within(products, expected)
        rho, rho2 = link_.transmitter.correlation(uplink.mobility)
        assert float(rho) == pytest.approx(expected, abs=1e-4)
        assert float(rho2) == pytest.approx(expected**2, abs=1e-4)

    def test_innovation_on_a_block_channel(self):
        csi = {"transmitter": {"name": "outdated", "age_s": 1e-3, "doppler_hz": 200.0,
                               "pilot_snr_db": 60.0}}  # fmt: skip
        h, known = knowledge(link(4, 112, csi=csi), 100)
        samples_within(np.real(h * known.conj()), special.j0(2 * np.pi * 0.2))
        samples_within(np.abs(known) ** 2, 1.0)

    @pytest.mark.parametrize("k_factor_db", [0.0, 60.0])
    def test_a_specular_wave_turns_and_does_not_fade(self, k_factor_db):
        """What is around it decorrelates as J0, it turns; old and new gains have one Rician law.

        E|h|^2 = 1 and E|h|^4 = (k^2 + 4 k + 2) / (k + 1)^2, which a second specular wave of its own
        phase would raise; and over directions E[h h_old*] = J0 for both parts.
        """
        csi = {"transmitter": {"name": "outdated", "age_s": 1e-3, "doppler_hz": 200.0,
                               "pilot_snr_db": 60.0}}  # fmt: skip
        uplink = link(4, 112, csi=csi, channel={"name": "rician", "k_factor_db": k_factor_db})
        h, known = (part[:, :, 0] for part in knowledge(uplink, 120))  # flat: one gain a round
        samples_within(np.real(h * known.conj()), special.j0(2 * np.pi * 0.2))
        if k_factor_db == 60:
            np.testing.assert_allclose(np.abs(known), 1, atol=1e-2)
        k = 10 ** (k_factor_db / 10)
        error = 5e-6 if k_factor_db == 60 else 0  # of the pilots, where nothing else scatters
        fourth = (k**2 + 4 * k + 2) / (k + 1) ** 2
        assert abs(np.mean(np.abs(known) ** 4) - fourth) < error + 5 * np.std(
            np.abs(known) ** 4
        ) / math.sqrt(known.size)

    def test_no_age_is_estimated(self):
        base = {"pilot_snr_db": 10.0}
        outdated = {"transmitter": {"name": "outdated", "age_s": 0.0, "doppler_hz": 50.0, **base}}
        estimated = {"transmitter": {"name": "estimated", **base}}
        pairs = [knowledge(link(2, 112, csi=csi), 2)[1] for csi in (outdated, estimated)]
        np.testing.assert_allclose(pairs[0], pairs[1], atol=1e-5)

    @pytest.mark.parametrize("channel", ["tdl", "tdl in time", "rayleigh"])
    def test_the_age_moves_without_retracing(self, channel):
        """Built for 2 ms; at 1 ms and 0 the correlation is that of 1 ms and 0, of one trace."""
        outdated = {"name": "outdated", "age_s": 2e-3, "pilot_snr_db": 60.0}
        fields = {"channel": {"name": "tdl", "speed_mps": 15.0}}
        if channel == "rayleigh":
            fields = {}
            outdated["doppler_hz"] = 15.0 * 3.5e9 / 299_792_458.0
        elif channel == "tdl in time":
            fields["channel"]["domain"] = "time"
        uplink = link(4, 112, csi={"transmitter": outdated}, **fields)
        link_, doppler_hz = uplink.links[0], 15.0 * 3.5e9 / 299_792_458.0
        transmitter, channels = link_.transmitter, link_.channels
        traces = []

        @tf.function(autograph=False)
        def product(t):
            traces.append(t)
            transmission = link_.transmission(t, 0, uplink.mobility)

            def of(worker):
                sight = channels.response(transmission, worker)
                h = transmitter.receiver.beam_gain(channels.used(sight))
                return tf.reduce_mean(tf.math.real(h * tf.math.conj(
                    transmitter.csi(transmission, worker, sight)))[:56])  # fmt: skip

            products = tf.map_fn(of, tf.range(4), fn_output_signature=tf.float32)
            return products, transmitter.correlation(uplink.mobility)[0]

        duration = uplink.links[0].grid.symbol_duration_s
        for age in (2e-3, 1e-3, 0.0):
            uplink.csi_age_s["transmitter"].assign(age)
            lag = age if channel == "rayleigh" else round(age / duration) * duration
            expected = special.j0(2 * np.pi * doppler_hz * lag)
            looks = [product(tf.constant(t, tf.int64)) for t in range(150)]
            samples_within([products for products, _ in looks], expected)
            assert float(looks[0][1]) == pytest.approx(expected, abs=1e-4)
        assert len(traces) == 1

    def test_old_looks_send_nothing(self):
        """In time, where a pilot's old place is that of data: a still channel, as in frequency."""
        x = np.random.default_rng(0).normal(size=(4, 400)).astype(np.float32)
        outdated = {"name": "outdated", "age_s": 4e-5, "pilot_snr_db": 80.0}
        decoded = []
        for domain in ("frequency", "time"):
            channel = {"name": "tdl", "speed_mps": 0.0, "domain": domain}
            uplink = link(4, 400, channel=channel, csi={"transmitter": outdated})
            times = uplink.links[0].channels.sampling.grid.times
            assert len(set(times)) < len(times)
            decoded.append(np.asarray(uplink([x]).gradients[0]))
        # The pulse of the time domain is cut off, which leaves about -35 dB.
        assert np.std(decoded[1] - decoded[0]) < 10 ** (-28 / 20) * np.std(decoded[0])

    def test_age_costs(self):
        """A moving channel at 30 m/s: the floor of the decoded error rises with the age."""
        x = np.random.default_rng(0).normal(size=(4, 400)).astype(np.float32)
        errors = []
        for age in (0.0, 1e-3):
            csi = {"transmitter": {"name": "outdated", "age_s": age, "pilot_snr_db": 40.0}}
            uplink = link(4, 400, channel={"name": "tdl", "speed_mps": 30.0}, csi=csi)
            step = tf.function(lambda uplink=uplink: uplink([x]).gradients[0], autograph=False)
            decoded = np.stack([np.asarray(step()) for _ in range(20)])
            errors.append(np.mean((decoded - x.mean(axis=0)) ** 2))
        assert errors[1] > 2 * errors[0]


class TestCost:
    def diagnostics(self, **fields):
        uplink = link(4, 400, energy=10.0, **fields)
        x = np.random.default_rng(0).normal(size=(4, 400)).astype(np.float32)
        seen = {k: float(v) for k, v in uplink([x]).diagnostics.items()}
        return uplink, seen

    def test_nothing_where_nobody_estimates(self):
        _, seen = self.diagnostics()
        assert seen["pilot_energy"] == seen["pilot_symbols"] == 0
        assert seen["energy_total"] == pytest.approx(4 * seen["energy_mean_worker"], rel=1e-5)

    @pytest.mark.parametrize(
        ("who", "server", "workers"),
        [("transmitter", 1, 0), ("sum", 0, 4), ("each", 0, 1), ("both", 1, 1), ("aligned", 1, 0)],
    )
    def test_who_pays(self, who, server, workers):
        """One downlink pilot; K orthogonal uplink pilots on one band; one common pilot from all.

        What goes by the law, as a receiver that adds up what is aligned, sends none.
        """
        pilots = {"name": "estimated", "pilot_snr_db": 13.0}
        fields = {
            "transmitter": {"csi": {"transmitter": pilots}},
            "sum": {"csi": {"transmitter": "none", "receiver": pilots}, "power_control": "none"},
            "each": {"csi": {"transmitter": "none", "receiver": pilots}, "power_control": "none",
                     "receiver": "lmmse"},
            "both": {"csi": {"transmitter": pilots, "receiver": pilots},
                     "receiver": "lmmse"},
            "aligned": {"csi": {"transmitter": pilots, "receiver": pilots},
                        "receiver": {"name": "scale", "debias": "mmse"}},
        }[who]  # fmt: skip
        uplink, seen = self.diagnostics(**fields)
        one = 2 * 56 * 2 * 10**1.3  # 2 pilot symbols of 56 elements, no = 2, 13 dB
        assert seen["pilot_energy_server"] == pytest.approx(server * one, rel=1e-5)
        assert 4 * seen["pilot_energy_worker"] == pytest.approx(workers * one, rel=1e-5)
        assert seen["pilot_energy"] == pytest.approx((server + workers) * one, rel=1e-5)
        data = 4 * seen["energy_mean_worker"]
        assert seen["energy_total"] == pytest.approx(data + seen["pilot_energy"], rel=1e-5)
        sides = 1 + (who == "both")
        assert seen["pilot_symbols"] == 2 * sides
        # 200 symbols are 4 OFDM symbols; the slot ends with its last pilot, symbol 11
        duration = 1e3 * uplink.settings.ofdm.symbol_duration_s
        assert seen["air_time_ms"] == pytest.approx((12 + 2 * (sides - 1)) * duration, rel=1e-5)


SETTINGS = {
    "perfect": "perfect",
    "estimated": {"name": "estimated", "pilot_snr_db": 10.0},
    "outdated": {"name": "outdated", "age_s": 5e-4},
    "phase": "phase",
    "statistical": "statistical",
    "none": "none",
}


@pytest.mark.parametrize("receiver", [kind.model_fields["name"].default for kind in RECEIVER_KINDS])
@pytest.mark.parametrize(
    "transmitter", [kind.model_fields["name"].default for kind in TRANSMITTER_KINDS]
)
def test_every_pair_runs_or_is_refused_with_a_way_out(transmitter, receiver):
    """The transmitters' rule is the best that their knowledge allows."""
    rules = {"phase": "phase", "statistical": "none", "none": "none"}
    fields = {
        "compressor": "identity",
        "channel": {"name": "tdl", "speed_mps": 30.0},
        "ofdm": OFDM.to_config(),
        "csi": {"transmitter": SETTINGS[transmitter], "receiver": SETTINGS[receiver]},
        "power_control": rules.get(transmitter, "truncated_inversion"),
    }
    blind = transmitter in ("statistical", "none") and receiver in ("statistical", "none")
    if blind:
        with pytest.raises(lp.SettingsError, match="only receiver energy makes sense"):
            lp.Uplink.from_config(fields)
        fields["receiver"] = "energy"
    uplink = lp.Uplink.from_config(fields)
    uplink.build([(200,)], 3, 1)
    x = np.random.default_rng(0).normal(size=(3, 200)).astype(np.float32)
    seen = uplink([x])
    assert np.isfinite(np.asarray(seen.gradients[0])).all()


@pytest.mark.parametrize("knows", ["perfect", "estimated"])
def test_lmmse_hears_precoded_workers(knows):
    """Uplink pilots are precoded as data is: the receiver learns h b of every worker."""
    uplink = link(
        3, 200, channel={"name": "rayleigh", "antennas": 4}, receiver="lmmse",
        csi={"receiver": {"name": knows, "pilot_snr_db": 60.0} if knows == "estimated" else knows},
        power_control="phase",
    )  # fmt: skip
    x = np.random.default_rng(0).normal(size=(3, 200)).astype(np.float32)
    seen = uplink([x]).diagnostics
    assert float(seen["gradient_nmse_db"]) < -20


class TestRefusals:
    @pytest.mark.parametrize(
        ("fields", "sentence"),
        [
            (
                {"csi": {"transmitter": "outdated"}},
                "csi.transmitter outdated needs doppler_hz (Hz) on channel 'rayleigh'",
            ),
            (
                {
                    "channel": "tdl",
                    "csi": {"transmitter": {"name": "outdated", "doppler_hz": 3.0}},
                },
                "has doppler_hz 3 (Hz), but channel 'tdl' has a Doppler of its own. Remove it",
            ),
            (
                {"csi": {"transmitter": "estimated"}, "ofdm": {"pilot_symbols": []}},
                "csi.transmitter estimated needs pilots; got ofdm.pilot_symbols []. Write",
            ),
            (
                {"csi": {"receiver": "estimated"},
                 "receiver": {"name": "scale", "normalize": "active"}},
                "csi.receiver perfect; got estimated. Write normalize: mean.",
            ),
            (
                {"csi": {"receiver": "statistical"}, "receiver": "lmmse"},
                "receiver 'lmmse' needs to know every worker's channel; got csi.receiver "
                "statistical.",
            ),
        ],
    )  # fmt: skip
    def test_sentences(self, fields, sentence):
        fields = {"compressor": "identity", "channel": "rayleigh", **fields}
        with pytest.raises(lp.SettingsError) as refusal:
            lp.Uplink.from_config(fields)
        assert sentence in str(refusal.value)


@pytest.fixture(scope="module")
def csi_table():
    """docs/csi_table.py, which makes the table of the docs."""
    path = ROOT / "docs" / "csi_table.py"
    spec = importlib.util.spec_from_file_location("csi_table", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("transmitter", "receiver", "name", "antennas", "speed"),
    [
        pytest.param("perfect", "none", "unbiased", 1, 1.0, marks=pytest.mark.long),
        ("estimated", "none", "unbiased", 1, 30.0),
        pytest.param("phase", "none", "unbiased", 4, 1.0, marks=pytest.mark.long),
        pytest.param("none", "perfect", "blind", 16, 1.0, marks=pytest.mark.long),
        pytest.param("none", "none", "energy", 1, 1.0, marks=pytest.mark.long),
        pytest.param("perfect", "estimated", "least error", 1, 1.0, marks=pytest.mark.long),
        pytest.param("none", "estimated", "blind", 16, 1.0, marks=pytest.mark.long),
    ],
)
def test_the_table_agrees_with_its_formulas(
    csi_table, transmitter, receiver, name, antennas, speed
):
    """At all three SNRs, in one graph: rounds are independent samples."""
    scheme = dict(csi_table.schemes(transmitter, receiver))[name]
    uplink = csi_table.build(transmitter, receiver, antennas, speed, scheme)
    found, x = csi_table.samples(uplink, 30), csi_table.messages()
    for snr_db, values in zip(csi_table.SNRS_DB, found, strict=True):
        expected = csi_table.formula(uplink, name, snr_db, x)
        samples_within(values, 10 ** (expected / 10))
