"""The broadcast downlink: errors in closed form, replicas, bases, resync, saving."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import laser_phy as lp
from laser_phy.uplink.diagnostics import DOWNLINK_NAMES

LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
SIZE = 400


def built(workers=3, seed=1, **fields):
    downlink = lp.Downlink(name="broadcast", **fields)
    downlink.build([(SIZE,)], workers, seed)
    return downlink


def received(downlink, reals, rounds, workers=3):
    """Estimates [round * worker, real] of the same message."""
    step = tf.function(
        lambda t: [
            downlink.receive(0, downlink.send(0, reals, t), reals, tf.constant(k)).reals
            for k in range(workers)
        ],
        autograph=False,
    )
    return np.concatenate([np.stack(step(tf.constant(t, tf.int64))) for t in range(rounds)])


def message(seed=0):
    return tf.constant(np.random.default_rng(seed).normal(size=SIZE), tf.float32)


class TestError:
    def test_awgn_is_one_over_a(self):
        """y = a x + z: standard deviation 1/a = ||x|| / sqrt(P) a real."""
        reals = message()
        downlink = built(channel="awgn", power={"energy_per_round": 50.0}, receiver="zero_forcing")
        error = received(downlink, reals, 40) - reals.numpy()
        expected = np.linalg.norm(reals) / np.sqrt(50.0)
        assert error.std() == pytest.approx(expected, rel=5 / np.sqrt(2 * error.size))

    def test_zero_forcing_over_fading(self):
        """no / (2 a^2 |h|^2) a real above the floor g: E1(g)/a^2; below it x is lost: 1 - e^-g."""
        from scipy.special import exp1

        reals, g, power = message(), 0.2, 500.0
        downlink = built(
            channel={"name": "rayleigh", "blocks": 200},
            power={"energy_per_round": power},
            receiver={"name": "zero_forcing", "floor": g},
        )
        error = np.sum((received(downlink, reals, 60) - reals.numpy()) ** 2, axis=1)
        energy = np.sum(np.square(reals))
        expected = SIZE * exp1(g) * energy / power + energy * -np.expm1(-g)
        assert error.mean() == pytest.approx(expected, abs=5 * error.std() / np.sqrt(len(error)))

    def test_lmmse_over_fading(self):
        """e no / (|h|^2 e + no) a symbol, averaged over |h|^2 ~ Exp(1): e x e^x E1(x), x = no/e."""
        from scipy.special import exp1

        reals, power = message(), 500.0
        downlink = built(
            channel={"name": "rayleigh", "blocks": 200},
            power={"energy_per_round": power},
            receiver="lmmse",
        )
        error = np.sum((received(downlink, reals, 60) - reals.numpy()) ** 2, axis=1)
        x = 2 * (SIZE / 2) / power
        expected = np.sum(np.square(reals)) * x * np.exp(x) * exp1(x)
        assert error.mean() == pytest.approx(expected, abs=5 * error.std() / np.sqrt(len(error)))

    def test_blocks_share_the_energy_by_their_norms(self):
        """p_j ~ ||x_j||: the error of block j is n_j ||x_j|| sum_i ||x_i|| / P."""
        sizes, power = (300, 80, 20), 50.0
        downlink = lp.Downlink.from_config(
            {**broadcast(power), "receiver": {"name": "zero_forcing"}}
        )
        downlink.build([sizes], 3, 1)
        reals = np.random.default_rng(0).normal(size=SIZE) * np.repeat([1.0, 0.1, 9.0], sizes)
        reals = tf.constant(reals, tf.float32)
        errors = np.square(received(downlink, reals, 40) - reals.numpy())
        norms = [np.linalg.norm(part) for part in np.split(reals, np.cumsum(sizes)[:-1])]
        for part, n, norm in zip(
            np.split(errors, np.cumsum(sizes)[:-1], axis=1), sizes, norms, strict=True
        ):
            expected = norm * sum(norms) / power  # a real
            assert part.mean() == pytest.approx(expected, rel=5 * np.sqrt(2 / part.size)), n

    def test_workers_and_rounds_hear_independent_noise(self):
        reals = message()
        downlink = built(channel="awgn", receiver="zero_forcing")  # its error is noise alone
        error = received(downlink, reals, 5) - reals.numpy()
        correlation = np.corrcoef(error)
        np.fill_diagonal(correlation, 0)
        assert np.abs(correlation).max() < 5 / np.sqrt(SIZE)

    def test_energy_is_spent_exactly(self):
        downlink = built(channel="awgn", power={"snr_db": 3.0})
        signal = downlink.send(0, message(), tf.constant(0, tf.int64))
        spent = float(tf.reduce_sum(tf.square(tf.abs(signal.symbols))))
        assert spent == pytest.approx(10**0.3 * 2 * SIZE / 2, rel=1e-5)
        assert spent == pytest.approx(downlink.energy_budget, rel=1e-5)

    def test_nothing_to_say_is_zero_and_not_nan(self):
        estimate = received(built(channel="tdl"), tf.zeros(SIZE), 2)
        np.testing.assert_array_equal(estimate, 0.0)


# ---- training ----


def data():
    random = np.random.default_rng(0)
    x = random.normal(size=(64, 6)).astype(np.float32)
    return x, (x[:, 0] + x[:, 1] > 0).astype(np.int32)


def wrapped(downlink, compressor="laser", optimizer=None):
    keras.utils.set_random_seed(3)
    inner = keras.Sequential(
        [keras.Input((6,)), keras.layers.Dense(16, activation="relu"), keras.layers.Dense(2)]
    )
    compressor = {"name": "laser", "rank": 1} if compressor == "laser" else compressor
    uplink = lp.Uplink.from_config({"compressor": compressor, "channel": "awgn"})
    model = lp.OverTheAir(inner, 4, uplink, lp.Downlink.from_config(downlink), seed=1)
    model.compile(optimizer or keras.optimizers.SGD(0.1, 0.9), LOSS, metrics=["accuracy"])
    return model


def fit(model, epochs=2):
    x, y = data()
    return model.fit(x, y, batch_size=16, epochs=epochs, shuffle=False, verbose=0).history


def broadcast(energy=100.0, **fields):
    return {
        "name": "broadcast",
        "channel": "awgn",
        "power": {"energy_per_round": energy},
        **fields,
    }


GO_ON = """
import pathlib, sys
import keras, numpy as np
import laser_phy.training
folder = pathlib.Path(sys.argv[1])
model = keras.saving.load_model(folder / "model.keras")
x, y = np.load(folder / "data.npz").values()
model.fit(x, y, batch_size=16, epochs=2, shuffle=False, verbose=0)
np.savez(folder / "weights.npz", *model.get_weights())
"""

PAYLOADS = [
    {"payload": "update", "basis": "protected"},
    {"payload": "update", "basis": "received"},
    {"payload": "weights", "basis": "protected"},
]


class TestReplicas:
    @pytest.mark.parametrize(
        ("fields", "optimizer"), [*((fields, "sgd") for fields in PAYLOADS), (PAYLOADS[1], "adam")]
    )
    def test_infinite_power_is_the_ideal_downlink(self, fields, optimizer):
        """Adam turns rounding into signs where gradients vanish: a looser tolerance."""

        def make():
            return keras.optimizers.SGD(0.1, 0.9) if optimizer == "sgd" else "adam"

        ideal, noisy = (
            wrapped({"name": "ideal"}, optimizer=make()),
            wrapped(broadcast(1e16, **fields), optimizer=make()),
        )
        fit(ideal)
        history = fit(noisy)
        for a, b in zip(ideal.model.get_weights(), noisy.model.get_weights(), strict=True):
            np.testing.assert_allclose(a, b, atol=2e-5 if optimizer == "sgd" else 2e-3)
        assert history["replica_spread_db"][-1] < -60

    def test_logs_have_the_downlink(self):
        history = fit(wrapped(broadcast()))
        assert set(DOWNLINK_NAMES) <= set(history)
        ideal = wrapped({"name": "ideal"})
        assert not set(DOWNLINK_NAMES) & set(fit(ideal))
        assert ideal.replicas is None
        assert history["downlink_energy"][0] == pytest.approx(100.0)

    @pytest.mark.long
    @pytest.mark.parametrize(
        "compressor",
        ["identity", {"name": "random_k", "factor": 0.5}, {"name": "sketch", "factor": 0.5},
         {"name": "a_dsgd", "factor": 0.9, "sparsity": 0.1}],
        ids=str,
    )  # fmt: skip
    def test_every_compressor_is_decoded_by_the_workers(self, compressor):
        """But signum: a vote of nobody is decided by the noise, however weak."""
        compressor = {"name": compressor} if isinstance(compressor, str) else compressor
        ideal = wrapped({"name": "ideal"}, compressor)
        noisy = wrapped(broadcast(1e16), compressor)
        fit(ideal)
        assert fit(noisy)["replica_spread_db"][-1] < -60
        for a, b in zip(ideal.model.get_weights(), noisy.model.get_weights(), strict=True):
            np.testing.assert_allclose(a, b, atol=2e-5)

    @pytest.mark.parametrize("payload", ["update", "weights"])
    @pytest.mark.parametrize("compressor", ["laser", {"name": "identity"}], ids=str)
    def test_what_is_sent_and_its_error(self, payload, compressor):
        """The decoded message, or the server's new weights; (1/P) sum_j n_j ||x_j|| sum_i ||x_i||
        of error a worker."""
        power, rate = 1e3, 0.1
        downlink = broadcast(power, payload=payload, receiver={"name": "zero_forcing"})
        model = wrapped(downlink, compressor, keras.optimizers.SGD(rate))
        sent = []
        send = model.downlink.send
        model.downlink.send = lambda phase, reals, t: (
            sent.append((phase, np.array(reals))), send(phase, reals, t)
        )[1]  # fmt: skip
        model.run_eagerly = True
        before, state = model.model.get_weights(), [v.numpy() for v in model.uplink.state]
        x, y = data()
        logs = model.train_on_batch(x[:16], y[:16], return_dict=True)
        after = model.model.get_weights()
        [(phase, reals)] = sent
        if payload == "weights":
            np.testing.assert_array_equal(reals, np.concatenate([w.ravel() for w in after]))
        else:
            gradients, _ = model.uplink.codec.decode(phase, tf.constant(reals), state)
            for w0, w1, g in zip(before, after, gradients, strict=True):
                np.testing.assert_allclose(w0 - rate * g, w1, atol=1e-6)
        blocks = model.downlink.layouts[phase].blocks
        norms = [np.linalg.norm(part) for part in np.split(reals, np.cumsum(blocks)[:-1])]
        expected = np.dot(blocks, norms) * sum(norms) / power / np.sum(np.square(reals))
        found = 10 ** (logs["downlink_nmse_db"] / 10)
        shares = np.multiply(blocks, norms) / np.dot(blocks, norms)  # of the error, chi-square each
        deviation = np.sqrt(np.sum(2 * shares**2 / np.multiply(blocks, 4)))
        assert found == pytest.approx(expected, rel=5 * deviation)

    @pytest.mark.parametrize("receiver", ["zero_forcing", "lmmse"])
    def test_spread_of_updates_is_a_random_walk_and_a_lag(self, receiver):
        """c_s = (1 - m^s)/(1 - m) for an update s rounds old; mu = 1, or e/(e + no) of lmmse:
        E||d||^2 = eta^2 ||x||^2 [mu^2 (n/P) sum_s c_s^2 + (1 - mu)^2 (sum_s c_s)^2]."""
        n, workers, rounds, rate, m, power = 2000, 4, 25, 0.1, 0.9, 4000.0
        keras.utils.set_random_seed(3)
        inner = keras.Sequential([keras.Input((n,)), keras.layers.Dense(1, use_bias=False)])
        uplink = lp.Uplink.from_config({"compressor": "identity", "channel": "ideal"})
        downlink = broadcast(power, receiver={"name": receiver})
        model = lp.OverTheAir(inner, workers, uplink, lp.Downlink.from_config(downlink), seed=1)
        model.compile(keras.optimizers.SGD(rate, m), lambda y, found: tf.reduce_mean(found))
        x = np.tile(np.random.default_rng(0).normal(size=n), (workers * rounds, 1))
        model.fit(x, np.zeros(len(x)), batch_size=workers, epochs=1, verbose=0)
        rows, [weights] = model.replicas.rows["weights"][0].numpy(), model.model.get_weights()
        found = np.mean(np.sum(np.square(rows - weights), axis=(1, 2)))
        c = (1 - m ** np.arange(1, rounds + 1)) / (1 - m)
        e = 2 * power / n
        mu = 1.0 if receiver == "zero_forcing" else e / (e + 2)
        walk = mu**2 * n / power * np.sum(c**2)
        lag = (1 - mu) ** 2 * np.sum(c) ** 2
        expected = rate**2 * np.sum(np.square(x[0])) * (walk + lag)
        deviation = np.sqrt((2 * walk**2 + 4 * walk * lag) / (n * workers)) / (walk + lag)
        assert found == pytest.approx(expected, rel=5 * deviation + 1e-5)

    def test_replicas_of_updates_drift_and_resync_brings_them_back(self):
        """Without resync the distance grows; at a resync it is zero, and grows again."""
        drifting = fit(wrapped(broadcast(30.0)), epochs=6)["replica_spread_db"]
        assert drifting[-1] > drifting[0] + 3
        resynced = wrapped(broadcast(30.0, resync_every=4))
        spread = fit(resynced, epochs=6)["replica_spread_db"]
        assert spread[-1] < drifting[-1] - 3
        for rows, weight in zip(
            resynced.replicas.rows["weights"], resynced.model.trainable_variables, strict=True
        ):  # the last of 24 rounds was a resync
            np.testing.assert_array_equal(rows.numpy(), np.stack([weight.numpy()] * 4))

    def test_gradients_are_those_of_the_replicas(self):
        """A worker's gradient is taken at the weights that it really has."""
        model = wrapped(broadcast(payload="weights"), {"name": "identity"})
        rows = model.replicas.rows["weights"]
        moved = [np.array(r.numpy()) for r in rows]
        moved[0][2] += 1.0
        for variable, value in zip(rows, moved, strict=True):
            variable.assign(value)
        seen = {}
        encode = model.uplink.encode
        model.uplink.encode = lambda k, g, *rest: (seen.update({int(k): g}), encode(k, g, *rest))[1]
        model.run_eagerly = True
        x, y = data()
        server = model.model.get_weights()
        model.train_on_batch(x[:16], y[:16])
        model.model.set_weights([w[2] for w in moved])
        with tf.GradientTape() as tape:
            loss = LOSS(y[8:12], model.model(x[8:12]))
        expected = tape.gradient(loss, [v.value for v in model.model.trainable_variables])
        for a, b in zip(seen[2], expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
        model.model.set_weights(server)

    @pytest.mark.parametrize("compressor", ["laser", {"name": "identity"}], ids=str)
    def test_learns_at_a_moderate_power(self, compressor):
        downlink = broadcast(3000.0, channel="tdl", basis="received")
        assert fit(wrapped(downlink, compressor), epochs=12)["accuracy"][-1] > 0.8

    def test_save_load_in_another_process_and_go_on(self, tmp_path):
        """Replicas, their optimizers' states and their bases are the same numbers, bit for bit."""
        downlink = broadcast(basis="received", channel="tdl", resync_every=7)
        straight, first = (
            wrapped(downlink, optimizer=keras.optimizers.Adam(0.01)) for _ in range(2)
        )
        fit(straight, epochs=4)
        fit(first, epochs=2)
        first.save(tmp_path / "model.keras")
        np.savez(tmp_path / "data.npz", *data())
        subprocess.run([sys.executable, "-c", GO_ON, tmp_path], check=True)
        with np.load(tmp_path / "weights.npz") as found:
            weights = [found[name] for name in found.files]
        expected = straight.get_weights()
        assert len(weights) == len(expected) > len(straight.model.get_weights())
        for a, b in zip(weights, expected, strict=True):
            np.testing.assert_array_equal(a, b)
        rows = straight.replicas.rows
        assert {"weights", "state", "optimizer"} == set(rows)
        for group, variables in rows.items():  # the last of 16 rounds was no resync
            assert any(np.ptp(variable.numpy(), axis=0).max() > 0 for variable in variables), group

    def test_control_channel_counts_bases_and_copies(self):
        """The (6, 16) matrix has a rank-1 factor of 6 or 16 reals; the rest goes uncompressed."""
        plain = fit(wrapped(broadcast(basis="received")), 1)["downlink_control_bytes_per_round"][0]
        kept = fit(wrapped(broadcast(basis="protected")), 1)["downlink_control_bytes_per_round"][0]
        assert plain == 4 * 2 * 4  # two numbers a block
        assert kept - plain > 0
        copies = wrapped(broadcast(basis="received", resync_every=2))
        reals = sum(v.shape.num_elements() for g in copies.replicas.live.values() for v in g)
        synced = fit(copies, 1)["downlink_control_bytes_per_round"][0]
        assert synced - plain == pytest.approx(4 * reals / 2)

    def test_impossible_combinations_are_refused(self):
        with pytest.raises(ValueError, match="got laser with factors: both"):
            wrapped(broadcast(), {"name": "laser", "rank": 1, "factors": "both"})
