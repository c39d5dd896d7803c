"""The chain on its own: decoded noise, energies, limits, randomness, state."""

import itertools
import math

import numpy as np
import pytest
import tensorflow as tf

import laser_phy as lp
from laser_phy.core.constants import CONTROL_ENERGY_PER_BIT
from laser_phy.power import ALLOCATIONS as KINDS
from laser_phy.power import mean_shares
from laser_phy.uplink.diagnostics import NAMES

SHAPES = [(30, 20), (30, 20), (7,)]
FADING = [{"name": "rayleigh", "blocks": 16}, {"name": "tdl", "speed_mps": 30.0}]


def random_gradients(workers, shapes=SHAPES, seed=0):
    random = np.random.default_rng(seed)
    return [random.normal(size=(workers, *s)).astype(np.float32) for s in shapes]


def link(workers=5, seed=1, shapes=SHAPES, **fields):
    fields = {"compressor": "identity", "channel": "awgn", **fields}
    uplink = lp.Uplink.from_config(fields)
    uplink.build(shapes, workers, seed)
    return uplink


def run_rounds(uplink, stacked, rounds, *names):
    """Diagnostics `names` of `rounds` rounds of the same gradients, in one graph: [round, name]."""
    stacked = [tf.constant(tensor) for tensor in stacked]

    @tf.function(autograph=False)
    def many():
        def body(t, rows):
            diagnostics = uplink(stacked).diagnostics
            return t + 1, rows.write(t, tf.stack([diagnostics[name] for name in names]))

        rows = tf.TensorArray(tf.float32, rounds)
        return tf.while_loop(lambda t, _: t < rounds, body, (0, rows))[1].stack()

    return many().numpy().astype(np.float64)


def decoded_errors(uplink, stacked, rounds):
    """Decoded minus true mean, a list of arrays [round, *shape]."""
    stacked = [tf.constant(tensor) for tensor in stacked]
    step = tf.function(lambda: uplink(stacked).gradients, autograph=False)
    decoded = [[g.numpy() for g in step()] for _ in range(rounds)]
    return [
        np.stack(one).astype(np.float64) - np.mean(tensor, axis=0, dtype=np.float64)
        for one, tensor in zip(zip(*decoded, strict=True), stacked, strict=True)
    ]


def norms(stacked):
    """[worker, block] norms."""
    return np.stack([np.linalg.norm(t.reshape(len(t), -1), axis=1) for t in stacked], axis=1)


