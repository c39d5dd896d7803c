"""Images: the data sets, what is done to their pixels, and what is refused."""

import gzip
import itertools
import os
import subprocess
import sys

import numpy as np
import pytest

from laser_phy import data
from laser_phy.data import CropFlip, DataError, Digits, FashionMnist, Feed, Iid, Mnist, Npz


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "x_train": rng.integers(256, size=(60, 6, 5, 3), dtype=np.uint8),
        "y_train": np.arange(60, dtype=np.uint8) % 4,
        "x_test": rng.integers(256, size=(12, 6, 5, 3), dtype=np.uint8),
        "y_test": np.arange(12, dtype=np.uint8)[:, np.newaxis] % 4,
    }


@pytest.fixture
def stored(tmp_path, arrays):
    """Writes the arrays, some of them replaced (None: left out), and gives the path."""

    def write(**changed: np.ndarray | None) -> str:
        kept = {k: v for k, v in (arrays | changed).items() if v is not None}
        np.savez(tmp_path / "own.npz", **kept)
        return str(tmp_path / "own.npz")

    return write


def test_digits_are_split_once_and_for_all() -> None:
    from sklearn.datasets import load_digits

    digits = Digits().load(seed=0)
    assert digits.x_train.shape == (1437, 8, 8, 1)
    assert digits.x_test.shape == (360, 8, 8, 1)
    assert (digits.num_classes, digits.kind, digits.input_shape) == (10, "image", (8, 8, 1))
    assert digits.x_train.dtype == np.float32
    assert digits.y_train.dtype == np.int32
    assert digits.class_names == tuple("0123456789")
    counts = np.bincount(digits.y_test)
    assert counts.min() >= 35
    assert counts.max() <= 37
    other = Digits().load(seed=1)
    np.testing.assert_array_equal(digits.x_train, other.x_train)
    # Together the two parts are the original, each image once, with its own class.
    unit = Digits(normalize={"mean": [0.0], "std": [1.0]}).load()
    pixels = np.concatenate([unit.x_train, unit.x_test])[..., 0] * 16
    classes = np.concatenate([unit.y_train, unit.y_test])
    bunch = load_digits()
    ours = {
        (image.round().astype(int).tobytes(), c) for image, c in zip(pixels, classes, strict=True)
    }
    theirs = {(i.astype(int).tobytes(), c) for i, c in zip(bunch.images, bunch.target, strict=True)}
    assert ours == theirs
    assert unit.x_train.max() == 1.0


