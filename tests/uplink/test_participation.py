"""Workers that sit out: the mean is over those that send, and nothing of a gradient is lost."""

import math

import numpy as np
import pytest
import tensorflow as tf

import laser_phy as lp
from laser_phy.channels.recording import Recording, save

SHAPES = [(30, 20), (7,)]
KINDS = [
    {"name": "threshold", "minimum_gain": 0.5},
    {"name": "fraction", "fraction": 0.5},
]
COMPRESSORS = ["identity", {"name": "laser", "rank": 2}, {"name": "laser", "rank": 2,
               "factors": "both"}, {"name": "random_k"}]  # fmt: skip


def link(participation, compressor="identity", workers=6, seed=1, **fields):
    uplink = lp.Uplink.from_config(
        {
            "compressor": compressor,
            "channel": "rayleigh",
            "power_control": "inversion",
            "power": {"energy_per_round": 1e10, "budget": "round"},
            "participation": participation,
            **fields,
        }
    )
    uplink.build(SHAPES, workers, seed)
    return uplink


def gradients(workers=6, seed=0):
    random = np.random.default_rng(seed)
    return [random.normal(size=(workers, *s)).astype(np.float32) for s in SHAPES]


def senders(uplink, round_):
    """[worker] bool, who takes part in a round."""
    t = tf.constant(round_, tf.int64)
    return uplink.links[0].participants(t, uplink.mobility).numpy()


@pytest.mark.parametrize("participation", KINDS, ids=lambda p: p["name"])
class TestContract:
    def test_mean_over_those_that_sent(self, participation):
        uplink, x = link(participation), gradients()
        for t in range(6):
            sent = senders(uplink, t)
            seen = uplink(x)
            assert float(seen.diagnostics["senders"]) == sent.sum()
            for found, tensor in zip(seen.gradients, x, strict=True):
                expected = tensor[sent].mean(axis=0) if sent.any() else np.zeros(tensor.shape[1:])
                np.testing.assert_allclose(found, expected, atol=2e-3)

    @pytest.mark.parametrize(
        "fields",
        [
            {"receiver": {"name": "scale", "normalize": "active"}},
            {"receiver": {"name": "scale", "debias": "mmse"}},
            {"power_control": "joint", "receiver": {"name": "scale", "debias": "mmse"}},
            {"power_control": "none", "receiver": "lmmse",
             "channel": {"name": "rayleigh", "antennas": 8}},
        ],
        ids=["active", "mmse", "joint", "lmmse"],
    )  # fmt: skip
    def test_every_receiver_knows_who_sent(self, participation, fields):
        uplink, x = link(participation, **fields), gradients()
        for t in range(4):
            sent = senders(uplink, t)
            expected = x[0][sent].mean(axis=0) if sent.any() else np.zeros(x[0].shape[1:])
            np.testing.assert_allclose(uplink(x).gradients[0], expected, atol=1e-2)

    @pytest.mark.parametrize("compressor", COMPRESSORS, ids=str)
    def test_no_memory_is_lost(self, participation, compressor):
        """Sum over workers: what came in and was kept = what was decoded and what is kept.

        For the tensor that is compressed, in every round, whoever sits out.
        """
        uplink, x = link(participation, compressor), gradients()
        before = np.zeros(600)
        for t in range(4):
            sent = senders(uplink, t)
            decoded = np.asarray(uplink(x).gradients[0]).ravel()
            if not uplink.codec.memory_size:
                continue
            kept = uplink.memory.numpy()[:, :600]
            after = kept.sum(axis=0)
            came = x[0].reshape(6, -1).sum(axis=0) + before
            np.testing.assert_allclose(after + sent.sum() * decoded, came, atol=5e-2)
            before = after

    def test_one_that_sits_out_keeps_gradient_and_memory(self, participation):
        uplink, x = link(participation, {"name": "laser", "rank": 2}), gradients()
        for t in range(5):
            before, sent = uplink.memory.numpy(), senders(uplink, t)
            uplink(x)
            after = uplink.memory.numpy()
            for k in np.flatnonzero(~sent):
                np.testing.assert_allclose(after[k], before[k] + x[0][k].ravel(), atol=1e-5)
            for k in np.flatnonzero(sent):
                assert np.abs(after[k] - before[k] - x[0][k].ravel()).max() > 1e-3

    def test_it_spends_nothing(self, participation):
        uplink, x = link(participation), gradients()
        found = [uplink(x).diagnostics for _ in range(6)]
        counts = np.array([float(d["senders"]) for d in found])
        assert (counts < 6).any()
        budget = 1e10
        for d in found:
            assert float(d["energy_mean_worker"]) <= float(d["senders"]) / 6 * budget * (1 + 1e-5)