class TestDecodedNoise:
    @pytest.mark.parametrize("allocation", ["uniform", "norm", "squared_norm", "compressed_norm"])
    def test_awgn_law(self, allocation):
        """Standard deviation c_j / (K sqrt(p_j)), for every block and allocation."""
        workers, budget, rounds = 5, 50.0, 2000 if allocation == "compressed_norm" else 400
        stacked = random_gradients(workers)
        uplink = link(power={"energy_per_round": budget, "allocation": allocation})
        errors = decoded_errors(uplink, stacked, rounds)
        c = norms(stacked)
        p = budget * mean_shares(KINDS.kinds[allocation](), c.astype("f"), c.astype("f")).numpy()
        assert p.sum() == pytest.approx(budget, rel=1e-6)
        for j, error in enumerate(errors):
            expected = c[:, j].max() / (workers * math.sqrt(p[j]))
            # the sample deviation of n normals scatters by 1/sqrt(2 n)
            assert error.std() == pytest.approx(expected, rel=5 / math.sqrt(2 * error.size))
            assert abs(error.mean()) < 5 * expected / math.sqrt(error.size)

    def test_antennas_add_up(self):
        """M antennas without fading: M times the signal energy after combining, so 1/sqrt(M)."""
        stacked = random_gradients(5)
        one = np.concatenate([e.ravel() for e in decoded_errors(link(), stacked, 100)])
        antennas = {"name": "awgn", "antennas": 4}
        four = np.concatenate(
            [e.ravel() for e in decoded_errors(link(channel=antennas), stacked, 100)]
        )
        assert four.std() / one.std() == pytest.approx(0.5, rel=5 / math.sqrt(one.size))

    def test_truncated_inversion_noise(self):
        """c sqrt(E1(g)) e^g / (K sqrt(p)) a real, on top of what truncation loses."""
        from scipy.special import exp1

        workers, g, budget, rounds = 4, 0.3, 2.0, 300
        stacked = random_gradients(workers, [(400,)])
        fields = {
            "power_control": {"name": "truncated_inversion", "threshold": g},
            "channel": {"name": "rayleigh", "blocks": 400},
        }
        errors = [
            np.sum(decoded_errors(link(shapes=[(400,)], workers=workers, power={
                "energy_per_round": p}, **fields), stacked, rounds)[0] ** 2, axis=1)
            for p in (budget, 1e12)
        ]  # fmt: skip
        c = norms(stacked).max()
        expected = 400 * (c * math.sqrt(exp1(g)) * math.exp(g) / (workers * math.sqrt(budget))) ** 2
        excess = errors[0] - errors[1]  # same channels: what noise adds
        assert excess.mean() == pytest.approx(expected, abs=5 * excess.std() / math.sqrt(rounds))

    def test_truncation_floor(self):
        """Without noise truncated inversion errs by (e^g - 1) mean|x|^2 / K."""
        workers, g, rounds = 4, 0.5, 400
        stacked = random_gradients(workers, [(400,)])
        uplink = link(
            workers,
            shapes=[(400,)],
            power={"energy_per_round": 1e14},
            power_control={"name": "truncated_inversion", "threshold": g},
            channel={"name": "rayleigh", "blocks": 400},
        )
        energy = np.sum(decoded_errors(uplink, stacked, rounds)[0] ** 2, axis=1)
        floor = math.expm1(g) * np.sum(np.mean(stacked[0] ** 2, axis=0)) / workers
        assert energy.mean() == pytest.approx(floor, abs=5 * energy.std() / math.sqrt(rounds))

    def test_normalize_active_hears_nobody_as_zero(self):
        """`active` divides by who was heard: identical messages come back exactly, or as zero."""
        stacked = [np.repeat(random_gradients(1, [(400,)])[0], 3, axis=0)]
        uplink = link(
            3,
            shapes=[(400,)],
            power={"energy_per_round": 1e14},
            power_control={"name": "truncated_inversion", "threshold": 1.0},
            channel={"name": "rayleigh", "blocks": 100},
            receiver={"name": "scale", "normalize": "active"},
        )
        decoded = uplink([tf.constant(stacked[0])]).gradients[0].numpy()
        zero = np.abs(decoded) < 1e-4
        np.testing.assert_allclose(decoded[~zero], stacked[0][0][~zero], rtol=1e-3, atol=1e-4)
        share = (1 - math.exp(-1)) ** 3  # nobody sends; 100 blocks, two reals a symbol
        assert zero.mean() == pytest.approx(share, abs=5 * math.sqrt(share * (1 - share) / 100))


class TestNoiseless:
    @pytest.mark.parametrize("compressor", ["identity", {"name": "laser", "rank": 2}])
    @pytest.mark.parametrize(
        ("channel", "rule"),
        [("awgn", "none"), ("rayleigh", "inversion"), ("tdl", "inversion")],
    )
    def test_infinite_budget_is_the_noiseless_scheme(self, compressor, channel, rule):
        stacked = random_gradients(4)
        power = {"energy_per_round": 1e16, "budget": "round"}
        noisy = link(4, compressor=compressor, channel=channel, power_control=rule, power=power)
        clean = link(4, compressor=compressor, channel="ideal")
        for _ in range(4):
            for a, b in zip(noisy(stacked).gradients, clean(stacked).gradients, strict=True):
                np.testing.assert_allclose(a, b, atol=2e-4)

    def test_identity_on_ideal_is_the_mean(self):
        stacked = random_gradients(5)
        aggregate = link(channel="ideal")(stacked)
        for decoded, tensor in zip(aggregate.gradients, stacked, strict=True):
            np.testing.assert_allclose(decoded, tensor.mean(axis=0), atol=1e-6)
        assert aggregate.diagnostics["gradient_nmse_db"] < -120