def test_pixels_are_normalised_by_the_training_set(stored, arrays) -> None:
    found = Npz(path=stored()).load()
    np.testing.assert_allclose(found.x_train.mean(axis=(0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(found.x_train.std(axis=(0, 1, 2)), 1, atol=1e-5)
    train = arrays["x_train"] / 255.0
    mean, std = train.mean(axis=(0, 1, 2)), train.std(axis=(0, 1, 2))
    expected = (arrays["x_test"] / 255.0 - mean) / std
    np.testing.assert_allclose(found.x_test, expected, atol=1e-5)
    np.testing.assert_array_equal(found.y_test, arrays["y_test"][:, 0])
    given = Npz(path=stored(), normalize={"mean": [0.5], "std": [0.25, 0.5, 1.0]}).load()
    expected = (train - 0.5) / np.array([0.25, 0.5, 1.0])
    np.testing.assert_allclose(given.x_train, expected, atol=1e-5)


def test_float_images_are_taken_as_they_are(stored) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(60, 6, 5))
    path = stored(x_train=x, x_test=x[:12])
    found = Npz(path=path, normalize={"mean": [0.0], "std": [1.0]}).load()
    np.testing.assert_allclose(found.x_train, x[..., np.newaxis].astype(np.float32))
    # A channel without variation is not divided by nothing.
    flat = Npz(path=stored(x_train=np.ones((60, 6, 5)), x_test=x[:12])).load()
    np.testing.assert_array_equal(flat.x_train, 0)


def test_fewer_examples_still_have_every_class(stored, arrays) -> None:
    order = np.argsort(arrays["y_train"], kind="stable")  # a file ordered by class
    path = stored(x_train=arrays["x_train"][order], y_train=arrays["y_train"][order])
    few = Npz(path=path, train_examples=8, test_examples=5)
    found = few.load()
    assert (len(found.x_train), len(found.y_train), len(found.x_test)) == (8, 8, 5)
    np.testing.assert_array_equal(np.bincount(found.y_train), [2, 2, 2, 2])
    assert len(Npz(path=path, train_examples=10_000).load().x_train) == 60
    assert Mnist(train_examples=500).train_examples_known == 500
    assert Mnist().train_examples_known == 60_000
    assert Digits().train_examples_known == len(Digits().load().x_train)
    assert few.train_examples_known is None


HALF = np.full((60, 6, 5, 3), 0.5)
BAD_FILES = [
    ({"y_test": None}, r"lacks y_test; it has x_train, y_train, x_test"),
    (
        {"x_train": np.zeros((60, 30), np.uint8)},
        r"x_train and x_test must hold arrays of one shape",
    ),
    ({"x_train": np.zeros((0, 6, 5, 3), np.uint8)}, "at least one example"),
    ({"x_train": np.zeros((60, 6, 5, 3), np.int64)}, "x_train must be uint8 .*; got int64"),
    ({"x_train": HALF, "x_test": HALF * np.nan}, "x_test must be finite"),
    ({"x_train": HALF}, "images of one shape and type"),
    ({"x_test": np.zeros((12, 6, 6, 3), np.uint8)}, "images of one shape and type"),
    ({"y_train": np.zeros(59, int)}, r"each of the 60 images, shape \(60,\); got \(59,\)"),
    ({"y_train": np.eye(4)[np.zeros(60, int)]}, r"labels.argmax\(axis=1\)"),
    ({"y_test": np.zeros(12)}, "y_test must be integers.*got float64"),
    ({"y_train": np.full(60, -1)}, r"y_train must be >= 0 \(class\); got -1"),
    ({"y_train": np.array([None] * 60)}, "must be numbers, not Python objects"),
]


@pytest.mark.parametrize(("changed", "sentence"), BAD_FILES, ids=[s for _, s in BAD_FILES])
def test_bad_files_are_refused(stored, changed, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        Npz(path=stored(**changed)).load()


def test_what_is_no_npz_file_is_refused(tmp_path, stored) -> None:
    (tmp_path / "text").write_text("not an archive")
    (tmp_path / "empty").write_bytes(b"")
    np.save(tmp_path / "lone.npy", np.zeros(3))
    with gzip.open(tmp_path / "half.npz", "wb") as file:
        file.write(b"PK")
    for name in ("text", "empty", "lone.npy", "half.npz"):
        with pytest.raises(DataError, match=r"npz|cannot be read"):
            Npz(path=str(tmp_path / name)).load()
    with pytest.raises(DataError, match=r"does not exist; .*relative path starts at"):
        Npz(path="no/such/file.npz").load()
    with pytest.raises(DataError, match="is a folder"):
        Npz(path=str(tmp_path)).load()
    with pytest.raises(DataError, match=r"normalize.mean must have 1 or 3 entries.*got \[1.0, 2.0"):
        Npz(path=stored(), normalize={"mean": [1, 2], "std": [1]}).load()


def test_keras_cache_is_read_and_a_missing_download_explained(tmp_path) -> None:
    # In a process of its own: Keras looks for its cache when it is imported. The address is
    # made unreachable, so that the test is the same with and without a network.
    cache = tmp_path / "datasets" / "fashion-mnist"
    cache.mkdir(parents=True)
    for part, count in (("train", 60), ("t10k", 12)):
        for kind, header, size in (
            ("images-idx3", 16, count * 784),
            ("labels-idx1", 8, count),
        ):
            content = np.full(size, 3, np.uint8).tobytes()
            with gzip.open(cache / f"{part}-{kind}-ubyte.gz", "wb") as file:
                file.write(bytes(header) + content)
    program = (
        "from laser_phy.data import FashionMnist, Cifar10, DataError\n"
        "found = FashionMnist(normalize={'mean': [0.0], 'std': [3 / 255]}).load()\n"
        "print(found.x_train.shape, found.x_train.max().round(4), found.class_names[3])\n"
        "try:\n"
        "    Cifar10().load()\n"
        "except DataError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={
            **os.environ,
            "KERAS_HOME": str(tmp_path),
            "https_proxy": "http://127.0.0.1:9",
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "(60, 28, 28, 1) 1.0 dress" in done.stdout
    assert "cifar10 is not in Keras' cache and could not be downloaded" in done.stdout
    assert "kriz/cifar-10-python.tar.gz" in done.stdout
    assert f"as {tmp_path}/datasets/cifar-10-batches-py-target_archive" in done.stdout


def test_settings_import_nothing_heavy_and_speak_yaml() -> None:
    program = (
        "import sys\n"
        "import laser_phy.data\n"
        "print([m for m in ('tensorflow', 'keras', 'sklearn', 'sionna', 'datasets', 'tokenizers',"
        " 'matplotlib') if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
    config = {"name": "digits", "augment": "crop_flip", "normalize": {"mean": [0.1], "std": [1]}}
    settings = Digits.from_config(config)
    assert settings.augment == CropFlip()
    assert Digits.from_config(settings.to_config()) == settings
    with pytest.raises(ValueError, match=r"std must be > 0 in every channel"):
        Digits(normalize={"mean": [0.0], "std": [0.0]})


def test_crop_flip_cuts_windows_of_the_padded_image() -> None:
    import tensorflow as tf

    augment = CropFlip(padding=2)
    images = np.random.default_rng(0).normal(size=(400, 4, 3, 2)).astype(np.float32)
    black = np.array([-1.5, 7.0], np.float32)
    changed = np.asarray(augment.apply(tf.constant(images), tf.constant([1, 2]), black))
    assert changed.shape == images.shape
    seen = set()
    for image, result in zip(images, changed, strict=True):
        padded = np.full((8, 7, 2), black)
        padded[2:6, 2:5] = image
        for top, left, flip in itertools.product(range(5), range(5), (False, True)):
            window = padded[top : top + 4, left : left + 3]
            if np.allclose(window[:, ::-1] if flip else window, result, atol=1e-5):
                seen.add((top, left, flip))
                break
        else:
            pytest.fail("not a window of the padded image")
    assert {s[0] for s in seen} == set(range(5))
    assert {s[1] for s in seen} == set(range(5))
    assert len(seen) > 40  # of 50, with eight images to each
    still = CropFlip(padding=0, flip=False).apply(tf.constant(images), tf.constant([1, 2]), black)
    np.testing.assert_allclose(still, images, atol=1e-5)


def test_augmentation_is_a_function_of_seed_epoch_and_round() -> None:
    settings = Digits(augment={"name": "crop_flip", "padding": 1}, train_examples=64)
    digits = settings.load()
    shards = Iid().split(digits.y_train, 2, seed=0)

    def images(seed: int, first_epoch: int, count: int) -> list[np.ndarray]:
        feed = Feed.of(digits, shards, 8, seed)
        return [np.asarray(x) for x, _ in feed.dataset(first_epoch).take(count)]

    whole = images(0, 0, 12)  # four rounds an epoch
    for a, b in zip(whole[4:], images(0, 1, 8), strict=True):
        np.testing.assert_array_equal(a, b)
    assert (whole[0] != images(1, 0, 1)[0]).any()
    # The same example looks different in another epoch.
    feed = Feed.of(digits, shards, 8, 0)
    first, second = feed.indices(0).ravel(), feed.indices(1).ravel()
    before, after = np.concatenate(whole[:4]), np.concatenate(whole[4:8])
    same = [
        np.array_equal(before[i], after[np.flatnonzero(second == example)[0]])
        for i, example in enumerate(first)
    ]
    # Nine windows, flipped or not: two draws agree one time in 18 at least.
    assert np.mean(same) < 0.5
    # The test images are left alone.
    np.testing.assert_array_equal(digits.x_test, Digits(train_examples=64).load().x_test)


def test_every_data_set_is_exported() -> None:
    names = [kind.model_fields["name"].default for kind in data.KINDS]
    assert names == [
        "digits",
        "mnist",
        "fashion_mnist",
        "cifar10",
        "cifar100",
        "npz",
        "pydocs",
        "text",
        "wikitext103",
    ]
    assert FashionMnist in data.KINDS
