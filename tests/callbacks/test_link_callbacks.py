"""The link's own callbacks: by hand, and in a real fit."""

import csv
import math
import sys

import keras
import numpy as np
import pytest
from callback_tools import ROUNDS, X, Y, event_tags, fit, inner_model, over_the_air, same

import laser_phy as lp
from laser_phy.core.lazy_imports import MissingExtra
from laser_phy.theory import top_energy

MOVING = {
    "channel": {"name": "tdl", "speed_mps": 1.0},
    "csi": {"transmitter": {"name": "outdated", "age_s": 1e-3}},
}


def begun(callback, model, **params):
    """The callback as `fit` would begin it."""
    callback.set_model(model)
    callback.set_params({"epochs": 3, "steps": ROUNDS, **params})
    callback.on_train_begin()
    callback.on_epoch_begin(0)
    return callback


def read(path):
    with open(path, newline="") as file:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]


class TestLinkMonitor:
    def test_rounds_to_csv_and_tensorboard(self, tmp_path):
        model = over_the_air(uplink={"channel": "tdl"})
        monitor = lp.callbacks.LinkMonitor(
            every=3, csv=tmp_path / "new" / "rounds.csv", tensorboard=tmp_path / "events"
        )
        fit(model, 2, [monitor])
        assert [row["round"] for row in monitor.rows] == list(range(8))
        assert read(tmp_path / "new" / "rounds.csv") == monitor.rows
        scalars, histograms = event_tags(tmp_path / "events")
        for name in ("loss", "uplink_nmse_db", "energy_max_worker"):
            expected = [(row["round"], np.float32(row[name])) for row in monitor.rows]
            assert scalars[f"round/{name}"] == expected
        names = ("worker_energy", "message_norm", "gain_db")
        assert histograms == {f"link/{name}": [3, 7] for name in names}
        last, workers = monitor.rows[-1], model.trace.workers()
        assert workers["worker_energy"].max() == np.float32(last["energy_max_worker"])
        assert workers["worker_energy"].mean() == pytest.approx(last["energy_mean_worker"])
        assert (workers["message_norm"] > 0).all()
        assert monitor.plot(tmp_path / "link.png").stat().st_size > 10_000

    def test_epochs_have_all_logs(self, tmp_path):
        monitor = lp.callbacks.LinkMonitor(per="epoch", csv=tmp_path / "epochs.csv")
        history = fit(over_the_air(), 3, [monitor], validation_data=(X, Y))
        rows = read(tmp_path / "epochs.csv")
        assert rows == monitor.rows
        assert [(row["epoch"], row["rounds"]) for row in rows] == [(0, 4), (1, 8), (2, 12)]
        for name in ("loss", "val_accuracy", "gradient_nmse_db"):
            assert [row[name] for row in rows] == history[name]

    def test_a_resumed_run_forgets_what_came_after_its_checkpoint(self, tmp_path):
        table = tmp_path / "rounds.csv"
        model = over_the_air()
        fit(model, 1)
        model.save_weights(tmp_path / "one.weights.h5")
        fit(over_the_air(), 3, [lp.callbacks.LinkMonitor(csv=table)])
        whole = read(table)
        with table.open("a") as file:
            file.write("12,0.3")  # a line that a kill cut short
        again = over_the_air()
        again.load_weights(tmp_path / "one.weights.h5")
        fit(again, 2, [lp.callbacks.LinkMonitor(csv=table)], initial_epoch=1)
        assert read(table) == whole[:8]
        fit(over_the_air(), 1, [lp.callbacks.LinkMonitor(csv=table)])
        assert read(table) == whole[:4]  # another run begins anew

    def test_nothing_is_lost_between_long_executions(self):
        model = over_the_air(steps=100)
        monitor = lp.callbacks.LinkMonitor(every=250)  # read after 200 rounds, not after 300
        fit(model, 1, [monitor], batch_size=4, copies=19, steps_per_epoch=300)
        assert [row["round"] for row in monitor.rows] == list(range(300))

    def test_another_tables_columns_are_refused(self, tmp_path):
        table = tmp_path / "rounds.csv"
        table.write_text("round,accuracy\n0,0.5\n")
        model = over_the_air()
        fit(model, 1)
        with pytest.raises(ValueError, match=r"a table of other columns, without loss, uplink_nm"):
            fit(model, 1, [lp.callbacks.LinkMonitor(csv=table)])

    def test_says_what_is_wrong(self, monkeypatch):
        with pytest.raises(ValueError, match="per must be 'round' or 'epoch'; got 'batch'"):
            lp.callbacks.LinkMonitor(per="batch")
        with pytest.raises(ValueError, match=r"steps_per_execution must be <= 256 .* got 300"):
            begun(lp.callbacks.LinkMonitor(), over_the_air(steps=300))
        monkeypatch.setitem(sys.modules, "tensorboard", None)
        with pytest.raises(ImportError, match=r"pip install 'laser-phy\[tensorboard\]'"):
            lp.callbacks.LinkMonitor(tensorboard="events")