@pytest.mark.parametrize("rule", ["joint", {"name": "regularized", "variant": "mean_power"}])
def test_one_that_sits_out_holds_nobody_down(rule, tmp_path):
    """A rule that plans for all workers plans for those that send: they use their budget."""
    gains = np.array([1.0, 1.0, 1e-3], np.complex64).reshape(3, 1, 1)
    save(Recording(gains, np.zeros((3, 1))), tmp_path / "links.npz")
    uplink = link(
        {"name": "threshold", "minimum_gain": 0.1}, workers=3, power_control=rule,
        power={"energy_per_round": 50.0, "budget": "mean"},
        channel={"name": "cir", "path": str(tmp_path / "links.npz")},
    )  # fmt: skip
    x = [np.repeat(t[:1], 3, axis=0) for t in gradients()]  # equal norms
    seen = uplink(x).diagnostics
    assert float(seen["senders"]) == 2
    # elements of other energies get other powers; bound by the third worker it would be 1e-6 of it
    assert float(seen["energy_max_worker"]) == pytest.approx(50.0, rel=0.1)
    assert float(seen["truncated_fraction"]) == 0


def test_pilots_are_paid_by_those_that_send():
    uplink = link(
        {"name": "fraction", "fraction": 0.5}, power_control="none", receiver="blind",
        csi={"transmitter": "none", "receiver": {"name": "estimated", "pilot_snr_db": 10.0}},
    )  # fmt: skip
    seen, cost = uplink(gradients()).diagnostics, uplink.links[0].cost
    assert float(seen["pilot_energy"]) == pytest.approx(3 * cost.worker_energy, rel=1e-6)


class TestWho:
    def test_threshold_is_on_the_mean_gain(self):
        """Flat Rayleigh: P(|h|^2 >= g) = e^-g."""
        uplink = link({"name": "threshold", "minimum_gain": 0.4}, workers=10)
        sent = np.array([senders(uplink, t) for t in range(60)])
        p = math.exp(-0.4)
        assert sent.mean() == pytest.approx(p, abs=5 * math.sqrt(p * (1 - p) / sent.size))

    def test_fraction_is_exact_and_changes(self):
        uplink = link({"name": "fraction", "fraction": 0.3}, workers=10)
        sent = np.array([senders(uplink, t) for t in range(40)])
        assert (sent.sum(axis=1) == 3).all()
        share = sent.mean(axis=0)  # of rounds, a worker
        np.testing.assert_allclose(share, 0.3, atol=5 * math.sqrt(0.21 / 40))
        assert len({tuple(row) for row in sent}) > 20

    def test_nobody_sends_decodes_as_zero(self):
        uplink = link({"name": "threshold", "minimum_gain": 100.0})
        seen = uplink(gradients())
        assert all((np.asarray(g) == 0).all() for g in seen.gradients)
        assert float(seen.diagnostics["senders"]) == 0

    def test_all_is_the_default(self):
        x = gradients()
        plain = link({"name": "all"})(x)
        everybody = link({"name": "fraction", "fraction": 1.0})(x)
        for a, b in zip(plain.gradients, everybody.gradients, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-4)
