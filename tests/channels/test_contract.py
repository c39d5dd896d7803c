"""The contract of every channel. A new kind is one line in `CASES`, and inherits every test."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import tensorflow as tf

import laser_phy as lp
from laser_phy.channels import KINDS, Awgn, Cdl, Cir, Ideal, Rayleigh, Rician, Tdl, Uma, Umi
from laser_phy.channels.gain_law import Constant, Empirical
from laser_phy.channels.grid import round_grid
from laser_phy.phy.ofdm import Ofdm

CASES = {
    "ideal": Ideal(antennas=2),
    "awgn": Awgn(antennas=2),
    "rayleigh flat": Rayleigh(antennas=2),
    "rayleigh blocks": Rayleigh(blocks=4),
    "rician flat": Rician(k_factor_db=3.0, antennas=2),
    "rician blocks": Rician(k_factor_db=0.0, blocks=4),
    "tdl A": Tdl(profile="A", delay_spread_s=1e-6),
    "tdl D, 3 antennas": Tdl(profile="D", antennas=3, speed_mps=30.0),
    "cdl B": Cdl(profile="B", delay_spread_s=1e-6),
    "cdl E, 4 antennas": Cdl(profile="E", antennas=4, rows=2, delay_spread_s=300e-9),
    "umi": Umi(),
    "uma, 2 antennas": Uma(antennas=2, indoor_probability=0.5, speed_mps=10.0),
    "cir": Cir(),
    "cir, random, 2 antennas": Cir(antennas=2, assignment="random"),
}
FADING = {name: case for name, case in CASES.items() if case.fading}
WORKERS = 4
ROUNDS = 600
KEY = 1234
LAGS = range(13)
OFDM = Ofdm(fft_size=64, cyclic_prefix=8, guard_carriers=(3, 2), slot_symbols=7, pilot_symbols=(2,))
GRID = round_grid(OFDM, 58 * 3)

LONG = {"uma, 2 antennas"}  # the code of umi, which traces for seconds
MARKED = {name: pytest.param(name, marks=[pytest.mark.long] * (name in LONG)) for name in CASES}

every = pytest.mark.parametrize("case", MARKED.values())
every_fading = pytest.mark.parametrize("case", [MARKED[name] for name in FADING])
moving = pytest.mark.parametrize("case", [MARKED[name] for name, c in FADING.items() if c.moves])


@cache
def fading_of(case: str, key: int = KEY):
    return CASES[case].build(GRID, key, WORKERS)


def speed_of(case: str) -> float:
    return getattr(CASES[case], "speed_mps", 0.0)


def response(fading, realisation: int, worker: int, speed: float) -> np.ndarray:
    state = fading.draw(tf.constant(realisation, tf.int64), tf.constant(speed))
    return fading.response(state, tf.constant(worker)).numpy()


@cache
def trace(case: str) -> np.ndarray:
    """[round, worker, antenna, element] of a few elements, spread over the band and the round."""
    fading, speed = fading_of(case), speed_of(case)
    elements = np.linspace(0, GRID.elements - 1, 7).astype(int)

    @tf.function
    def of_round(realisation):
        state = fading.draw(realisation, speed)
        return tf.map_fn(
            lambda worker: tf.gather(fading.response(state, worker), elements, axis=1),
            tf.range(WORKERS),
            fn_output_signature=tf.complex64,
        )

    return np.stack([of_round(tf.constant(r, tf.int64)).numpy() for r in range(ROUNDS)])


def mean_and_error(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean over rounds, which are independent, and its standard error; the first axis is rounds."""
    return samples.mean(axis=0), samples.std(axis=0, ddof=1) / np.sqrt(len(samples))


def test_every_kind_has_a_case():
    traced_elsewhere = {"Site"}  # a recording once traced: the code of cir
    missing = {kind.__name__ for kind in KINDS} - {type(case).__name__ for case in CASES.values()}
    missing -= traced_elsewhere
    assert not missing


@every
def test_shape_and_dtype(case):
    h = response(fading_of(case), 0, 1, speed_of(case))
    assert h.shape == (CASES[case].antennas, GRID.elements)
    assert h.dtype == np.complex64
    assert np.isfinite(h).all()


@every
def test_settings_survive_a_round_trip(case):
    settings = CASES[case]
    assert type(settings).from_config(settings.to_config()) == settings


@every_fading
def test_response_is_a_pure_function(case):
    fading, speed = fading_of(case), speed_of(case)
    first = response(fading, 7, 2, speed)
    others = [response(fading, *pair, speed) for pair in ((7, 1), (6, 2), (8, 2))]
    others.append(response(fading_of(case, KEY + 1), 7, 2, speed))
    np.testing.assert_array_equal(response(fading, 7, 2, speed), first)
    for other in others:
        assert np.abs(other - first).max() > 0.01


@every_fading
def test_eager_and_graph_agree(case):
    fading, speed = fading_of(case), speed_of(case)

    @tf.function
    def in_graph(realisation, worker):
        return fading.response(fading.draw(realisation, speed), worker)

    graph = in_graph(tf.constant(5, tf.int64), tf.constant(3)).numpy()
    np.testing.assert_allclose(graph, response(fading, 5, 3, speed), atol=2e-5)


