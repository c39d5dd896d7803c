"""Split of a round's energy over the blocks of a message.

Worker k asks for the share w_k[j] of block j, the server averages: p_j = P mean_k w_k[j], over the
workers that have something to send. All workers use the amplitude
a_j = sqrt(p_j) / max_k ||b_k s_k||_j (`budget: round`, the norm after
precoding) or sqrt(p_j) / max_k ||x_k[j]|| (`budget: mean`, where the rule has E|b|^2 = 1).

A new kind is one class with `weights`, and its name in `ALLOCATIONS`.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from pydantic import SerializerFunctionWrapHandler, model_serializer

from laser_phy.core.kinds import Family, Kind
from laser_phy.core.lazy import tf
from laser_phy.power.optimal import (
    energy_weights,
    first_factor_share,
    linear_weights,
    wiener_energies,
)


class Decoding(NamedTuple):
    """What an allocation may know of how blocks are decoded.

    Attributes:
        noise_gains: [block] ||D_j||_F^2 of the decoder: noise of variance v a real adds that many
            times v of error to the gradient.
        energies: reals are sent as energies, and not as amplitudes.
        shrinks: energy P, workers K and correlation of messages, before a receiver that estimates
            with least error on white noise; else None.
    """

    noise_gains: Any = 1.0
    energies: bool = False
    shrinks: tuple[Any, int, float] | None = None


class Allocation(Kind):
    """Settings of a split. A kind writes `weights`; without fields it is written as its name."""

    def weights(self, sent: Any, source: Any, decoding: Decoding) -> Any:
        """What each worker asks for, [worker, block] >= 0, before it is normalised to sum 1.

        Args:
            sent: [worker, block] float32 norm of each block as sent, over the worker's largest.
            source: [worker, block] norm of gradient plus memory behind it, over its largest.
            decoding: how blocks are decoded.
        """
        raise NotImplementedError

    def signals_more(self, norms_tell: bool) -> bool:
        """A worker's share is not told by what it signals anyhow: a second number a block.

        Args:
            norms_tell: what it signals is the norm of the block as sent.
        """
        return True

    def first_pass(self, sizes: Any, later: Any, energy: Any, workers: int, default: float) -> Any:
        """[block] share of a block's energy that the first of two passes takes.

        Args:
            sizes: [block] reals of the first pass.
            later: [block] reals of the second pass for the same matrix.
            energy: [block] for both passes.
            workers: K; the K workers' messages are taken for alike.
            default: share where nothing better is known.
        """
        return default * tf.ones_like(energy)

    @model_serializer(mode="wrap")
    def _in_short(self, handler: SerializerFunctionWrapHandler) -> Any:
        fields = handler(self)
        return self.name if len(type(self).model_fields) == 1 else fields


class Uniform(Allocation):
    """Every block has the same energy."""

    name: Literal["uniform"] = "uniform"

    def weights(self, sent: Any, source: Any, decoding: Decoding) -> Any:
        return tf.ones_like(sent)

    def signals_more(self, norms_tell: bool) -> bool:
        return False


class Norm(Allocation):
    """In proportion to the norm of gradient plus memory."""

    name: Literal["norm"] = "norm"

    def weights(self, sent: Any, source: Any, decoding: Decoding) -> Any:
        return source


class SquaredNorm(Allocation):
    """In proportion to the squared norm of gradient plus memory."""

    name: Literal["squared_norm"] = "squared_norm"

    def weights(self, sent: Any, source: Any, decoding: Decoding) -> Any:
        return tf.square(source)


class CompressedNorm(Allocation):
    """In proportion to the norm of what is sent."""

    name: Literal["compressed_norm"] = "compressed_norm"

    def weights(self, sent: Any, source: Any, decoding: Decoding) -> Any:
        return sent

    def signals_more(self, norms_tell: bool) -> bool:
        return not norms_tell


class Optimal(Allocation):
    """The shares of least decoded error for the compressor and the receiver."""

    name: Literal["optimal"] = "optimal"

    def weights(self, sent: Any, source: Any, decoding: Decoding) -> Any:
        gains = decoding.noise_gains
        if decoding.energies:
            # ||x||_1 of n Gaussian numbers is sqrt(2 n / pi) ||x||, and norms are what is signalled
            return energy_weights(tf.sqrt(gains) * sent, gains)
        if decoding.shrinks is not None:
            return _wiener(sent, gains, *decoding.shrinks)
        return linear_weights(sent, gains)

    def signals_more(self, norms_tell: bool) -> bool:
        return False

    def first_pass(self, sizes: Any, later: Any, energy: Any, workers: int, default: float) -> Any:
        best = first_factor_share(sizes, later, workers**2 * energy)
        return tf.where(best > 0, best, default * tf.ones_like(energy))


ALLOCATIONS = Family(
    "power.allocation", Allocation, Uniform, Norm, SquaredNorm, CompressedNorm, Optimal
)
AnyAllocation: Any = ALLOCATIONS.field


def mean_shares(
    allocation: Allocation, sent_norms: Any, source_norms: Any, decoding: Decoding | None = None
) -> Any:
    """Shares [block] of the budget, averaged over workers that ask; a zero block has none.

    Args:
        allocation: of the energy.
        sent_norms: [worker, block] norm of each block as sent.
        source_norms: [worker, block] norm of gradient plus memory behind it.
        decoding: how blocks are decoded.
    """
    # Relative to the largest, or the square of a small norm would vanish in float32.
    sent = tf.math.divide_no_nan(sent_norms, tf.reduce_max(sent_norms, axis=1, keepdims=True))
    source = tf.math.divide_no_nan(source_norms, tf.reduce_max(source_norms, axis=1, keepdims=True))
    weights = allocation.weights(sent, source, decoding or Decoding())
    weights = tf.where(sent_norms > 0, weights, 0.0)
    shares = tf.math.divide_no_nan(weights, tf.reduce_sum(weights, axis=1, keepdims=True))
    asking = tf.reduce_sum(tf.cast(tf.reduce_any(weights > 0, axis=1), tf.float32))
    return tf.math.divide_no_nan(tf.reduce_sum(shares, axis=0), asking)


def _wiener(norms: Any, gains: Any, energy: Any, workers: int, correlation: float) -> Any:
    """What a worker asks for who takes the others' messages for as long as its own."""
    alike = correlation + (1 - correlation) / workers  # ||mean||^2 over one message's
    square = tf.square(norms)
    return wiener_energies(gains * square / workers**2, alike * square, energy)


def first_pass_shares(
    allocation: Allocation, sizes: Any, later: Any, energy: Any, workers: int, default: float
) -> Any:
    """[block] share of a block's energy that the first of two passes takes; 1 where one is all.

    Args: as for `Allocation.first_pass`; `later` is 0 for a block that has no second pass.
    """
    shares = allocation.first_pass(sizes, later, energy, workers, default)
    return tf.where(later > 0, shares, 1.0)
