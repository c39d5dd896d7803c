"""Energy of a round, its split over blocks, its course over rounds."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from scipy import optimize

import laser_phy as lp
from laser_phy.compressors import Laser
from laser_phy.core.settings import SettingsError
from laser_phy.experiments.scenario import Scenario
from laser_phy.power import (
    ALLOCATIONS,
    CompressedNorm,
    Constant,
    Cosine,
    Decoding,
    LinearEnergy,
    Optimal,
    Power,
    Step,
    first_pass_shares,
    mean_shares,
)
from laser_phy.power.optimal import (
    energy_weights,
    first_factor_share,
    linear_weights,
    wiener_energies,
)

every = pytest.mark.parametrize("allocation", list(ALLOCATIONS.kinds))


def shares(allocation, sent, source=None, gains=(3.0, 5.0, 7.0), energies=False):
    sent = np.asarray(sent, np.float32)
    source = sent if source is None else np.asarray(source, np.float32)
    decoding = Decoding(np.float32(gains), energies=energies)
    kind = ALLOCATIONS.kinds[allocation]()
    return mean_shares(kind, sent, source, decoding).numpy()


# ---- over tensors ----


@every
@pytest.mark.parametrize("scale", [1e-25, 1.0, 1e15])
def test_shares_sum_to_one_and_zero_blocks_get_nothing(allocation, scale):
    given = shares(allocation, scale * np.array([[1.0, 2.0, 0.0], [3.0, 1.0, 0.0]]))
    assert given.sum() == pytest.approx(1.0, rel=1e-6)
    assert given[2] == 0
    assert (given[:2] > 0).all()


@every
def test_nothing_to_send_takes_nothing_and_is_no_nan(allocation):
    assert not shares(allocation, np.zeros((2, 3))).any()
    # one worker has nothing, or sits out: the others have all of the budget
    assert shares(allocation, [[0, 0, 0], [1, 1, 1]]).sum() == pytest.approx(1)


@every
def test_every_worker_asks_for_its_own_shares_and_the_server_averages(allocation):
    one, other = [[1.0, 2.0, 4.0]], [[500.0, 100.0, 100.0]]
    both = shares(allocation, one + other)
    np.testing.assert_allclose(
        both, (shares(allocation, one) + shares(allocation, other)) / 2, rtol=1e-6
    )


def test_what_each_allocation_looks_at():
    sent, source = [[1.0, 2.0, 1.0]], [[3.0, 1.0, 1.0]]
    expected = {
        "uniform": [1 / 3, 1 / 3, 1 / 3],
        "norm": [0.6, 0.2, 0.2],
        "squared_norm": [9 / 11, 1 / 11, 1 / 11],
        "compressed_norm": [0.25, 0.5, 0.25],
        "optimal": np.array([1.0, 4.0, 3.0]) / 8,
    }
    assert set(expected) == set(ALLOCATIONS.kinds)
    for allocation, wanted in expected.items():
        given = shares(allocation, sent, source, gains=[1.0, 4.0, 9.0])
        np.testing.assert_allclose(given, wanted, rtol=1e-6)


def best_by_scipy(error, blocks, budget):
    """Least `error(p)` over p >= 0 of sum `budget`, from several starts."""
    best = np.inf
    for seed in range(4):
        start = np.random.default_rng(seed).dirichlet(np.ones(blocks)) * budget
        found = optimize.minimize(
            error, start, method="SLSQP", bounds=[(1e-9 * budget, budget)] * blocks,
            constraints={"type": "eq", "fun": lambda p: p.sum() - budget},
            options={"ftol": 1e-15, "maxiter": 2000},
        )  # fmt: skip
        best = min(best, found.fun)
    return best


NORMS, GAINS = np.array([1.0, 0.3, 5.0, 0.02]), np.array([100.0, 5000.0, 20.0, 64.0])


def test_optimal_shares_are_scipys_behind_a_linear_decoder():
    def error(p):
        return np.sum(GAINS * NORMS**2 / p)

    weights = linear_weights(NORMS, GAINS).numpy()
    best = best_by_scipy(error, 4, 10.0)
    assert error(10 * weights / weights.sum()) == pytest.approx(best, rel=1e-6)
    # the norm alone is the best only for blocks of equal gain
    assert error(10 * NORMS / NORMS.sum()) > 1.3 * best


def test_optimal_shares_are_scipys_behind_energy_detection():
    def error(p):
        return np.sum(GAINS * NORMS**2 / p**2)

    weights = energy_weights(NORMS, GAINS).numpy()
    best = best_by_scipy(error, 4, 10.0)
    assert error(10 * weights / weights.sum()) == pytest.approx(best, rel=1e-6)
    # on the link the L1 norms of Gaussian messages stand for the true ones
    given = shares("optimal", [NORMS / GAINS**0.5], gains=GAINS, energies=True)
    np.testing.assert_allclose(given, weights / weights.sum(), rtol=1e-5)


@pytest.mark.parametrize("budget", [0.1, 10.0, 1e4])
def test_water_filling_is_scipys_and_meets_its_conditions(budget):
    noise = np.array([3.0, 0.5, 40.0, 1.0, 2.0])
    signal = np.array([1.0, 0.05, 9.0, 0.0, 1.0])

    def error(p):
        return np.sum(signal * noise / (noise + signal * p))

    p = wiener_energies(noise, signal, np.float64(budget)).numpy()
    assert p.sum() == pytest.approx(budget)
    assert error(p) == pytest.approx(best_by_scipy(error, 5, budget), rel=1e-6)
    # KKT: the slope is the same where power is spent, and no steeper where it is not
    slope = noise * signal**2 / (noise + signal * p) ** 2
    level = slope[p > 0].mean()
    np.testing.assert_allclose(slope[p > 0], level, rtol=1e-9)
    assert (slope[p == 0] <= level * (1 + 1e-9)).all()
    assert not wiener_energies(np.ones(2), np.zeros(2), np.float64(1)).numpy().any()
    # a batch is a row at a time
    rows = wiener_energies(np.stack([noise, noise[::-1]]), np.stack([signal, signal[::-1]]), budget)
    np.testing.assert_allclose(rows, [p, p[::-1]], rtol=1e-12)


@pytest.mark.parametrize(
    ("m", "n", "p"), [(40, 90, 500), (90, 40, 500), (50, 50, 300), (4, 60, 1e5)]
)
def test_the_split_of_both_factors_is_scipys(m, n, p):
    def error(a):
        return (m + n * a / (p - a)) / (m + a)

    a = p * float(first_factor_share(float(m), float(n), float(p)))
    found = optimize.minimize_scalar(
        error, bounds=(0, p), method="bounded", options={"xatol": 1e-9 * p}
    )
    assert error(a) == pytest.approx(found.fun, rel=1e-6)
    if (m, n, p) == (40, 90, 500):
        assert error(a) == pytest.approx(0.4113, abs=5e-5)  # Monte Carlo gave 0.4099


def test_the_first_of_two_passes_takes_its_share():
    sizes, second_pass_sizes = np.float32([40, 12, 40]), np.float32([90, 0, 90])
    energy = np.float32([500, 7, 20])
    given = first_pass_shares(CompressedNorm(), sizes, second_pass_sizes, energy, 1, 0.2).numpy()
    np.testing.assert_allclose(given, [0.2, 1.0, 0.2])
    given = first_pass_shares(Optimal(), sizes, second_pass_sizes, energy, 1, 0.2).numpy()
    # too little energy for any good split: the share that was set
    np.testing.assert_allclose(given, [first_factor_share(40.0, 90.0, 500.0), 1.0, 0.2])
    # K workers that send alike have K^2 times the energy
    given = first_pass_shares(Optimal(), sizes, second_pass_sizes, energy / 9, 3, 0.2).numpy()
    assert given[0] == pytest.approx(float(first_factor_share(40.0, 90.0, 500.0)), rel=1e-5)


def decoded_error(compressor, allocation, shapes, rounds=60, energy=4000.0, seed=1):
    """Mean ||decoded - sent||^2 on AWGN, of gradients that are the same in all rounds."""
    uplink = lp.Uplink.from_config(
        {
            "compressor": compressor,
            "power": {"energy_per_round": energy, "allocation": allocation},
            "channel": "awgn",
            "power_control": "none",
        }
    )
    uplink.build(shapes, 2, seed)
    random = np.random.default_rng(0)
    tensors = []
    for i, shape in enumerate(shapes):
        # falling singular values: columns of unequal norm
        u, _, v = np.linalg.svd(random.standard_normal(shape), full_matrices=False)
        fall = 10.0**-i * 0.5 ** np.arange(min(shape))
        tensors.append(np.stack([(u * fall) @ v] * 2).astype(np.float32))
    step = tf.function(lambda *t: uplink(t).diagnostics["uplink_error_energy"], autograph=False)
    return np.mean([float(step(*tensors)) for _ in range(rounds)])


def test_on_the_link_optimal_shares_err_less_than_norms():
    shapes = [(20, 10), (90, 70)]
    identity = {a: decoded_error("identity", a, shapes) for a in ("compressed_norm", "optimal")}
    c, g = np.array([1.0, 0.1]), np.array([200.0, 6300.0])
    expected = ((c * g).sum() * c.sum()) / (np.sqrt(g) * c).sum() ** 2
    assert expected > 1.2
    # each mean is over 60 x 6500 reals: five sigma of the ratio are below 3 %
    assert identity["compressed_norm"] / identity["optimal"] == pytest.approx(expected, rel=0.03)


def test_optimal_shares_of_a_receiver_that_shrinks_are_scipys():
    """Blocks of 400 and 4 reals, norms 1 and .3, two workers alike, an energy that drowns."""
    sizes, norms, energy, workers = np.array([400.0, 4.0]), np.array([1.0, 0.3]), 4.0, 2
    noise, signal = sizes * norms**2 / workers**2, norms**2

    def error(p):
        return np.sum(signal * noise / (noise + signal * p))

    receiver = {"name": "scale", "debias": "mmse"}
    measured = {}
    for allocation in ("optimal", "compressed_norm"):
        uplink = lp.Uplink.from_config(
            {"compressor": "identity", "channel": "awgn", "power_control": "none",
             "power": {"energy_per_round": energy, "allocation": allocation}, "receiver": receiver}
        )  # fmt: skip
        uplink.build([(400,), (4,)], workers)
        x = [
            np.full((2, int(n)), c / n**0.5, np.float32) for n, c in zip(sizes, norms, strict=True)
        ]
        step = tf.function(
            lambda *t, u=uplink: u(list(t)).diagnostics["uplink_error_energy"], autograph=False
        )
        errors = [float(step(*x)) for _ in range(200)]
        measured[allocation] = np.mean(errors), np.std(errors) / 200**0.5
    best = best_by_scipy(error, 2, energy)
    plain = error(energy * norms / norms.sum())
    assert plain > 1.005 * best
    for allocation, expected in (("optimal", best), ("compressed_norm", plain)):
        mean, sigma = measured[allocation]
        assert abs(mean - expected) < 5 * sigma
    decoding = Decoding(np.float32(sizes), shrinks=(energy, workers, 1.0))
    both = np.float32([norms] * 2)
    shares = mean_shares(Optimal(), both, both, decoding).numpy()
    assert error(energy * shares) == pytest.approx(best, rel=1e-5)


def test_power_by_column_errs_less_than_by_factor():
    """p_i ~ ||column i||: error (sum c_i)^2 against r sum c_i^2 for one power for all columns."""
    shapes = [(200, 200)]
    by_factor = decoded_error({"name": "laser", "rank": 4, "error_feedback": False},
                              "optimal", shapes, energy=1e5)  # fmt: skip
    by_column = decoded_error(
        {"name": "laser", "rank": 4, "error_feedback": False, "blocks": "column"},
        "optimal", shapes, energy=1e5,
    )  # fmt: skip
    c = 0.5 ** np.arange(4)
    assert by_column / by_factor == pytest.approx(c.sum() ** 2 / (4 * (c**2).sum()), rel=0.1)


# ---- budget ----


def test_budget_by_snr_is_energy_per_symbol_over_noise_two():
    assert Power(snr_db=0.0).energy(100) == pytest.approx(200.0)
    assert Power(snr_db=-20.0).energy(402) == pytest.approx(8.04)
    assert Power(energy_per_round=7.0).energy(100) == 7.0
    assert Power().energy(1) == 100.0
    with pytest.raises(SettingsError, match="either energy_per_round or snr_db, not both"):
        Power(energy_per_round=1.0, snr_db=0.0)


@pytest.mark.parametrize("factors", ["alternate", "both"])
def test_budget_by_snr_counts_the_symbols_of_a_mean_round(factors):
    power = Power(snr_db=3.0)
    uplink = lp.Uplink(
        compressor=Laser(rank=2, factors=factors), power=power, channel=lp.channels.Awgn()
    )
    uplink.build([(784, 10), (10,)], 4)
    symbols = {"alternate": (789 + 15) / 2, "both": 789 + 10}[factors]
    assert uplink.energy_budget == pytest.approx(10**0.3 * 2 * symbols)


def test_both_factors_share_the_energy_of_a_round():
    uplink = lp.Uplink.from_config(
        {"compressor": {"name": "laser", "rank": 2, "factors": "both"}, "channel": "awgn",
         "power": {"energy_per_round": 60.0}}
    )  # fmt: skip
    uplink.build([(40, 30), (5,)], 3)
    stacked = [np.ones((3, 40, 30), np.float32), np.ones((3, 5), np.float32)]
    for _ in range(2):
        assert float(uplink(stacked).diagnostics["energy_max_worker"]) == pytest.approx(60.0)


# ---- over rounds ----

MOVING = [kind(direction=d) for kind in (LinearEnergy, Step, Cosine) for d in ("falling", "rising")]


@pytest.mark.parametrize("schedule", [Constant(), *MOVING], ids=repr)
@pytest.mark.parametrize("rounds", [1, 2, 7, 100, 12345])
def test_the_mean_over_the_run_is_exactly_the_budget(schedule, rounds):
    factors = schedule.factors(rounds)
    assert factors.shape == (rounds,)
    assert factors.mean() == pytest.approx(1.0, rel=1e-14)
    assert factors.min() >= 1 / 3 - 1e-12
    assert factors.max() <= 5 / 3 + 1e-12
    # chunks of any size leave the mean alone
    edges = [0, rounds // 3, rounds // 2, rounds]
    total = sum((b - a) * schedule.mean_factor(a, b, rounds) for a, b in itertools.pairwise(edges))
    assert total == pytest.approx(rounds, rel=1e-12)


@pytest.mark.parametrize("schedule", MOVING, ids=repr)
def test_schedules_go_from_end_to_end(schedule):
    factors = schedule.factors(100)
    ends = [5 / 3, 1 / 3] if schedule.direction == "falling" else [1 / 3, 5 / 3]
    np.testing.assert_allclose(factors[[0, -1]], ends)
    assert len(np.unique(np.round(factors, 9))) == (2 if schedule.name == "step" else 100)
    signs = np.sign(np.diff(factors))
    assert set(signs) <= {0.0, -1.0 if schedule.direction == "falling" else 1.0}


def test_a_schedule_outlasts_its_run_at_the_budget_and_wants_a_length():
    assert LinearEnergy().mean_factor(100, 110, 100) == 1.0
    with pytest.raises(ValueError, match=r"rounds must be >= 1 \(length of the run\); got 0"):
        LinearEnergy().factors(0)


def test_schedules_are_settings():
    power = Power.from_config({"schedule": {"name": "step", "direction": "rising"}})
    assert power.schedule == Step(direction="rising")
    assert Power.from_config({"schedule": "linear"}).schedule == LinearEnergy()
    with pytest.raises(SettingsError, match="direction"):
        Power.from_config({"schedule": {"name": "step", "direction": "up"}})


def tiny(energy=9.0, **compile_args):
    import keras

    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(3, use_bias=False)])
    uplink = lp.Uplink.from_config(
        {"compressor": "identity", "channel": "awgn", "power": {"energy_per_round": energy}}
    )
    wrapped = lp.OverTheAir(model, workers=2, uplink=uplink)
    wrapped.compile(
        "sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), **compile_args
    )
    return wrapped


@pytest.mark.parametrize("steps", [1, 3])
def test_the_scheduler_moves_the_energy_of_fit(steps):
    model, monitor = tiny(steps_per_execution=steps), lp.callbacks.LinkMonitor(every=1)
    x, y = np.random.default_rng(0).normal(size=(24, 4)), np.arange(24) % 3
    for epochs in (1, 2):  # stopped once, and resumed
        scheduler = lp.callbacks.PowerScheduler(LinearEnergy(), rounds=12)
        model.fit(x, y, batch_size=4, epochs=epochs, initial_epoch=epochs - 1, verbose=0,
                  callbacks=[scheduler, monitor])  # fmt: skip
    spent = np.array([row["energy_max_worker"] for row in monitor.rows])
    expected = 9 * LinearEnergy().factors(12).reshape(-1, steps).mean(axis=1).repeat(steps)
    np.testing.assert_allclose(spent, expected, rtol=1e-5)
    assert spent.mean() == pytest.approx(9.0, rel=1e-6)


def test_the_scheduler_keeps_the_budget_after_the_run():
    model = tiny()
    scheduler = lp.callbacks.PowerScheduler(Step(), rounds=2)
    scheduler.set_model(model)
    scheduler.on_train_begin()
    seen = []
    for batch in range(3):
        scheduler.on_train_batch_begin(batch)
        seen.append(float(model.uplink.energy))
    assert seen == pytest.approx([15.0, 3.0, 9.0])


def test_a_scenario_with_a_schedule_spends_by_it(tmp_path):
    scenario = Scenario.from_config(
        {
            "task": {"dataset": "digits", "model": "linear", "workers": 4, "batch_size": 64,
                     "epochs": 2},
            "uplink": {"compressor": "identity", "channel": "awgn", "power_control": "none",
                       "power": {"energy_per_round": 6.0, "schedule": "step"}},
        }
    )  # fmt: skip
    lp.run(scenario, out=tmp_path / "run")
    energies = lp.load_run(tmp_path / "run").rounds["energy_max_worker"].to_numpy()
    half = len(energies) // 2
    # the largest worker's weights, and its bias, need not be one worker's: a little below P_t
    assert (energies[:half] <= 10.0 * (1 + 1e-5)).all()
    assert energies[:half].mean() > 9.0
    assert (energies[-half:] <= 2.0 * (1 + 1e-5)).all()