class TestPowerScheduler:
    @pytest.mark.parametrize("steps", [1, 3])
    def test_any_function_has_the_mean_of_the_budget(self, steps):
        """Calls of 3 rounds leave one of 1 at the end of an epoch, which has its own energy."""
        model, monitor = over_the_air(steps=steps), lp.callbacks.LinkMonitor()
        fit(model, 3, [lp.callbacks.PowerScheduler(lambda t: 1 + 4 * t**2), monitor])
        assert int(model.uplink.round) == 12
        progress = (np.arange(12) + 0.5) / 12
        factors = (1 + 4 * progress**2) / np.mean(1 + 4 * progress**2)
        if steps == 3:
            calls = [(t, t + 3) for t in (0, 3, 4, 7, 8, 11)]  # 3 rounds and 1 an epoch
            means = [factors[first:last].mean() for first, last in calls]
            factors = np.repeat(means, [3, 1] * 3)
        # of blocks that have different largest workers none spends it all
        spent = np.array([row["energy_max_worker"] for row in monitor.rows]) / 100
        assert (spent <= factors * (1 + 1e-5)).all()
        assert (spent > 0.6 * factors).all()

    def test_by_hand(self):
        model = over_the_air()
        for schedule in ("cosine", lp.power.Cosine()):
            scheduler = begun(lp.callbacks.PowerScheduler(schedule, rounds=5), model)
            seen = []
            for batch in range(6):
                scheduler.on_train_batch_begin(batch)
                seen.append(float(model.uplink.energy))
            expected = [
                500 / 3,
                100 + 200 / 3 * math.sqrt(0.5),
                100,
                100 - 200 / 3 * math.sqrt(0.5),
            ]
            assert seen == pytest.approx([*expected, 100 / 3, 100], rel=1e-6)

    def test_says_what_is_wrong(self):
        with pytest.raises(ValueError, match=r"must be >= 0 and finite .* got -0.1 at 0.1"):
            lp.callbacks.PowerScheduler(lambda t: t - 0.2, rounds=5)
        with pytest.raises(ValueError, match=r"must be > 0 .* somewhere"):
            lp.callbacks.PowerScheduler(lambda t: 0, rounds=5)
        with pytest.raises(ValueError, match=r"schedule.*cosin.*did you mean 'cosine'"):
            lp.callbacks.PowerScheduler("cosin", rounds=5)
        with pytest.raises(ValueError, match="rounds is missing"):
            begun(lp.callbacks.PowerScheduler("step"), over_the_air(), steps=None)


class TestChannelScheduler:
    COURSES = {  # noqa: RUF012
        "snr_db": [10.0, 0.0, -10.0],
        "speed_mps": lambda epoch: 1.0 + 10 * epoch,
        "csi_age_s": [0.0, 5e-4],
    }

    def test_a_fit_of_one_trace_hears_what_was_scheduled(self):
        model, monitor = over_the_air(uplink=MOVING), lp.callbacks.LinkMonitor(per="epoch")
        traces, counts, step = [], [], model.train_step
        model.train_step = lambda data: (traces.append(data), step(data))[1]
        count = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: counts.append(len(traces))
        )
        fit(model, 3, [lp.callbacks.ChannelScheduler(**self.COURSES), monitor, count])
        assert counts[0] > 0
        assert len(set(counts)) == 1  # nothing is traced after the first epoch
        snr_db = [row["uplink_snr_db"] for row in monitor.rows]
        assert np.diff(snr_db) == pytest.approx([-10, -10], abs=3)
        symbols = model.uplink.symbols_per_round
        assert float(model.uplink.energy) == pytest.approx(0.1 * 2 * symbols)
        assert float(model.uplink.speed_mps) == 21.0
        assert float(model.uplink.csi_age_s["transmitter"]) == pytest.approx(5e-4)

    def test_a_resumed_run_is_the_uninterrupted_one(self, tmp_path):
        straight = over_the_air(uplink=MOVING)
        fit(straight, 3, [lp.callbacks.ChannelScheduler(**self.COURSES)])
        first = over_the_air(uplink=MOVING)
        fit(first, 2, [lp.callbacks.ChannelScheduler(**self.COURSES)])
        first.save(tmp_path / "model.keras")
        second = keras.saving.load_model(tmp_path / "model.keras")
        assert float(second.uplink.speed_mps) == 11.0
        fit(second, 3, [lp.callbacks.ChannelScheduler(**self.COURSES)], initial_epoch=2)
        assert same(straight, second)

    def test_rounds_by_hand(self):
        model = over_the_air(steps=2, uplink=MOVING)
        scheduler = lp.callbacks.ChannelScheduler(speed_mps=lambda t: 10.0 * t, per="round")
        begun(scheduler, model)
        seen = []
        for batch in (0, 2):
            scheduler.on_train_batch_begin(batch)
            seen.append(float(model.uplink.speed_mps))
        assert seen == [0.0, 20.0]

    @pytest.mark.parametrize(
        ("fields", "uplink", "sentence"),
        [
            ({}, {}, "one of snr_db, speed_mps and csi_age_s must be given; got none"),
            ({"snr_db": []}, {}, "snr_db must have at least one value"),
            ({"snr_db": [1], "per": "batch"}, {}, "per must be 'epoch' or 'round'; got 'batch'"),
            ({"snr_db": [math.nan]}, {}, "snr_db must be finite; got nan in epoch 0"),
            ({"speed_mps": [1.0]}, {}, "a channel that moves; got channel 'awgn'"),
            ({"csi_age_s": [1.0]}, {}, "csi_age_s needs CSI that is outdated; got .* perfect"),
            ({"speed_mps": [-1.0]}, MOVING, r"speed_mps must be >= 0 \(m/s\); got -1 in epoch 0"),
            ({"csi_age_s": [2e-3]}, MOVING, r"between 0 and 0.001 \(s\), .* got 0.002 in epoch 0"),
        ],
    )
    def test_says_what_is_wrong(self, fields, uplink, sentence):
        with pytest.raises(ValueError, match=sentence):
            begun(lp.callbacks.ChannelScheduler(**fields), over_the_air(uplink=uplink))

    def test_two_that_move_the_energy_are_refused(self):
        schedulers = [
            lp.callbacks.PowerScheduler("step"),
            lp.callbacks.ChannelScheduler(snr_db=[1.0]),
        ]
        with pytest.raises(ValueError, match=r"one callback alone .* got PowerScheduler and Chan"):
            fit(over_the_air(), 1, schedulers)
        fit(over_the_air(), 1, schedulers[:1])


