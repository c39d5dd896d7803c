"""Splits over workers, and the order in which the feed goes through them."""

import io

import keras
import numpy as np
import pytest

from laser_phy.data import (
    ByLabel,
    DataError,
    Dirichlet,
    Feed,
    Iid,
    check_batch,
    check_shards,
    draw_split,
    label_counts,
    split_table,
)
from laser_phy.data.partition import KINDS as FAMILY

LABELS = np.random.default_rng(0).integers(10, size=1003)
EACH = [Iid(), Iid(size_ratio=4.0), Dirichlet(), Dirichlet(alpha=0.01, size_ratio=4.0), ByLabel()]


@pytest.mark.parametrize("partition", EACH, ids=repr)
@pytest.mark.parametrize("workers", [1, 7, 16])
def test_contract_of_every_partition(partition, workers: int) -> None:
    shards = partition.split(LABELS, workers, seed=3)
    everything = np.concatenate(shards)
    assert len(shards) == workers
    assert len(np.unique(everything)) == len(everything), "an example went to two workers"
    assert everything.min() >= 0
    assert everything.max() < len(LABELS)
    # What is dropped is a remainder: less than an example a worker, or a piece's.
    pieces = workers * getattr(partition, "shards_per_worker", 1)
    assert len(LABELS) - len(everything) < max(pieces, 1)
    assert min(map(len, shards)) == partition.smallest_shard(len(LABELS), workers)
    again, other = (partition.split(LABELS, workers, seed) for seed in (3, 4))
    for a, b in zip(shards, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert any(len(a) != len(b) or (a != b).any() for a, b in zip(shards, other, strict=True))


def test_the_contract_covers_every_kind() -> None:
    assert {type(kind) for kind in EACH} == set(FAMILY)


def test_iid_cuts_one_permutation_into_equal_pieces() -> None:
    shards = Iid().split(np.zeros(60_000), 16, seed=1)
    assert {len(shard) for shard in shards} == {3750}
    # A permutation, not the order of the file: no shard is a run of neighbours.
    assert all(np.ptp(shard) > 50_000 for shard in shards)


def test_size_ratio_is_largest_over_smallest() -> None:
    sizes = np.array([len(s) for s in Iid(size_ratio=8.0).split(np.zeros(150_000), 4, seed=0)])
    np.testing.assert_allclose(sizes[:-1] / sizes[1:], 2.0, rtol=1e-3)
    assert sizes.sum() > 150_000 - 4


def test_dirichlet_mixes_less_with_smaller_alpha() -> None:
    def commonest(alpha: float) -> float:
        shards = Dirichlet(alpha=alpha).split(LABELS, 5, seed=0)
        counts = label_counts(LABELS, shards, 10)
        return float((counts.max(axis=1) / counts.sum(axis=1)).mean())

    shares = [commonest(alpha) for alpha in (1000.0, 1.0, 0.05)]
    assert shares == sorted(shares)
    assert shares[0] < 0.2  # all alike: a tenth each
    assert shares[2] > 0.4


def test_dirichlet_draws_the_law_it_states() -> None:
    # Two equal classes and alpha = 1: a worker's share of a class is uniform between 0 and 1. The
    # second of two workers takes 19 examples of 4,000, so that no class runs out for it.
    labels = np.repeat([0, 1], 2000)
    shares = []
    for seed in range(400):
        shard = Dirichlet(alpha=1.0, size_ratio=200.0).split(labels, 2, seed)[1]  # 19 examples
        shares.append((labels[shard] == 0).mean())
    # Var = Var(p) + E[p (1 - p)] / 19 = 1/12 + (1/6) / 19.
    variance = 1 / 12 + 1 / 6 / 19
    assert len(shard) == 19
    assert abs(np.mean(shares) - 0.5) < 5 * np.sqrt(variance / 400)
    # A uniform law's sample variance deviates by about sqrt(0.8 / 400) of itself.
    assert abs(np.var(shares) / variance - 1) < 5 * np.sqrt(0.8 / 400)


def test_shards_give_few_classes_to_each_worker() -> None:
    labels = np.repeat(np.arange(10), 100)
    counts = label_counts(labels, ByLabel(shards_per_worker=2).split(labels, 10, seed=0), 10)
    assert (np.count_nonzero(counts, axis=1) <= 2).all()
    assert (counts.sum(axis=1) == 100).all()
    assert (np.count_nonzero(counts, axis=1) == 2).any()


def test_refusals() -> None:
    with pytest.raises(DataError, match=r"workers must be between 1 and the 3 .* got 4"):
        Iid().split(np.zeros(3), 4, seed=0)
    with pytest.raises(DataError, match=r"needs one class an example.*partition: iid"):
        Dirichlet().split(np.zeros((50, 8), np.int32), 4, seed=0)
    with pytest.raises(DataError, match=r"shards_per_worker must be <= 250 .* got 300"):
        ByLabel(shards_per_worker=300).split(LABELS, 4, seed=0)
    with pytest.raises(DataError, match=r"<= 12, the examples in the smallest shard; got 32"):
        check_batch(12, 32)
    with pytest.raises(DataError, match=r"<= 2, .* the shard of worker 1; got 3"):
        check_shards([np.arange(5), np.arange(2)], 3)
    with pytest.raises(DataError, match="batch_size must be <= 62"):
        Feed(LABELS, LABELS, Iid().split(LABELS, 16, 0), 63, seed=0)


def feed(batch_size: int = 8, ratio: float = 1.0, seed: int = 5) -> Feed:
    x = np.arange(len(LABELS), dtype=np.float32)[:, np.newaxis]
    shards = Iid(size_ratio=ratio).split(LABELS, 4, seed=1)
    return Feed(x, LABELS.astype(np.int32), shards, batch_size, seed)


def test_an_epoch_is_a_permutation_of_each_shard() -> None:
    source = feed()
    assert source.rounds_per_epoch == 31  # 250 examples a worker, 8 at a time; 2 stay out
    orders = [source.indices(epoch) for epoch in (0, 1)]
    for order in orders:
        by_worker = order.reshape(31, 4, 8)
        for worker, shard in enumerate(source.shards):
            seen = by_worker[:, worker].ravel()
            assert len(np.unique(seen)) == 248
            assert set(seen) <= set(shard)
    assert (orders[0] != orders[1]).any()
    np.testing.assert_array_equal(feed().indices(1), orders[1])
    assert (feed(seed=6).indices(1) != orders[1]).any()


def test_unequal_shards_are_gone_through_at_their_own_pace() -> None:
    source = feed(batch_size=4, ratio=8.0)
    per_pass = [len(shard) // 4 for shard in source.shards]
    assert source.rounds_per_epoch == sum(per_pass) // 4
    rounds = np.concatenate([source.indices(epoch) for epoch in range(6)]).reshape(-1, 4, 4)
    for worker, length in enumerate(per_pass):
        for start in range(0, len(rounds) - length, length):
            one_pass = rounds[start : start + length, worker].ravel()
            assert len(np.unique(one_pass)) == length * 4
            assert set(one_pass) <= set(source.shards[worker])


def test_batches_carry_on_where_a_run_stopped() -> None:
    source = feed()
    whole = [
        (np.asarray(x), np.asarray(y))
        for x, y in source.dataset().take(3 * source.rounds_per_epoch)
    ]
    for x, y in whole:
        assert x.shape == (32, 1)
        np.testing.assert_array_equal(LABELS[x[:, 0].astype(int)], y)
    later = source.dataset(first_epoch=1, first_round=4).take(40)
    for (a, b), (x, y) in zip(whole[31 + 4 :], later, strict=False):
        np.testing.assert_array_equal(a, x)
        np.testing.assert_array_equal(b, y)
    first = np.stack([x[:, 0] for x, _ in whole[:31]])
    np.testing.assert_array_equal(first, source.indices(0))


def test_fit_draws_the_same_batches_after_a_resume() -> None:
    def train(first: int, last: int, weights: list[np.ndarray] | None) -> list[np.ndarray]:
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        if weights:
            model.set_weights(weights)
        # The targets do not fit a line, so the order of the batches shows in the weights.
        model.compile(optimizer=keras.optimizers.SGD(1e-7), loss="mse")
        source = feed()
        model.fit(
            source.dataset(first),
            initial_epoch=first,
            epochs=last,
            steps_per_epoch=source.rounds_per_epoch,
            shuffle=False,
            verbose=0,
        )
        return model.get_weights()

    whole = train(0, 3, None)
    resumed = train(2, 3, train(0, 2, None))
    for a, b in zip(whole, resumed, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_split_is_printed() -> None:
    from rich.console import Console

    def text(labels: np.ndarray, classes: int, names: tuple[str, ...] = ()) -> str:
        shards = Iid().split(labels, 4, seed=0)
        console = Console(file=io.StringIO(), width=120)
        console.print(split_table(labels, shards, classes, names))
        return console.file.getvalue()  # type: ignore[attr-defined]

    short = text(LABELS, 10, tuple("abcdefghij"))
    assert "1000 training examples over 4 workers; 3 left out" in short
    counts = label_counts(LABELS, Iid().split(LABELS, 4, seed=0), 10)
    rows = [line for line in short.split("\n") if line.startswith("│")]
    for row, count in zip(rows, counts, strict=True):
        cells = [cell.strip() for cell in row.split("│")]
        assert cells[2:-1] == ["250", *map(str, count)]
    assert "commonest" in text(np.arange(1000) % 50, 50)
    assert "250" in text(np.zeros((1003, 8), np.int32), 50)


def test_a_split_is_drawn() -> None:
    shards = Dirichlet(alpha=0.2).split(LABELS, 4, seed=0)
    figure = draw_split(LABELS, shards, 10)
    bars = figure.axes[0].patches
    counts = label_counts(LABELS, shards, 10)
    assert [bar.get_height() for bar in bars] == list(counts.T.ravel())
    tops = [bar.get_y() + bar.get_height() for bar in bars[-4:]]
    assert tops == [len(shard) for shard in shards]
    file = io.BytesIO()
    figure.savefig(file)
    assert file.getvalue().startswith(b"\x89PNG")
    assert len(draw_split(np.zeros((1003, 8)), shards, 50).axes[0].patches) == 4
