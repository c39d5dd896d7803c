"""Channels that users bring, and ones that break the contract."""

import numpy as np
import pytest
import tensorflow as tf

import laser_phy as lp
from laser_phy.channels import Channel, Fading
from laser_phy.channels.snapshots import SnapshotFading
from laser_phy.testing import check_channel

CARRIERS, WORKERS, SNAPSHOTS = 56, 4, 400

# ---- what a user writes ----


class Measured(lp.channels.Channel):
    """Responses [snapshot, worker, subcarrier] of a measurement."""

    path: str

    def build(self, grid, key, workers):
        return SnapshotFading(grid, key, self, workers, np.load(self.path))


class TwoRays(lp.channels.Channel):
    """h = (1 + e^(j phi_k)) / sqrt(2), a ray and its reflection."""

    def build(self, grid, key, workers):
        return TwoRaysFading(grid, key, self, workers)


class TwoRaysFading(lp.channels.Fading):
    """A phase for every worker and realisation."""

    def response(self, state, worker):
        realisation, _ = state
        seed = tf.stack([realisation, tf.cast(worker, tf.int64) + self.key])
        phase = tf.random.stateless_uniform([self.settings.antennas, 1], seed, maxval=2 * np.pi)
        gain = (1 + tf.complex(tf.cos(phase), tf.sin(phase))) / 2**0.5
        return tf.tile(gain, [1, self.grid.elements])


@pytest.fixture
def measured(tmp_path):
    random = np.random.default_rng(0)
    shape = (SNAPSHOTS, WORKERS, CARRIERS)
    responses = random.normal(size=shape) + 1j * random.normal(size=shape)
    responses *= np.array([3.0, 1.0, 1.0, 0.5])[:, np.newaxis]  # workers near and far
    np.save(tmp_path / "measured.npy", responses)
    return Measured(path=str(tmp_path / "measured.npy"))


def test_contract(measured):
    check_channel(measured, workers=WORKERS)
    check_channel(TwoRays())
    check_channel(TwoRays(antennas=3))


def test_a_round_is_a_snapshot(measured):
    fading = measured.build(_grid(), 0, WORKERS)
    given = np.load(measured.path)
    powers = np.mean(np.abs(given) ** 2, axis=(0, 2))
    for t, k in ((0, 0), (7, 3), (SNAPSHOTS + 2, 1)):
        response = fading.response((tf.constant(t, tf.int64), 0.0), tf.constant(k))
        expected = given[t % SNAPSHOTS, k] / powers.mean() ** 0.5
        np.testing.assert_allclose(response[0, :CARRIERS], expected, rtol=1e-5)
    np.testing.assert_allclose(fading.powers(), powers / powers.mean(), rtol=1e-6)


@pytest.mark.parametrize("budget", ["mean", "round"])
def test_it_carries_a_link(measured, budget):
    uplink = lp.Uplink(
        compressor="identity", channel=measured, power=lp.Power(snr_db=30.0, budget=budget),
        ofdm=lp.Ofdm(fft_size=64, cyclic_prefix=16, guard_carriers=(4, 3)),
    )  # fmt: skip
    uplink.build([(600,)], WORKERS, seed=1)
    x = [np.random.default_rng(0).normal(size=(WORKERS, 600)).astype(np.float32)]
    seen = [uplink(x) for _ in range(40)]
    limit = uplink.energy_budget * (1 + 1e-5)
    if budget == "round":
        assert max(float(s.diagnostics["energy_max_worker"]) for s in seen) <= limit
    truth = x[0].mean(axis=0)
    found = np.mean([np.asarray(s.gradients[0]) for s in seen], axis=0)
    assert np.corrcoef(found, truth)[0, 1] > 0.9


@pytest.mark.parametrize(
    ("responses", "said"),
    [
        (np.ones((2, 3, CARRIERS)), r"with 4 workers, 1 antennas and 56 .* got shape \[2, 3, 56\]"),
        (np.full((2, 4, CARRIERS), np.nan), "must be finite and not all 0; got 448 entries"),
        (np.zeros((2, 4, CARRIERS)), "must be finite and not all 0"),
    ],
)
def test_arrays_that_do_not_fit(responses, said):
    with pytest.raises(ValueError, match=said):
        SnapshotFading(_grid(), 0, TwoRays(), WORKERS, responses)


def _grid():
    from laser_phy.channels.grid import round_grid

    return round_grid(
        lp.Ofdm(fft_size=64, cyclic_prefix=16, guard_carriers=(4, 3)), 200, pilots=False
    )


# ---- what is found ----


def channel(name, response, **more):
    """A channel whose fading answers with a function of (fading, state, worker)."""

    def build(self, grid, key, workers):
        body = {"response": response, **more}
        return type(name, (Fading,), body)(grid, key, self, workers)

    return type(name, (Channel,), {"build": build, "__module__": __name__})()


def rays(fading, state, worker):
    return TwoRaysFading.response(fading, state, worker)


COUNTER = iter(range(10**6))
BROKEN = [
    (channel("Flat", lambda f, s, w: rays(f, s, w)[0]), "must give .antenna, element. complex64"),
    (
        channel("Twice", lambda f, s, w: 2**0.5 * rays(f, s, w)),
        "must have the power that it states",
    ),
    (channel("Drifts", lambda f, s, w: rays(f, (s[0] + next(COUNTER), 0), w)), "a pure function"),
    (channel("Frozen", lambda f, s, w: rays(f, (0 * s[0], 0), w)), "differ from realisation to"),
    (channel("Shared", lambda f, s, w: rays(f, s, 0 * w)), "must differ from worker to worker"),
    (channel("Nan", lambda f, s, w: rays(f, s, w) * complex("nan")), "must give finite numbers"),
    (
        channel(
            "Clips",
            rays,
            propagate=lambda f, s, w, x: rays(f, s, w) * x * tf.cast(tf.abs(x), x.dtype),
        ),
        "must be linear in what is sent",
    ),
    (channel("Unequal", rays, powers=lambda f: [1.0, 1.0, 1.0, 2.0]), "powers of mean 1"),
]


@pytest.mark.parametrize(("broken", "rule"), BROKEN, ids=lambda part: getattr(part, "name", ""))
def test_what_breaks_it_is_named(broken, rule):
    with pytest.raises(AssertionError, match=f"channel '{broken.name}' .*{rule}"):
        check_channel(broken)