class TestGradientSpectrum:
    def test_top_energy(self):
        random = np.random.default_rng(0)
        left, right = (np.linalg.qr(random.normal(size=(n, 4)))[0] for n in (7, 9))
        matrix = left @ np.diag([4.0, 3.0, 2.0, 1.0]) @ right.T
        shares = [top_energy(matrix, top) for top in (1, 2, 4)]
        assert shares == pytest.approx([16 / 30, 25 / 30, 1.0], rel=1e-12)
        assert top_energy(matrix.T, 2) == pytest.approx(25 / 30, rel=1e-12)
        assert math.isnan(top_energy(np.zeros((3, 4)), 2))

    def test_a_fit_sees_its_gradients_and_is_not_disturbed(self, tmp_path):
        plain, watched = (over_the_air(inner_model(noisy=True)) for _ in range(2))
        fit(plain, 2)
        spectrum = lp.callbacks.GradientSpectrum(
            X[:16], Y[:16], top=2, csv=tmp_path / "s.csv", picture=tmp_path / "s.png"
        )
        fit(watched, 2, [spectrum])
        assert same(plain, watched)
        assert read(tmp_path / "s.csv") == spectrum.rows
        assert (tmp_path / "s.png").stat().st_size > 5_000
        (path,) = set(spectrum.rows[0]) - {"epoch"}  # the other matrix has two columns
        assert path == "hidden/kernel"

    def test_equals_the_singular_values_of_the_gradient(self):
        inner = inner_model()
        inner.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        spectrum = begun(lp.callbacks.GradientSpectrum(X, Y, top=3), inner)  # any Keras model
        spectrum.on_epoch_end(0)
        hidden = np.maximum(X @ inner.layers[0].kernel.numpy(), 0)
        logits = hidden @ inner.layers[1].kernel.numpy()
        errors = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True) - np.eye(2)[Y]
        gradient = X.T @ ((hidden > 0) * (errors @ inner.layers[1].kernel.numpy().T)) / len(X)
        energies = np.linalg.svd(gradient, compute_uv=False) ** 2
        (row,) = spectrum.rows
        assert row["hidden/kernel"] == pytest.approx(energies[:3].sum() / energies.sum(), rel=1e-4)

    def test_goes_on_with_its_table(self, tmp_path):
        fields = {"x": X, "y": Y, "top": 2, "every": 2, "csv": tmp_path / "s.csv"}
        fit(over_the_air(), 4, [lp.callbacks.GradientSpectrum(**fields)])
        spectrum = lp.callbacks.GradientSpectrum(**fields)
        fit(over_the_air(), 3, [spectrum], initial_epoch=2)
        assert [row["epoch"] for row in spectrum.rows] == [0, 2]
        assert read(tmp_path / "s.csv") == spectrum.rows

    def test_says_what_is_wrong(self):
        with pytest.raises(ValueError, match="top must be >= 1; got 0"):
            lp.callbacks.GradientSpectrum(X, Y, top=0)
        with pytest.raises(ValueError, match=r"more than top = 8 .* among \['bias'\]"):
            begun(lp.callbacks.GradientSpectrum(X, Y, layers=["bias"]), over_the_air())
        with pytest.raises(ValueError, match="nothing to draw"):
            lp.callbacks.GradientSpectrum(X, Y).plot("x.png")


