"""What is learnt besides classes, and kinds of task that users bring, in real runs."""

import json
from collections.abc import Callable

import numpy as np
import pytest

import laser_phy as lp
from laser_phy.core.kinds import for_a_while
from laser_phy.core.metric_names import higher_is_better
from laser_phy.data import Data, Dataset
from laser_phy.data.partition import Partition
from laser_phy.experiments.model_settings import Model
from laser_phy.experiments.objective import ObjectiveError
from laser_phy.experiments.optimizer_settings import LearningRate, Optimizer
from laser_phy.experiments.scenario import Scenario, load_scenario

WEIGHTS = np.random.default_rng(1).normal(size=(6, 3)).astype(np.float32)


def arrays(make: Callable[[np.ndarray], np.ndarray], shape=(6,)) -> dict[str, np.ndarray]:
    """400 examples to train on, 120 to test, of standard normal numbers."""
    random = np.random.default_rng(0)
    x = 3 + 2 * random.normal(size=(520, *shape)).astype(np.float32)
    return {
        "x_train": x[:400], "y_train": make(x[:400]), "x_test": x[400:], "y_test": make(x[400:]),
    }  # fmt: skip


def reals(x):
    return ((x - 3) @ WEIGHTS / 2).astype(np.float32)


def labels(x):
    return (reals(x) > 0).astype(np.int64)


def scenario(path, **task):
    defaults = {
        "dataset": {"name": "npz", "path": str(path)}, "model": "linear", "workers": 4,
        "batch_size": 10, "epochs": 8, "optimizer": {"name": "sgd", "learning_rate": 0.1},
    }  # fmt: skip
    return {
        "name": "task", "task": {**defaults, **task},
        "uplink": {"compressor": "identity", "channel": "awgn", "power": {"snr_db": 20.0}},
    }  # fmt: skip


def ran(tmp_path, tree, stored=None):
    if stored is not None:
        np.savez(tmp_path / "data.npz", **stored)
    return lp.run(tree, out=tmp_path / "run", quiet=True)


class TestTargets:
    def test_reals(self, tmp_path):
        """A linear map is found; the run is judged by its error, the smallest of which is best."""
        run = ran(tmp_path, scenario(tmp_path / "data.npz"), arrays(reals))
        metric = run.summary["metric"]
        assert metric["name"] == "val_mean_absolute_error"
        errors = run.history["val_mean_absolute_error"]
        assert metric["best"] == errors.min() < 0.1 * errors.iloc[0]
        assert (tmp_path / "run" / "overview.png").is_file()

    def test_several_labels(self, tmp_path):
        run = ran(tmp_path, scenario(tmp_path / "data.npz"), arrays(labels))
        assert run.summary["metric"]["name"] == "val_binary_accuracy"
        assert run.summary["metric"]["final"] > 0.9  # 0.5 by chance, and on logits taken as odds

    def test_sequences(self, tmp_path):
        def sums(x):
            return x.sum(axis=(1, 2))[:, np.newaxis].astype(np.float32) / 20

        tree = scenario(
            tmp_path / "data.npz", model=recurrent, epochs=12,
            dataset={"name": "npz", "path": str(tmp_path / "data.npz"), "inputs": "array"},
        )  # fmt: skip
        run = ran(tmp_path, tree, arrays(sums, shape=(5, 4)))
        loss = run.history["val_loss"]
        assert loss.iloc[-1] < 0.3 * loss.iloc[0]
        assert run.summary["kinds"][0]["kind"] == "model recurrent"

    def test_flat_classes(self, tmp_path):
        run = ran(
            tmp_path, scenario(tmp_path / "data.npz"), arrays(lambda x: reals(x).argmax(axis=1))
        )
        assert run.summary["metric"]["name"] == "val_accuracy"
        assert run.summary["metric"]["final"] > 0.85


def recurrent(data: Data, seed: int, units: int = 8):
    """A recurrent layer over the steps."""
    import keras

    return keras.Sequential(
        [
            keras.Input(data.input_shape),
            keras.layers.SimpleRNN(units),
            keras.layers.Dense(data.outputs),
        ]
    )


class TestLossAndMetrics:
    def test_by_keras_names_with_settings(self, tmp_path):
        tree = scenario(
            tmp_path / "data.npz",
            loss={"name": "huber", "delta": 0.5},
            metrics=["root_mean_squared_error", {"name": "mean_squared_error"}],
        )
        run = ran(tmp_path, tree, arrays(reals))
        assert run.summary["metric"]["name"] == "val_root_mean_squared_error"
        last = run.history.iloc[-1]
        root = last["val_root_mean_squared_error"]
        assert root**2 == pytest.approx(last["val_mean_squared_error"], rel=1e-3)
        assert last["val_loss"] == pytest.approx(root**2 / 2, rel=0.05)  # Huber's of small errors
        written = load_scenario(tmp_path / "run" / "scenario.yaml")
        assert written.task.loss.to_config() == {"name": "huber", "delta": 0.5}
        assert written == Scenario.from_config(written.to_config())

    def test_no_metrics_the_loss_judges(self, tmp_path):
        run = ran(tmp_path, scenario(tmp_path / "data.npz", metrics=[]), arrays(reals))
        assert run.summary["metric"]["name"] == "val_loss"
        assert run.summary["metric"]["best"] == run.history["val_loss"].min()

    def test_metrics_of_logits(self, tmp_path):
        tree = scenario(tmp_path / "data.npz", metrics=["binary_accuracy", "auc", "precision"])
        last = ran(tmp_path, tree, arrays(labels)).history.iloc[-1]
        assert min(last["val_auc"], last["val_precision"]) > 0.9

    @pytest.mark.parametrize(
        ("task", "said"),
        [
            ({"loss": "mean_squared_eror"}, "did you mean 'mean_squared_error'"),
            ({"loss": {"name": "huber", "delt": 1}}, "huber does not take .*It takes .*delta"),
            ({"metrics": ["accuracies"]}, "task.metrics cannot be 'accuracies'"),
        ],
    )
    def test_what_keras_does_not_have(self, tmp_path, task, said):
        with pytest.raises(ObjectiveError, match=said):
            ran(tmp_path, scenario(tmp_path / "data.npz", **task), arrays(reals))

    def test_which_way_is_better(self):
        assert all(map(higher_is_better, ("val_accuracy", "val_auc", "val_r2_score", "precision")))
        down = ("val_loss", "val_perplexity", "mean_absolute_error", "val_binary_crossentropy")
        assert not any(map(higher_is_better, down))


