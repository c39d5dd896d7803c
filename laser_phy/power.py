"""Split of a round's energy over the blocks of a message.

Worker k asks for the share w_k[j] of block j, the server averages: p_j = P mean_k w_k[j]. All
workers use the amplitude a_j = sqrt(p_j) / max_k ||b_k s_k||_j (`budget: round`, the norm after
precoding) or sqrt(p_j) / max_k ||x_k[j]|| (`budget: mean`, where the rule has E|b|^2 = 1).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Self

from pydantic import model_validator

from laser_phy.conventions import NOISE_VARIANCE
from laser_phy.lazy import tf
from laser_phy.settings import Settings, setting


class Power(Settings):
    """Transmit energy of a worker in a round, and how it is split over the blocks."""

    energy_per_round: float | None = setting(
        None, gt=0, le=1e30, unit="energy a worker and round, noise 1 per real"
    )
    """The paper's P: a worker's sum of |symbol|^2 over a round. 100 if neither it nor snr_db."""
    snr_db: float | None = setting(None, ge=-200, le=200, unit="dB")
    """Energy per data symbol over the noise `no` = 2 of a resource element."""
    allocation: Literal["uniform", "norm", "squared_norm", "compressed_norm"] = "compressed_norm"
    """Shares of the blocks: equal, or by the norm of gradient plus memory or of what is sent."""
    budget: Literal["mean", "round"] = "mean"
    """`round`: no worker exceeds the budget in any round. `mean`: E|b|^2 = 1 for every worker."""

    @model_validator(mode="after")
    def _one_budget(self) -> Self:
        if self.energy_per_round is not None and self.snr_db is not None:
            raise ValueError(
                "power must have either energy_per_round or snr_db, not both; got "
                f"energy_per_round={self.energy_per_round:g} and snr_db={self.snr_db:g}. "
                "Remove one: the other is reported."
            )
        return self

    def energy(self, symbols: float) -> float:
        """Energy budget P of a round of `symbols` data symbols (the mean over kinds of round)."""
        if self.snr_db is not None:
            return float(10 ** (self.snr_db / 10) * NOISE_VARIANCE * symbols)
        return 100.0 if self.energy_per_round is None else self.energy_per_round


# name -> weights [worker, block] before normalisation, from (sent norms, source norms)
ALLOCATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "uniform": lambda sent, source: tf.ones_like(sent),
    "norm": lambda sent, source: source,
    "squared_norm": lambda sent, source: tf.square(source),
    "compressed_norm": lambda sent, source: sent,
}


def mean_shares(allocation: str, sent_norms: Any, source_norms: Any) -> Any:
    """Shares [block] of the budget, averaged over workers; a zero block has none.

    Args:
        allocation: name in `ALLOCATIONS`.
        sent_norms: [worker, block] norm of each block as sent.
        source_norms: [worker, block] norm of gradient plus memory behind it.
    """
    # Relative to the largest, or the square of a small norm would vanish in float32.
    sent = tf.math.divide_no_nan(sent_norms, tf.reduce_max(sent_norms, axis=1, keepdims=True))
    source = tf.math.divide_no_nan(source_norms, tf.reduce_max(source_norms, axis=1, keepdims=True))
    weights = tf.where(sent_norms > 0, ALLOCATIONS[allocation](sent, source), 0.0)
    shares = tf.math.divide_no_nan(weights, tf.reduce_sum(weights, axis=1, keepdims=True))
    return tf.reduce_mean(shares, axis=0)
