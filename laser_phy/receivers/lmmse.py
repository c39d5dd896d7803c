"""LMMSE over the server's antennas, every worker's channel known."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from laser_phy.core.lazy import tf
from laser_phy.core.settings import setting
from laser_phy.phy.csi import Knowledge
from laser_phy.receivers.base import ChannelObservation, Link, Receiver, divide, sum_energy_ratio


class Lmmse(Receiver):
    """mean_k s_k ~ (1/K) w^H y with w = (H P H^H + no I)^-1 H P 1, of least error on every element.

    For messages of correlation c, energy e each: R = e ((1 - c) sum_k h_k h_k^H + c g g^H) + no I,
    w = e (1 - c + c K) R^-1 g, g = sum_k h_k b_k; c = 0 is the formula above. With M >= K antennas
    and little noise it tends to zero forcing of the sum. Of the workers' channels only the two sums
    are kept: 8 M^2 bytes a symbol.
    """

    name: Literal["lmmse"] = "lmmse"
    debias: Literal["unbiased", "mmse"] = setting("mmse")
    """`mmse`, or the same divided by the mean gain that the messages get, w^H g / K."""
    correlation: float = setting(0.0, ge=0, le=1, unit="of the messages of two workers")
    """How alike the workers' messages are; 1 if they send the same."""

    needs: ClassVar[str] = "each"

    @property
    def unbiased(self) -> bool:
        return self.debias == "unbiased"

    def problem(self, knows: Knowledge) -> str | None:
        if knows.of_gain:
            return None
        return (
            f"receiver {self.name!r} needs to know every worker's channel; got csi.receiver "
            f"{knows.name}. Write csi.receiver: perfect, or estimated."
        )

    def learns(self, aligned: bool) -> tuple[str, ...]:
        return ("total", "outer")

    def combine(self, received: Any, observed: ChannelObservation, prior: Any, link: Link) -> Any:
        c, energy = self.correlation, tf.cast(prior, received.dtype)[:, tf.newaxis, tf.newaxis]
        total = tf.transpose(observed.total)[:, :, tf.newaxis]  # symbol, antenna, 1
        squares = tf.matmul(total, total, adjoint_b=True)
        # What is not known of a channel, its estimate's error, is noise of the messages' energy.
        unknown = prior * link.workers * link.csi_error
        noise = tf.cast(link.noise_variance + unknown, received.dtype)[:, tf.newaxis, tf.newaxis]
        covariance = energy * ((1 - c) * observed.outer + c * squares)
        covariance += noise * tf.eye(received.shape[0], dtype=received.dtype)
        kappa = tf.cast(sum_energy_ratio(link.workers, c), received.dtype)
        weights = tf.linalg.solve(covariance, energy * kappa * total)  # symbol, antenna, 1
        combined = tf.matmul(weights, tf.transpose(received)[:, :, tf.newaxis], adjoint_a=True)
        combined = combined[:, 0, 0]
        gain = tf.math.real(tf.matmul(weights, total, adjoint_a=True)[:, 0, 0])
        workers = link.workers * tf.ones_like(gain)
        return divide(combined, workers if self.debias == "mmse" else gain)