@every_fading
def test_rounds_are_independent_at_lags_0_to_12(case):
    """Correlations of gains and of powers, over workers and rounds: five standard errors."""
    gains = trace(case)[:, :, 0, 0].astype(complex)  # round, worker
    gains /= np.sqrt(np.mean(np.abs(gains) ** 2, axis=0))
    powers = np.abs(gains) ** 2 - np.mean(np.abs(gains) ** 2, axis=0)
    for lag in LAGS:
        for shift in range(WORKERS):
            if lag == shift == 0:
                continue
            for values in (gains, powers):
                moved = np.roll(values, shift, axis=1)
                product = (values[lag:] * np.conj(moved[: ROUNDS - lag])).ravel()
                error = np.sqrt(np.mean(np.abs(product) ** 2) / product.size)
                assert np.abs(product.mean()) < 5 * error, (lag, shift)


@every
def test_powers(case):
    fading = fading_of(case)
    powers = np.array(fading.powers())
    assert powers.shape == (WORKERS,)
    assert powers.mean() == pytest.approx(1)
    mean, error = mean_and_error((np.abs(trace(case)) ** 2).mean(axis=(2, 3)))  # round, worker
    assert (np.abs(mean - powers) <= 5 * error + 1e-6).all()


def own_error(law, f, g: float) -> float:
    """Standard error of a simulated law: its draws are independent, samples within one are not."""
    if not isinstance(law, Empirical):
        return 0.0
    return mean_and_error(np.where(law.samples >= g, f(law.samples), 0).mean(axis=1))[1]


LAW_CHECKS = {
    "share": np.ones_like,
    "mean": lambda s: s,
    "root": np.sqrt,
    "inverse": np.reciprocal,
}


@every
def test_laws_agree_with_simulation(case):
    fading, antennas = fading_of(case), CASES[case].antennas
    laws = fading.laws()
    assert len(laws) == WORKERS
    gains = np.abs(trace(case).sum(axis=2) / np.sqrt(antennas)) ** 2  # round, worker, element
    if not CASES[case].fading:
        assert laws == [Constant(float(antennas))] * WORKERS
        np.testing.assert_allclose(gains, antennas, rtol=1e-6)
        return
    for worker, law in enumerate(laws):
        s = gains[:, worker]
        for g in (0.1 * law.mean, law.mean):
            for name, f in LAW_CHECKS.items():
                mean, error = mean_and_error(np.where(s >= g, f(s), 0).mean(axis=1))
                value = law.expect(f, g)
                # Where misses are rare the sample may hold none: its error is at least the law's,
                # were all elements independent.
                variance = max(0.0, law.expect(lambda s, f=f: f(s) ** 2, g) - value**2)
                error = max(error, np.sqrt(variance / s.size))
                assert abs(mean - value) <= 5 * np.hypot(error, own_error(law, f, g)) + 1e-6, name
            assert law.probability(g) == pytest.approx(law.expect(np.ones_like, g), rel=1e-5)
            assert law.mean_inverse(g) == pytest.approx(law.expect(np.reciprocal, g), rel=1e-5)
        assert law.mean == pytest.approx(law.expect(lambda s: s), rel=1e-5)


@every
def test_settings_law_is_the_law_of_all(case):
    law = CASES[case].law
    if law is not None:
        assert fading_of(case).laws() == [law] * WORKERS
    if not CASES[case].fading:
        assert law == Constant(float(CASES[case].antennas))


@pytest.mark.parametrize("channel", [Rayleigh(coherence_rounds=3), Tdl(coherence_rounds=3)])
def test_coherence_rounds_hold_a_realisation(channel):
    link = lp.Uplink(compressor=lp.compressors.Identity(), channel=channel, ofdm=OFDM)
    link.build([(8, 4)], workers=2, seed=0)
    fading = link.links[0].channels.fading
    seen, draw = [], fading.draw

    def spy(realisation, speed):
        seen.append(int(realisation))
        return draw(realisation, speed)

    fading.draw = spy
    for _ in range(6):
        link([tf.ones([2, 8, 4])])
    trained = [realisation for realisation in seen if realisation < 2**40]  # others are for ageing
    assert trained == [0, 0, 0, 1, 1, 1]


@moving
def test_speed_is_a_variable(case):
    """At rest nothing moves, a faster worker moves more, and no change of speed traces again."""
    fading, traces = fading_of(case), []

    @tf.function
    def of_speed(speed):
        traces.append(1)
        return fading.response(fading.draw(tf.constant(3, tf.int64), speed), tf.constant(1))

    def movement(speed: float) -> float:
        h = of_speed(tf.constant(speed)).numpy()
        h = h.reshape(CASES[case].antennas, len(GRID.times), -1)
        return np.linalg.norm(h[:, 1:] - h[:, :-1]) / np.linalg.norm(h)

    steps = [movement(speed) for speed in (0.0, 1.0, 30.0)]
    assert steps[0] < 1e-6
    assert 20 * steps[1] < steps[2] < 40 * steps[1]  # slow: steps grow with the speed
    assert len(traces) == 1


@moving
def test_a_longer_round_begins_like_a_shorter_one(case):
    """Phase is continuous over slots, and what is drawn does not depend on the grid."""
    longer = round_grid(OFDM, 58 * 20)
    h = response(CASES[case].build(longer, KEY, WORKERS), 3, 1, 10.0)  # a second build, too
    start = h[:, : GRID.elements]
    np.testing.assert_allclose(start, response(fading_of(case), 3, 1, 10.0), atol=2e-5)
    h = h.reshape(h.shape[0], 20, -1)
    steps = np.linalg.norm(np.diff(h, axis=1), axis=(0, 2))
    # crossing from slot to slot (symbols 6 to 7, 13 to 14) is a step like any other
    assert steps[[6, 13]].max() < 1.5 * np.median(steps)
