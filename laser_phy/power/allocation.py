"""Split of a round's energy over the blocks of a message.

Worker k asks for the share w_k[j] of block j, the server averages: p_j = P mean_k w_k[j], over the
workers that have something to send. All workers use the amplitude
a_j = sqrt(p_j) / max_k ||b_k s_k||_j (`budget: round`, the norm after
precoding) or sqrt(p_j) / max_k ||x_k[j]|| (`budget: mean`, where the rule has E|b|^2 = 1).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from laser_phy.core.lazy import tf
from laser_phy.power.optimal import (
    energy_weights,
    first_factor_share,
    linear_weights,
    wiener_energies,
)

# name -> weights [worker, block] before normalisation, from (sent norms, source norms, gains)
ALLOCATIONS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "uniform": lambda sent, source, gains: tf.ones_like(sent),
    "norm": lambda sent, source, gains: source,
    "squared_norm": lambda sent, source, gains: tf.square(source),
    "compressed_norm": lambda sent, source, gains: sent,
    "optimal": lambda sent, source, gains: linear_weights(sent, gains),
}


def mean_shares(
    allocation: str,
    sent_norms: Any,
    source_norms: Any,
    noise_gains: Any = 1.0,
    receiver: str = "scale",
    shrinks: tuple[Any, int, float] | None = None,
) -> Any:
    """Shares [block] of the budget, averaged over workers that ask; a zero block has none.

    Args:
        allocation: name in `ALLOCATIONS`.
        sent_norms: [worker, block] norm of each block as sent.
        source_norms: [worker, block] norm of gradient plus memory behind it.
        noise_gains: [block] ||D_j||_F^2 of the decoder, for `optimal`.
        receiver: name of the receiver, for `optimal`.
        shrinks: energy P, workers K and correlation of messages, for `optimal` before a receiver
            that estimates with least error on white noise.
    """
    # Relative to the largest, or the square of a small norm would vanish in float32.
    sent = tf.math.divide_no_nan(sent_norms, tf.reduce_max(sent_norms, axis=1, keepdims=True))
    source = tf.math.divide_no_nan(source_norms, tf.reduce_max(source_norms, axis=1, keepdims=True))
    rule = ALLOCATIONS[allocation]
    if allocation == "optimal" and receiver == "energy":
        # ||x||_1 of n Gaussian numbers is sqrt(2 n / pi) ||x||, and norms are what is signalled
        rule = lambda sent, source, gains: energy_weights(tf.sqrt(gains) * sent, gains)  # noqa: E731
    elif allocation == "optimal" and shrinks is not None:
        rule = lambda sent, source, gains: _wiener(sent, gains, *shrinks)  # noqa: E731
    weights = tf.where(sent_norms > 0, rule(sent, source, noise_gains), 0.0)
    shares = tf.math.divide_no_nan(weights, tf.reduce_sum(weights, axis=1, keepdims=True))
    asking = tf.reduce_sum(tf.cast(tf.reduce_any(weights > 0, axis=1), tf.float32))
    return tf.math.divide_no_nan(tf.reduce_sum(shares, axis=0), asking)


def _wiener(norms: Any, gains: Any, energy: Any, workers: int, correlation: float) -> Any:
    """What a worker asks for who takes the others' messages for as long as its own."""
    alike = correlation + (1 - correlation) / workers  # ||mean||^2 over one message's
    square = tf.square(norms)
    return wiener_energies(gains * square / workers**2, alike * square, energy)


def first_pass_shares(
    allocation: str, sizes: Any, second_pass_sizes: Any, energy: Any, workers: int, default: float
) -> Any:
    """[block] share of a block's energy that the first of two passes takes; 1 where one is all.

    Args:
        allocation: `optimal` asks `first_factor_share`, the others take `default`.
        sizes: [block] reals of the first pass.
        second_pass_sizes: [block] reals of the second pass for the same matrix; 0 for none.
        energy: [block] for both passes.
        workers: K; the K workers' messages are taken for alike.
        default: share where nothing better is known.
    """
    shares = default * tf.ones_like(energy)
    if allocation == "optimal":
        best = first_factor_share(sizes, second_pass_sizes, workers**2 * energy)
        shares = tf.where(best > 0, best, shares)
    return tf.where(second_pass_sizes > 0, shares, 1.0)