class TestRoundBudget:
    def test_stops_behind_the_round_that_reaches_it(self, capsys, tmp_path):
        model, monitor = over_the_air(), lp.callbacks.LinkMonitor()
        budget = lp.callbacks.RoundBudget(energy=2000.0)
        fit(model, 9, [budget, monitor])
        spent = 4 * np.cumsum([row["energy_mean_worker"] for row in monitor.rows])
        assert spent[-2] < 2000 <= spent[-1]
        assert model.trace.totals()["energy"] == pytest.approx(spent[-1], rel=1e-6)
        assert capsys.readouterr().out == budget.stopped + "\n"
        assert budget.stopped.startswith(f"RoundBudget: stopped after {len(spent)} rounds, which")
        # nothing is left for another round, before and after saving
        fit(model, 9, [lp.callbacks.RoundBudget(energy=2000.0)])
        model.save(tmp_path / "model.keras")
        again = keras.saving.load_model(tmp_path / "model.keras")
        fit(again, 9, [lp.callbacks.RoundBudget(energy=2000.0)])
        assert int(model.uplink.round) == int(again.uplink.round) == len(spent)
        fit(again, 1)
        assert int(again.uplink.round) == len(spent) + ROUNDS

    def test_a_resumed_run_goes_on_counting(self, tmp_path):
        first = over_the_air()
        fit(first, 1)
        first.save_weights(tmp_path / "one.weights.h5")
        bytes_a_round = first.trace.totals()["control_bytes"] / ROUNDS
        second = over_the_air()
        second.load_weights(tmp_path / "one.weights.h5")
        fit(second, 9, [lp.callbacks.RoundBudget(control_bytes=6 * bytes_a_round)], initial_epoch=1)
        assert int(second.uplink.round) == 6

    def test_air_time_has_the_broadcasts(self):
        down = lp.Downlink(name="broadcast", payload="weights")
        model, monitor = over_the_air(downlink=down, optimizer="sgd"), lp.callbacks.LinkMonitor()
        fit(model, 9, [lp.callbacks.RoundBudget(air_time_s=1e-9), monitor])
        (row,) = monitor.rows
        expected = row["air_time_ms"] + row["downlink_air_time_ms"]
        assert model.trace.totals()["air_time_s"] == pytest.approx(1e-3 * expected)
        assert row["downlink_air_time_ms"] > 0

    def test_says_what_is_wrong(self):
        with pytest.raises(ValueError, match=r"one of energy, energy_total, .* got none"):
            lp.callbacks.RoundBudget()
        with pytest.raises(ValueError, match=r"air_time_s must be > 0 \(s\); got -1"):
            lp.callbacks.RoundBudget(air_time_s=-1)
        plain = inner_model()
        with pytest.raises(ValueError, match="RoundBudget needs a model wrapped in OverTheAir"):
            begun(lp.callbacks.RoundBudget(energy=1.0), plain)


class TestRun:
    def test_a_scenario_writes_events_where_asked_for(self, tmp_path, monkeypatch):
        """Rounds, epochs with the tests of each, and histograms, beside the run's tables."""
        task = {"dataset": "digits", "model": "linear", "workers": 4, "batch_size": 100}
        scenario = {
            "name": "events",
            "task": {**task, "epochs": 2},
            "uplink": {"compressor": "identity", "channel": "awgn"},
        }
        done = lp.run(scenario, out=tmp_path / "run", quiet=True, tensorboard=True)
        scalars, histograms = event_tags(tmp_path / "run" / "tensorboard" / "rounds")
        rounds, history = done.rounds, done.history
        assert [step for step, _ in scalars["round/loss"]] == list(rounds["round"])
        assert [value for _, value in scalars["round/loss"]] == pytest.approx(list(rounds["loss"]))
        assert len(histograms["link/worker_energy"]) == 2
        scalars, _ = event_tags(tmp_path / "run" / "tensorboard" / "epochs")
        for name in ("loss", "val_accuracy"):
            assert [v for _, v in scalars[f"epoch/{name}"]] == pytest.approx(list(history[name]))
        monkeypatch.setitem(sys.modules, "tensorboard", None)
        with pytest.raises(MissingExtra, match="--tensorboard needs tensorboard: pip"):
            lp.run(scenario, out=tmp_path / "other", quiet=True, tensorboard=True)
        assert not (tmp_path / "other").exists()
