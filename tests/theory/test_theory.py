"""The paper's lemmas against scipy and Monte Carlo, its rates against simulated training."""

import runpy
import sys

import numpy as np
import pytest
from paths import ROOT
from scipy import optimize

from laser_phy.theory import (
    Rate,
    factor_split,
    influence_laser,
    influence_laser_bound,
    influence_z_sgd,
    product_error,
    rank_split,
    rank_split_domain,
)
from laser_phy.theory.influence import send_laser, send_z_sgd
from laser_phy.theory.lemmas import factor_bound
from laser_phy.theory.rates import Quadratic

RANDOM = np.random.default_rng(0)
SIZES = [(int(m), int(n)) for m, n in RANDOM.integers(1, 500, (40, 2))]
ENERGIES = 10 ** RANDOM.uniform(-1, 6, 40)


@pytest.mark.parametrize(("size", "energy"), list(zip(SIZES, ENERGIES, strict=True)))
def test_lemma_7_is_scipys_optimum(size, energy):
    m, n = size
    a, b, least = factor_split(m, n, energy)
    assert a + b == pytest.approx(energy, rel=1e-12)
    assert product_error(m, n, a, b) == pytest.approx(least, rel=1e-6)
    # over log(a / b): at both ends of the interval scipy's own steps are too coarse
    found = optimize.minimize_scalar(
        lambda x: product_error(m, n, energy / (1 + np.exp(-x)), energy / (1 + np.exp(x))),
        bounds=(-20, 20), method="bounded", options={"xatol": 1e-10},
    )  # fmt: skip
    assert least == pytest.approx(found.fun, rel=1e-6)
    assert least <= factor_bound(m, n, energy) * (1 + 1e-12)


def error_of(size, sigma, energies):
    return float(np.sum(sigma**2 * factor_split(*size, energies)[2]))


def least_error(size, sigma, energy):
    """Over all P_i of sum P: sigma_i^2 df*/dP_i is the same for all parts (KKT; f* is convex)."""
    m, n = size

    def part(log_price, s):
        def gap(log_p):
            a, b, _ = factor_split(m, n, np.exp(log_p))
            # the derivative of f* is that of f along a, or b, by the envelope theorem
            return np.log(s**2 * m / a**2 * (1 + n / b)) - log_price

        return np.exp(optimize.brentq(gap, -50, 50))

    parts = lambda log_price: np.array([part(log_price, s) for s in sigma])  # noqa: E731
    price = optimize.brentq(lambda x: parts(x).sum() - energy, -60, 60)
    return error_of(size, sigma, parts(price))


def over_the_least(size, sigma, energy):
    return error_of(size, sigma, rank_split(sigma, energy)) / least_error(size, sigma, energy)


def test_the_least_error_is_the_one_that_scipy_finds():
    size, sigma, energy = (40, 90), 0.3 ** np.arange(4.0), 500.0
    softmax = lambda x: energy * np.exp(x) / np.exp(x).sum()  # noqa: E731
    found = optimize.minimize(
        lambda x: error_of(size, sigma, softmax(x)), np.log(sigma), method="Nelder-Mead",
        options={"xatol": 1e-10, "fatol": 1e-14, "maxiter": 4000, "maxfev": 8000},
    )  # fmt: skip
    assert least_error(size, sigma, energy) == pytest.approx(found.fun, rel=1e-7)


@pytest.mark.parametrize("seed", range(40))
def test_lemma_8_is_within_20_percent_of_the_optimum_in_its_domain(seed):
    random = np.random.default_rng(seed)
    size, rank = tuple(map(int, random.integers(2, 400, 2))), int(random.integers(2, 9))
    sigma = 10 ** -random.uniform(0, random.choice([0.5, 2, 5]), rank)
    sigma /= sigma.max()
    energy = rank_split_domain(*size, rank) * 10 ** random.choice([0, 0, 1])
    assert 1 - 1e-9 <= over_the_least(size, sigma, energy) <= 1.2


def test_the_domain_of_lemma_8_is_no_wider_than_that():
    size, sigma = (170, 226), np.array([1.0, 1e-4, 1e-4, 1e-4, 1e-4])
    edge = rank_split_domain(*size, 5)
    assert 1.15 < over_the_least(size, sigma, edge) < 1.2
    assert over_the_least(size, sigma, edge / 2) > 1.25


def test_lemma_8_outside_its_domain():
    size, sigma = (40, 90), 0.3 ** np.arange(4.0)
    above = [over_the_least(size, sigma, p) for p in (1000.0, 500.0, 30.0)]
    assert above == pytest.approx([1.039, 1.084, 1.419], abs=1e-3)
    no_energy = 4 * sigma.sum() ** 2 / (sigma ** (2 / 3)).sum() ** 3
    assert over_the_least(size, sigma, 1e-4) == pytest.approx(no_energy, rel=1e-4)
    # and without a limit of energy, or with equal parts, it is the optimum
    assert over_the_least(size, sigma, 1e9) == pytest.approx(1, abs=1e-6)
    assert over_the_least(size, np.ones(4), 30.0) == pytest.approx(1, abs=1e-9)


