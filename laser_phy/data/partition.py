"""How the training examples are dealt out to the workers."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from laser_phy.core.kinds import Family, Kind
from laser_phy.core.settings import setting
from laser_phy.data.base import Array, DataError

Shards = list[NDArray[np.int64]]
_STREAM = 0x5041  # keeps these draws apart from others made from the same seed


class Partition(Kind):
    """A way to deal examples out to workers. No example goes to two workers. A kind writes `deal`.

    Attributes:
        needs_classes: it goes by the examples' classes.
    """

    needs_classes: ClassVar[bool] = False

    @property
    def equal(self) -> bool:
        """Workers have equally many examples, of the same mixture."""
        return False

    def split(self, labels: Array, workers: int, seed: int) -> Shards:
        """The examples of each worker.

        Args:
            labels: [example, ...]; the classes, where the split looks at them.
            workers: number of shards.
            seed: fixes the split.

        Returns:
            One int64 array [example of this worker] a worker, with indices into `labels`.

        Raises:
            DataError: if there are fewer examples than workers, or the split needs classes and
                `labels` is not integers of shape [example].
        """
        if workers < 1 or len(labels) < workers:
            raise DataError(
                f"workers must be between 1 and the {len(labels)} training examples; got {workers}."
            )
        return self.deal(labels, workers, np.random.default_rng((seed, _STREAM)))

    def deal(self, labels: Array, workers: int, rng: np.random.Generator) -> Shards:
        """The examples of each worker, as `split` gives them; all draws are from `rng`."""
        raise NotImplementedError

    def smallest_shard(self, examples: int, workers: int) -> int:
        """Examples of the worker that has the fewest."""
        return examples // workers


class _Sized(Partition):
    """A partition in which workers may have different numbers of examples."""

    size_ratio: float = setting(1.0, ge=1, le=1e6, unit="largest shard / smallest shard")
    """How unequal the shards are: sizes fall geometrically from the first worker to the last."""

    def sizes(self, examples: int, workers: int) -> NDArray[np.int64]:
        """Examples of each worker, [workers]; what rounding leaves over is dropped."""
        exponents = np.arange(workers) / max(workers - 1, 1)
        weights = self.size_ratio**-exponents
        # The 1e-9 undoes float rounding just below a whole number.
        return np.floor(weights * (examples / weights.sum()) + 1e-9).astype(np.int64)

    def smallest_shard(self, examples: int, workers: int) -> int:
        return int(self.sizes(examples, workers).min())


class Iid(_Sized):
    """Disjoint pieces of one permutation, equal unless told otherwise; the rest is dropped."""

    name: Literal["iid"] = "iid"

    @property
    def equal(self) -> bool:
        return self.size_ratio == 1

    def deal(self, labels: Array, workers: int, rng: np.random.Generator) -> Shards:
        order = rng.permutation(len(labels))
        ends = np.cumsum(self.sizes(len(labels), workers))
        return np.split(order[: ends[-1]], ends[:-1])


class Dirichlet(_Sized):
    """Every worker has its own mixture of classes, drawn from a Dirichlet law (Hsu et al., 2019).

    Worker k draws its mixture q_k ~ Dirichlet(alpha * p), p the shares of the classes among all
    examples times their number, and takes its examples by it, without replacement; where a class
    has run out, the others fill its place. Sizes do not depend on the mixtures.
    """

    name: Literal["dirichlet"] = "dirichlet"
    needs_classes: ClassVar[bool] = True
    alpha: float = setting(0.5, gt=0, le=1e6, unit="concentration")
    """Large: all workers alike (100). Small: few classes a worker (0.1)."""

    def deal(self, labels: Array, workers: int, rng: np.random.Generator) -> Shards:
        classes = _classes(labels, "dirichlet")
        names, counts = np.unique(classes, return_counts=True)
        prior = counts / counts.mean()
        mixtures = rng.dirichlet(np.maximum(self.alpha * prior, 1e-12), size=workers)
        wanted = self.sizes(len(classes), workers)
        taken = _fill(mixtures, wanted, counts, rng)
        pools = [rng.permutation(np.flatnonzero(classes == name)) for name in names]
        starts = np.cumsum(taken, axis=0) - taken  # worker, class
        return [
            np.concatenate([pool[s : s + n] for pool, s, n in zip(pools, *row, strict=True)])
            for row in zip(starts, taken, strict=True)
        ]


class ByLabel(Partition):
    """Examples sorted by class, cut into equal pieces, a few for every worker (McMahan, 2017)."""

    name: Literal["shards"] = "shards"
    needs_classes: ClassVar[bool] = True
    shards_per_worker: int = setting(2, ge=1, le=65536, unit="pieces")
    """Pieces of each worker: with 2, most workers see two classes."""

    def deal(self, labels: Array, workers: int, rng: np.random.Generator) -> Shards:
        classes = _classes(labels, "shards")
        pieces = workers * self.shards_per_worker
        if pieces > len(classes):
            raise DataError(
                f"shards_per_worker must be <= {len(classes) // workers} (pieces) with {workers} "
                f"workers and {len(classes)} examples; got {self.shards_per_worker}."
            )
        # Shuffled first, so that the remainder is not always the end of the last class's file.
        order = rng.permutation(len(classes))
        order = order[np.argsort(classes[order], kind="stable")]
        size = len(order) // pieces
        kept = np.sort(rng.permutation(len(order))[: size * pieces])
        cut = order[kept].reshape(pieces, size)[rng.permutation(pieces)]
        return list(cut.reshape(workers, self.shards_per_worker * size))

    def smallest_shard(self, examples: int, workers: int) -> int:
        return examples // (workers * self.shards_per_worker) * self.shards_per_worker


KINDS = Family("partition", Partition, Iid, Dirichlet, ByLabel)
AnyPartition: Any = KINDS.field


def check_batch(smallest: int, batch_size: int, worker: int | None = None) -> None:
    """Refuse a shard that does not fill one batch.

    Args:
        smallest: examples of the smallest shard.
        batch_size: examples of each worker in a round.
        worker: who has that shard, where it is known.

    Raises:
        DataError: with both numbers.
    """
    if smallest < batch_size:
        who = "the smallest shard" if worker is None else f"the shard of worker {worker}"
        raise DataError(
            f"batch_size must be <= {smallest}, the examples in {who}; got {batch_size} examples "
            "a worker and round. Lower batch_size or workers, or deal out more evenly."
        )


def check_shards(shards: Shards, batch_size: int) -> None:
    """Refuse shards of which one does not fill a batch.

    Raises:
        DataError: with both numbers, and the worker.
    """
    sizes = [len(shard) for shard in shards]
    worker = int(np.argmin(sizes))
    check_batch(sizes[worker], batch_size, worker)


def _classes(labels: Array, name: str) -> Array:
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise DataError(
            f"partition {name!r} needs one class an example; got labels of type {labels.dtype} "
            f"and shape {labels.shape}. Without classes write partition: iid."
        )
    return labels


def _fill(
    mixtures: Array, wanted: NDArray[np.int64], counts: Array, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Examples [worker, class] near the mixtures; rows sum to `wanted`, columns stay in `counts`.

    Workers take turns, a sixteenth of their examples at a time: were each filled at once, the
    last ones would get what the others left, whatever their mixture.
    """
    taken = np.zeros((len(wanted), len(counts)), np.int64)
    left = counts.astype(np.int64)
    portion = np.maximum(wanted // 16, 1)
    while (missing := wanted - taken.sum(axis=1)).any():
        for worker in np.flatnonzero(missing):
            odds = mixtures[worker] * (left > 0)
            if odds.sum() < 1e-9:
                odds = left.astype(float)
            draw = rng.multinomial(min(missing[worker], portion[worker]), odds / odds.sum())
            draw = np.minimum(draw, left)
            taken[worker] += draw
            left -= draw
    return taken
