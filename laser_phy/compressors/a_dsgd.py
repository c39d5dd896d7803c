"""A-DSGD: the largest entries through a random projection (Amiri, Gunduz, 2019)."""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np
from pydantic import model_validator

from laser_phy.compressors.base import Compressor, Message, Shapes, Tensors, norms
from laser_phy.compressors.compressed_sensing import Projection, message_passing
from laser_phy.compressors.error_feedback import FeedbackCodec
from laser_phy.compressors.shared_randomness import reals_of
from laser_phy.core.lazy import tf
from laser_phy.core.settings import setting

LEAST_ENTRIES = 8
AMP_REACH = 0.13


class ADsgd(Compressor):
    """x_k = A top_k(M_k), M_k = e_k + g_k; the server finds the sparse mean by message passing.

    A has s = f n rows, the same at all workers, and k = sparsity s entries are kept. The worker
    keeps the rest: e_k = M_k - top_k(M_k). Recovery needs the entries that *any* worker sent to be
    fewer than about 0.13 s at f = 0.1: workers whose data are alike send the same ones, and others
    want a smaller `sparsity`. A tensor too small to keep 8 entries is sent as it is.

    The scheme was drawn with a reference symbol, by which the server learns the workers' scales.
    Here all workers scale alike and their norms are known, so that none is sent.

    `decoder: linear` takes (s/n) A^T y, the pseudo-inverse, as the LASER paper's code does. It errs
    even without noise, but without bias, and noise averages out over rounds: where the noise is
    above the message, message passing hears nothing and `linear` still learns.
    """

    name: Literal["a_dsgd"] = "a_dsgd"
    factor: float = setting(0.2, gt=0, le=1, unit="rows an entry")
    """f, the number of rows of the projection over the number of entries of a tensor."""
    sparsity: float = setting(0.1, gt=0, le=1, unit="entries a row")
    """k / s; message passing finds the entries again up to 0.13."""
    decoder: Literal["amp", "linear"] = "amp"
    """Approximate message passing, or the pseudo-inverse."""
    iterations: int = setting(20, ge=1, le=1000, unit="steps of message passing")
    """Most steps of the decoder."""
    threshold: float = setting(2.0, gt=0, le=10, unit="error of an entry")
    """lambda, what an entry must exceed to count."""
    error_feedback: bool = True
    """Keep what was not sent, and add it to the next gradient."""

    @model_validator(mode="after")
    def _can_be_found(self) -> Self:
        if self.decoder == "amp" and self.sparsity > AMP_REACH:
            raise ValueError(
                f"sparsity must be <= {AMP_REACH} (entries a row) with decoder amp, which does not "
                f"find more of them again; got {self.sparsity:g}. Write decoder: linear to keep "
                "more."
            )
        return self

    def build(self, shapes: Shapes, key: int) -> ADsgdCodec:
        return ADsgdCodec(shapes, key, self)


class ADsgdCodec(FeedbackCodec):
    """Blocks are the projections, or the tensors where they are too small to project."""

    linear = False
    rounding = 1e-3  # message passing ends before that

    def __init__(self, shapes: Shapes, key: int, settings: ADsgd) -> None:
        super().__init__(shapes, key, settings.error_feedback)
        self.settings = settings
        self.entries = [self._entries(size) for size in self.sizes]
        self.projections = [
            Projection(size, reals_of(size, settings.factor), [key, tensor]) if entries else None
            for tensor, (size, entries) in enumerate(zip(self.sizes, self.entries, strict=True))
        ]
        self.phases = (
            tuple(
                projection.rows if projection else size
                for projection, size in zip(self.projections, self.sizes, strict=True)
            ),
        )

    def _entries(self, size: int) -> int:
        entries = int(self.settings.sparsity * reals_of(size, self.settings.factor))
        return entries if entries >= LEAST_ENTRIES else 0

    def encode(
        self, phase: int, gradients: Tensors, memory: Any, state: Tensors
    ) -> tuple[Message, Any]:
        sources = self.sources(gradients, memory)
        sparse = [
            _largest(source, entries) if entries else source
            for source, entries in zip(sources, self.entries, strict=True)
        ]
        blocks = [
            projection.forward(x) if projection else x
            for projection, x in zip(self.projections, sparse, strict=True)
        ]
        return self.pack(blocks, norms(sources)), self.remains(sources, sparse)

    def decode(self, phase: int, reals: Any, state: Tensors) -> tuple[Tensors, Tensors]:
        gradients = [
            self._undo(projection, block) if projection else block
            for projection, block in zip(
                self.projections, tf.split(reals, self.phases[0]), strict=True
            )
        ]
        return self.shaped(gradients), state

    def _undo(self, projection: Projection, y: Any) -> Any:
        if self.settings.decoder == "linear":
            return projection.rows / projection.size * projection.transposed(y)
        return message_passing(projection, y, self.settings.iterations, self.settings.threshold)


def _largest(x: Any, entries: int) -> Any:
    """`x` [entry] with all but its `entries` largest magnitudes set to 0."""
    _, index = tf.math.top_k(tf.abs(x), entries, sorted=False)
    return tf.scatter_nd(index[:, np.newaxis], tf.gather(x, index), tf.shape(x))