RULES = ["none", "inversion", "truncated_inversion"]
COMPRESSORS = ["identity", {"name": "laser", "rank": 2}]
ALLOCATIONS = ["uniform", "norm", "squared_norm", "compressed_norm"]
CASES = [
    # every compressor, channel and rule; the allocations go round
    (compressor, ALLOCATIONS[i % 4], channel, rule)
    for i, (compressor, channel, rule) in enumerate(
        itertools.product(COMPRESSORS, ["ideal", "awgn", *FADING], RULES)
    )
    if not (isinstance(channel, str) and rule != "none")  # nothing to control without fading
]


def assert_within_budget(case, rounds):
    compressor, allocation, channel, rule = case
    uplink = link(
        3,
        compressor=compressor,
        channel=channel,
        power_control=rule,
        power={"energy_per_round": 7.0, "allocation": allocation, "budget": "round"},
    )
    stacked = random_gradients(3)
    stacked[0][1] *= 10  # a loud worker
    energy = run_rounds(uplink, stacked, rounds, "energy_max_worker", "energy_mean_worker")
    assert energy[:, 0].max() <= 7.0 * (1 + 1e-5)
    assert energy[:, 0].min() > 0.5  # it does spend something


def assert_mean_is_budget(compressor, allocation, channel, rounds):
    rule = {"name": "truncated_inversion", "threshold": 0.3}
    uplink = link(
        3,
        compressor=compressor,
        channel=channel,
        power_control=rule,
        power={"energy_per_round": 7.0, "allocation": allocation, "budget": "mean"},
    )
    stacked = [np.repeat(t, 3, axis=0) for t in random_gradients(1)]  # equal norms
    energy = run_rounds(uplink, stacked, rounds, "energy_mean_worker")[:, 0]
    assert energy.mean() == pytest.approx(7.0, abs=5 * energy.std() / math.sqrt(rounds) + 1e-5)


class TestEnergy:
    @pytest.mark.parametrize("case", CASES, ids=str)
    def test_round_budget_is_never_exceeded(self, case):
        assert_within_budget(case, 64)

    @pytest.mark.parametrize("channel", ["ideal", "awgn", *FADING], ids=str)
    @pytest.mark.parametrize("compressor", COMPRESSORS, ids=str)
    def test_mean_budget_is_met_on_average(self, compressor, channel):
        assert_mean_is_budget(compressor, "compressed_norm", channel, 64)

    @pytest.mark.long
    @pytest.mark.parametrize("allocation", ALLOCATIONS)
    @pytest.mark.parametrize("channel", ["ideal", "awgn", *FADING], ids=str)
    @pytest.mark.parametrize("compressor", COMPRESSORS, ids=str)
    def test_both_budgets_over_a_thousand_rounds(self, compressor, channel, allocation):
        rules = ["none"] if isinstance(channel, str) else RULES
        for rule in rules:
            assert_within_budget((compressor, allocation, channel, rule), 1000)
        assert_mean_is_budget(compressor, allocation, channel, 1000)

    def test_mean_budget_may_exceed_a_single_round(self):
        """What the two budgets are about: `mean` goes over in some rounds."""
        stacked = [np.repeat(t, 3, axis=0) for t in random_gradients(1)]
        uplink = link(3, channel="rayleigh", power={"energy_per_round": 7.0, "budget": "mean"})
        assert run_rounds(uplink, stacked, 64, "energy_max_worker").max() > 7.0

    def test_snr_db_is_energy_per_symbol_over_noise(self):
        uplink = link(compressor={"name": "laser", "rank": 2}, power={"snr_db": 10.0})
        symbols = np.mean([layout.symbols for layout in uplink.layouts])
        assert uplink.energy_budget == pytest.approx(10 * 2 * symbols)

    def test_energy_is_a_variable(self):
        """Schedules change it without a retrace."""
        uplink, traces = link(), []
        stacked = [tf.constant(t) for t in random_gradients(5)]

        @tf.function(autograph=False)
        def step():
            traces.append(1)
            return uplink(stacked).diagnostics["energy_max_worker"]

        before = float(step())
        uplink.energy.assign(4 * uplink.energy)
        assert float(step()) == pytest.approx(4 * before, rel=1e-5)
        assert len(traces) == 1