def measured(send, gradient, draws):
    errors = [np.sum((send() - gradient) ** 2) / np.sum(gradient**2) for _ in range(draws)]
    return np.mean(errors), np.std(errors) / draws**0.5


def test_influence_of_both_schemes_is_what_is_simulated():
    m, n, p = 40, 90, 500.0
    random = np.random.default_rng(1)
    gradient = np.outer(random.standard_normal(m), random.standard_normal(n))
    one = np.linalg.svd(gradient, compute_uv=False)[:1]
    mean, error = measured(lambda: send_laser(gradient, 1, p, random)[0], gradient, 600)
    assert influence_laser(m, n, one, p) == pytest.approx(0.5597, abs=5e-5)
    assert abs(mean - 0.5597) < 5 * error
    mean, error = measured(lambda: send_z_sgd(gradient, p, random), gradient, 500)
    assert influence_z_sgd(m, n, p) == 7.2
    assert abs(mean - 7.2) < 5 * error


@pytest.mark.parametrize("energy", [20.0, 1e3, 1e5])
@pytest.mark.parametrize("rank", [1, 3])
def test_influence_stays_under_the_bound_of_lemma_10(rank, energy):
    m, n, random = 50, 70, np.random.default_rng(rank)
    gradient = random.standard_normal((m, rank)) @ random.standard_normal((rank, n))
    sigma = np.linalg.svd(gradient, compute_uv=False)[:rank]
    mean, error = measured(lambda: send_laser(gradient, rank, energy, random)[0], gradient, 60)
    formula = influence_laser(m, n, sigma, energy)
    assert abs(mean - formula) < 5 * error
    bound = influence_laser_bound(m, n, rank, energy)
    assert formula <= bound
    # the ratio to Z-SGD: 4 r / m + 4 r^2 / P
    ratio = 4 * rank / m + 4 * rank**2 / energy
    assert bound / influence_z_sgd(m, n, energy) == pytest.approx(ratio)


def test_rates_are_the_theorems():
    rate = Rate(smoothness=2.0, influence=3.0, quality=0.5, variance=4.0, growth=1.0)
    assert rate.tau == 100
    assert rate.step == 1 / 400
    time = np.array([1.0, 800.0])
    np.testing.assert_allclose(
        rate.strongly_convex(time, 3.0, 0.5), 3600 * np.exp(-time / 800) + 32 / time
    )
    np.testing.assert_allclose(rate.convex(time, 3.0), 3600 / time + 3 * np.sqrt(16 / time))
    np.testing.assert_allclose(rate.non_convex(time, 5.0), 2000 / time + np.sqrt(160 / time))


def test_z_sgd_on_an_even_quadratic_follows_its_recursion():
    """E||theta_t||^2 = ((1 - gamma h)^2 + gamma^2 h^2 m n / P)^t ||theta_0||^2 for H = h I."""
    task = Quadratic(rows=6, columns=10, convexity=1.0, smoothness=1.0)
    step, energy, rounds = 0.05, 20.0, 40
    runs = [task.train(step, energy, rounds, seed=seed)[0][-1] for seed in range(400)]
    factor = (1 - step) ** 2 + step**2 * 60 / energy
    assert abs(np.mean(runs) - 0.5 * factor**rounds) < 5 * np.std(runs) / 20


def test_training_on_a_quadratic_stays_under_theorem_1():
    task, energy, rounds = Quadratic(), 500.0, 600
    size, sigma = (task.rows, task.columns), np.linalg.svd(Quadratic().start())[1][:2]
    rates = {
        None: Rate(task.smoothness, influence_z_sgd(*size, energy)),
        2: Rate(task.smoothness, influence_laser(*size, sigma, energy), quality=0.15),
    }
    for rank, rate in rates.items():
        gaps, quality = task.train(rate.step, energy, rounds, rank)
        assert quality >= rate.quality  # what the bound assumes of the gradients held
        bound = rate.strongly_convex(np.arange(1, rounds + 1), 1.0, task.convexity)
        assert (gaps[1:] <= bound).all()
        # and it is no slower than the exponent says: f falls at least by exp(-mu gamma T)
        assert gaps[-1] <= gaps[0] * np.exp(-task.convexity * rate.step * rounds)


def test_the_figures_are_drawn_by_their_command(tmp_path, monkeypatch):
    script = ROOT / "docs" / "figures" / "theory.py"
    arguments = ["theory.py", "--out", str(tmp_path), "--trials", "1", "--rounds", "20"]
    monkeypatch.setattr(sys, "argv", arguments)
    runpy.run_path(str(script), run_name="__main__")
    for name in ("influence.svg", "rates.svg"):
        assert "<svg" in (tmp_path / name).read_text()
