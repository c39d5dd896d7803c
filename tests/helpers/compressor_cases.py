"""Compressors under their contract, and their protocol without air."""

from dataclasses import dataclass

import numpy as np
import pytest

import laser_phy as lp
from laser_phy.compressors import (
    ADsgd,
    Compressor,
    Digital,
    Identity,
    Laser,
    RandomK,
    Signum,
    Sketch,
)
from laser_phy.testing.compressors import NoiselessLink

# two pairs of equal shapes, one of them small, a convolution kernel and vectors
SHAPES = [(40, 30), (40, 30), (3, 3, 8, 16), (12,), (12,)]
WORKERS, KEY = 3, 7


@dataclass(frozen=True)
class Case:
    """A compressor, and what it claims of itself.

    Attributes:
        compressor: its settings.
        exact: what arrives without noise is the mean of what came in, less what is kept.
        rank: gradients of this rank, the same at all workers, leave no residual...
        in_rounds: ... in rounds t with t % period in these.
        stable: what is kept stays bounded.
        separate: what is decoded of a tensor is no matter of the others.
        draws: tensors of one shape are compressed by draws of their own.
        tolerance: relative to the largest number; float32 rounding, or an iterative decoder's end.
    """

    compressor: Compressor
    exact: bool = True
    rank: int = 0
    in_rounds: tuple[int, ...] = ()
    period: int = 1
    tolerance: float = 2e-5
    stable: bool = True
    separate: bool = True
    draws: bool = True

    @property
    def feedback(self) -> bool:
        return getattr(self.compressor, "error_feedback", False)

    @property
    def name(self) -> str:
        fields = self.compressor.model_dump(exclude_defaults=True)
        return " ".join([self.compressor.name, *map(str, fields.values())])


CASES = [
    Case(Identity(), rank=30, in_rounds=(0,), draws=False),
    Case(Laser(rank=2), rank=2, in_rounds=(1,), period=2),
    Case(Laser(rank=1), rank=1, in_rounds=(1,), period=2),
    Case(Laser(rank=2, blocks="column"), rank=2, in_rounds=(1,), period=2),
    Case(Laser(rank=2, error_feedback=False), rank=2, in_rounds=(1,), period=2, exact=False),
    Case(Laser(rank=2, factors="both"), rank=2, in_rounds=(0,)),
    Case(Laser(rank=1, factors="both"), rank=1, in_rounds=(0,)),
    Case(Laser(rank=2, factors="both", blocks="column"), rank=2, in_rounds=(0,)),
    Case(Laser(rank=2, factors="both", error_feedback=False), exact=False),
    Case(RandomK(factor=0.2)),
    Case(RandomK(factor=1.0), rank=30, in_rounds=(0,)),
    Case(RandomK(error_feedback=False), exact=False),
    Case(Sketch(factor=0.2), exact=False),
    Case(Sketch(factor=0.2, error_feedback=True), stable=False),
    Case(Signum(), exact=False, draws=False),
    Case(ADsgd(factor=0.5, sparsity=0.05, iterations=40), tolerance=1e-3),
    Case(ADsgd(factor=0.5, sparsity=0.5, decoder="linear", error_feedback=False), exact=False),
    Case(Digital(), separate=False, draws=False),
    Case(Digital(error_feedback=False), exact=False, separate=False, draws=False),
]
every = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def those(claim):
    """Runs a test for the cases of which `claim` is true."""
    cases = [case for case in CASES if claim(case)]
    assert cases
    return pytest.mark.parametrize("case", cases, ids=lambda case: case.name)


def gradients(workers=WORKERS, seed=0, alike=False, rank=None):
    """[worker][tensor] float32; of this rank, seen as the matrices LASER compresses."""
    random = np.random.default_rng(seed)

    def one(shape):
        if rank is None or len(shape) == 1:
            return random.standard_normal(shape)
        rows = int(np.prod(shape[:-1]))
        r = min(rank, rows, shape[-1])
        left, right = random.standard_normal((rows, r)), random.standard_normal((r, shape[-1]))
        return (left @ right).reshape(shape)

    first = [[one(shape).astype(np.float32) for shape in SHAPES] for _ in range(workers)]
    return [first[0]] * workers if alike else first


class Link(NoiselessLink):
    """The protocol without air, for `WORKERS` workers."""

    def __init__(self, codec, workers=WORKERS):
        super().__init__(codec, workers)

    def kept(self):
        """Mean over workers of what is kept, as the tensors it belongs to; zeros where none is."""
        mean = np.mean([memory.numpy() for memory in self.memories], axis=0)
        compressed = getattr(self.codec, "compressed", [True] * len(SHAPES))
        parts, start = [], 0
        for shape, counts in zip(SHAPES, compressed, strict=True):
            size = int(np.prod(shape)) if counts and len(mean) else 0
            parts.append(mean[start : start + size].reshape(shape) if size else np.zeros(shape))
            start += size
        assert start == len(mean)
        return parts


def build(case_or_compressor, key=KEY, shapes=SHAPES):
    compressor = getattr(case_or_compressor, "compressor", case_or_compressor)
    return compressor.build(shapes, key)


def mean(workers_gradients):
    return [np.mean(tensors, axis=0) for tensors in zip(*workers_gradients, strict=True)]


def assert_close(actual, expected, tolerance):
    scale = max(1.0, *(np.abs(e).max() for e in expected))
    for a, e in zip(actual, expected, strict=True):
        np.testing.assert_allclose(a, e, atol=tolerance * scale)


def uplink_of(compressor, **fields):
    config = {"compressor": compressor.to_config(), "channel": "ideal", "power_control": "none"}
    uplink = lp.Uplink.from_config({**config, **fields})
    uplink.build(SHAPES, WORKERS, seed=3)
    return uplink