class TestRandomness:
    def test_noise_is_independent_from_round_to_round(self):
        """Lags 0 to 12, aligned and shifted: a counter in the wrong word shows as a shift."""
        noise, n = link().noise, 4096
        zeros = tf.zeros([1, n], tf.complex64)
        draws = np.stack([noise.add(zeros, tf.constant(t, tf.int64)).numpy()[0] for t in range(14)])
        assert np.var(draws) == pytest.approx(2.0, rel=5 / math.sqrt(draws.size))
        for lag, shift in itertools.product(range(13), range(-16, 17)):
            if lag == shift == 0:
                continue
            a, b = draws[0], np.roll(draws[lag], shift)
            # a mean of n products of unit complex normals has deviation 1/sqrt(n)
            correlation = abs(np.vdot(a, b)) / (2 * n)
            assert correlation < 5 / math.sqrt(n), (lag, shift)

    def test_same_seed_same_numbers(self):
        stacked = random_gradients(5)
        first, again, other = (link(seed=s)(stacked).gradients[0].numpy() for s in (3, 3, 4))
        np.testing.assert_array_equal(first, again)
        assert np.abs(first - other).max() > 1e-3

    def test_streams_are_independent(self):
        from laser_phy.core.random_streams import STREAMS, stream_key

        keys = {stream_key(seed, name) for seed in range(100) for name in STREAMS}
        assert len(keys) == 100 * len(STREAMS)
        with pytest.raises(ValueError, match=r"stream must be one of data, .*; got 'fog'"):
            stream_key(1, "fog")

    def test_graph_equals_eager(self):
        stacked = [tf.constant(t) for t in random_gradients(5)]
        fields = {"channel": "tdl", "compressor": {"name": "laser", "rank": 2}}
        eager, graph = link(**fields), link(**fields)
        step = tf.function(lambda: graph(stacked).gradients, autograph=False)
        for _ in range(3):
            for a, b in zip(eager(stacked).gradients, step(), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


class TestInterface:
    def test_one_line_call_is_encode_and_receive(self):
        stacked = random_gradients(3)
        fields = {"compressor": {"name": "laser", "rank": 2}, "channel": "rayleigh"}
        one, two = link(3, **fields), link(3, **fields)
        for _ in range(3):
            expected = one(stacked)
            messages = [two.encode(tf.constant(k), [t[k] for t in stacked]) for k in range(3)]
            aggregate = two.receive(tf.nest.map_structure(lambda *x: tf.stack(x), *messages))
            for a, b in zip(expected.gradients, aggregate.gradients, strict=True):
                np.testing.assert_array_equal(a, b)

    def test_diagnostics_have_what_is_promised(self):
        tensors = link()(random_gradients(5)).diagnostics
        assert set(NAMES) <= set(tensors)
        assert all(tensor.shape == () for tensor in tensors.values())
        diagnostics = {name: float(tensor) for name, tensor in tensors.items()}
        assert diagnostics["symbols_per_round"] == (1207 + 1) // 2
        # 604 symbols on 478 data subcarriers are two OFDM symbols of 548 samples at 15.36 MHz
        assert diagnostics["air_time_ms"] == pytest.approx(1e3 * 2 * 548 / 15.36e6)
        assert diagnostics["control_bytes_per_round"] == 4 * 3 * (5 + 1)
        assert pytest.approx(2 * math.log(2)) == CONTROL_ENERGY_PER_BIT

    def test_zero_gradients_are_zero_and_not_nan(self):
        stacked = random_gradients(3)
        stacked[1][:] = 0
        for compressor in COMPRESSORS:
            uplink = link(3, compressor=compressor, channel="tdl", power={"energy_per_round": 10})
            for _ in range(3):
                decoded = uplink(stacked).gradients
                assert np.all(decoded[1] == 0)
                assert np.all(np.isfinite(decoded[0]))
                assert np.any(decoded[0] != 0)

    def test_all_zero(self):
        uplink = link(3, channel="tdl")
        aggregate = uplink([np.zeros_like(t) for t in random_gradients(3)])
        assert all(np.all(g == 0) for g in aggregate.gradients)
        assert aggregate.diagnostics["energy_max_worker"] == 0
        assert np.isfinite(aggregate.diagnostics["uplink_snr_db"])

    def test_config_round_trip(self):
        uplink = lp.Uplink(
            compressor=lp.compressors.Laser(rank=3),
            power=lp.Power(energy_per_round=7.0, budget="round"),
            channel=lp.channels.Tdl(profile="C", speed_mps=30.0),
            power_control=lp.power_control.Inversion(),
        )
        again = lp.Uplink.from_config(uplink.get_config())
        assert again.settings == uplink.settings

    def test_keys_left_out_have_the_defaults(self):
        settings = lp.Uplink.from_config({"compressor": {"name": "identity"}}).settings
        assert settings.channel == lp.channels.Tdl()
        assert settings.power.energy(10) == 100.0

    def test_snapshot_shows_truncated_inversion(self):
        uplink = link(3, channel={"name": "tdl", "profile": "C", "delay_spread_s": 300e-9})
        picture = uplink.snapshot(round=1)
        assert picture["gain_db"].shape == picture["power_db"].shape == (3, 478)
        assert picture["subcarrier"][[0, -1]].tolist() == [-239, 239]
        silent = picture["truncated"]
        np.testing.assert_array_equal(silent, picture["gain_db"] < -10)  # threshold 0.1
        product = (picture["gain_db"] + picture["power_db"])[~silent]
        np.testing.assert_allclose(product, product[0], atol=1e-3)

    def test_wrong_shapes_are_named(self):
        with pytest.raises(ValueError, match=r"stacked must be tensors of shapes .*\(5, 30, 20\)"):
            link()([t[:4] for t in random_gradients(5)])

    @pytest.mark.parametrize(
        ("fields", "sentence"),
        [
            ({"csi": {"transmitter": "none", "receiver": "none"}}, "none on both sides"),
            ({"csi": {"transmitter": "none"}}, "needs to know the channel"),
            ({"power_control": "none", "csi": {"receiver": "none"}}, "a random phase"),
            ({"power_control": "inversion"}, "no mean power"),
            (
                {"power_control": {"name": "truncated_inversion", "threshold": 0.0}},
                "threshold must be > 0",
            ),
            (
                {"receiver": {"name": "scale", "normalize": "active"}, "csi": {"receiver": "none"}},
                "normalize: active counts who was heard",
            ),
        ],
    )
    def test_impossible_combinations_are_refused(self, fields, sentence):
        with pytest.raises(ValueError, match=sentence):
            lp.Uplink.from_config({"compressor": "identity", "channel": "rayleigh", **fields})
        if "receiver" not in fields:  # nothing needs knowing without fading
            lp.Uplink.from_config({"compressor": "identity", "channel": "awgn", **fields})