class TestFiles:
    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"y_train": np.eye(3)[np.zeros(400, int)]}, "for several labels an example, targets"),
            ({"y_train": np.full(400, np.nan)}, "y_train must be finite numbers"),
            ({"x_train": np.full((400, 6), np.inf, np.float32)}, "x_train must be finite"),
            ({"y_test": np.zeros((120, 2))}, "must have as many columns"),
        ],
    )
    def test_what_does_not_fit(self, tmp_path, changes, said):
        with pytest.raises(lp.data.DataError, match=said):
            ran(tmp_path, scenario(tmp_path / "data.npz"), arrays(reals) | changes)

    def test_a_split_by_class_of_what_has_none(self, tmp_path):
        tree = scenario(tmp_path / "data.npz", partition="dirichlet")
        with pytest.raises(lp.data.DataError, match="Without classes write partition: iid"):
            ran(tmp_path, tree, arrays(reals))

    def test_an_image_model_of_a_table(self, tmp_path):
        tree = scenario(tmp_path / "data.npz", model={"name": "resnet18", "width": 4})
        with pytest.raises(lp.data.DataError, match="'resnet18' learns from image data"):
            ran(tmp_path, tree, arrays(reals))


# ---- kinds of a user's ----


class Waves(Dataset):
    """Points of a sine."""

    noise: float = 0.1

    def load(self, seed=0):
        random = np.random.default_rng(seed)
        x = random.uniform(-3, 3, size=(300, 1)).astype(np.float32)
        y = np.sin(x) + self.noise * random.normal(size=x.shape).astype(np.float32)
        return Data("waves", "array", x[:240], y[:240], x[240:], y[240:], target="real")


class BySize(Partition):
    """Sorted by the first target, cut into pieces."""

    def deal(self, labels, workers, rng):
        order = np.argsort(labels.reshape(len(labels), -1)[:, 0])
        return list(order[: len(order) // workers * workers].reshape(workers, -1))


class Bumps(Model):
    """Radial functions in a row, and a linear layer on them."""

    count: int = 12

    def create(self, data, seed):
        import keras

        def bumps(x):
            return keras.ops.exp(-keras.ops.square(x - keras.ops.linspace(-3.0, 3.0, self.count)))

        inputs = keras.Input(data.input_shape)
        return keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Lambda(bumps)(inputs)))


class Slowing(Optimizer):
    """Keras' own."""

    def create(self, rate):
        import keras

        return keras.optimizers.Adagrad(rate)


class Falling(LearningRate):
    """A little less at every epoch."""

    def build(self, learning_rate, rounds, rounds_per_epoch):
        import keras

        return keras.optimizers.schedules.ExponentialDecay(learning_rate, rounds_per_epoch, 0.9)


def test_a_dataset_a_partition_a_model_and_an_optimizer_of_ones_own(tmp_path):
    tree = scenario(
        "none", dataset=Waves(noise=0.05), partition=BySize(), model=Bumps(), epochs=10,
        optimizer=Slowing(learning_rate=0.5, schedule=Falling()),
    )  # fmt: skip
    with for_a_while():
        run = ran(tmp_path, tree)
        assert run.history["val_loss"].iloc[-1] < 0.25  # 0.5 is the variance of a sine
        kinds = json.loads((tmp_path / "run" / "kinds.json").read_text())
        names = {one["kind"].split()[-1] for one in kinds}
        assert names == {"waves", "by_size", "bumps", "slowing", "falling"}
        again = load_scenario(tmp_path / "run" / "scenario.yaml")
        assert again.task.dataset == Waves(noise=0.05)
        assert lp.load_run(tmp_path / "run").scenario == again
    with pytest.raises(lp.core.errors.Refusal, match="dataset cannot be 'waves'"):
        load_scenario(tmp_path / "run" / "scenario.yaml")


def test_a_registered_function_by_its_name(tmp_path):
    with for_a_while():
        lp.register(recurrent, family="model")
        model = {"name": "recurrent", "units": 3}
        assert Scenario.from_config(scenario("x", model=model)).task.model.units == 3
        with pytest.raises(lp.SettingsError, match="unts is not a known key"):
            Scenario.from_config(scenario("x", model={"name": "recurrent", "unts": 3}))
