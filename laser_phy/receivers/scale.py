"""The scaling receiver: add the antennas up, divide by the gain that the sum arrived with."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from laser_phy.core.lazy import tf
from laser_phy.core.settings import setting
from laser_phy.phy.csi import Knowledge
from laser_phy.receivers.base import ChannelObservation, Link, Receiver, divide, sum_energy_ratio


class Scale(Receiver):
    """mean_k s_k ~ w^H y / (K gain share), with the common beam w = 1/sqrt(M) on all antennas.

    `normalize: mean` divides by the mean number of workers heard on an element, K times the share
    that truncation lets through: unbiased over fading. `active` divides by the number that was
    heard on that very element, which takes receiver CSI; an element nobody sent decodes as 0.

    `debias: mmse` shrinks what is below the noise: with S1 = sum_k h_k b_k, S2 = sum_k |h_k b_k|^2,
    e the energy of a worker's symbol and c the messages' correlation, the linear estimate of least
    error is

        e (1 - c + c K) S1* y / K / (e ((1 - c) S2 + c |S1|^2) + no),

    with expectations in place of the sums where the server does not know them. Where the messages
    are not aligned (no power control over fading) this is the only choice, and it takes receiver
    CSI: dividing by the sum channel has no mean.
    """

    name: Literal["scale"] = "scale"
    normalize: Literal["mean", "active"] = setting("mean")
    """Divide by the mean number of workers heard, or by the number heard on each element."""
    debias: Literal["unbiased", "mmse"] = setting("unbiased")
    """`unbiased`, or the linear estimate of least error, which is smaller than the mean."""
    correlation: float = setting(1.0, ge=0, le=1, unit="of the messages of two workers")
    """How alike the workers' messages are, for least error; 1 if they send the same."""

    needs: ClassVar[str] = "sum"
    sum_is_enough: ClassVar[bool] = True

    @property
    def shrinks_with(self) -> float | None:
        return self.correlation if self.debias == "mmse" else None

    @property
    def unbiased(self) -> bool:
        return self.debias == "unbiased"

    def problem(self, knows: Knowledge) -> str | None:
        if self.normalize == "active" and not knows.exact:
            return (
                "normalize: active counts who was heard on every element, which takes "
                f"csi.receiver perfect; got {knows.name}. Write normalize: mean."
            )
        return None

    def learns(self, aligned: bool) -> tuple[str, ...]:
        if not aligned or self.debias == "mmse":
            return ("total", "squares")
        return ("heard",) if self.normalize == "active" else ()

    def combine(self, received: Any, observed: ChannelObservation, prior: Any, link: Link) -> Any:
        combined = self.beam_gain(received)
        least = self.debias == "mmse" and link.informed
        if link.fading and (least or not link.aligned):
            total = self.beam_gain(observed.total)
            squares = observed.squares
            square_of_total = tf.square(tf.abs(total)) + link.csi_error
            weight = self._weight(prior, squares, square_of_total, link)
            return tf.math.conj(total) * tf.cast(weight, combined.dtype) * combined
        if link.fading and self.normalize == "active":
            total = observed.heard * link.gain
            return divide(combined, total)
        total = link.workers * link.gain * link.sent_fraction * tf.ones_like(prior)
        if self.debias == "unbiased":
            return divide(combined, total)
        squares = link.workers * link.square * tf.ones_like(prior)
        square_of_total = tf.square(total)
        if not link.planned:  # E|S1|^2 of independent gains
            square_of_total *= 1 - 1 / tf.maximum(link.workers, 1.0)
            square_of_total += squares
        weight = self._weight(prior, squares, square_of_total, link) * total
        return tf.cast(weight, combined.dtype) * combined

    def _weight(self, prior: Any, squares: Any, square_of_total: Any, link: Link) -> Any:
        """e kappa / K / (e ((1 - c) S2 + c |S1|^2) + no)."""
        c = self.correlation
        power = prior * ((1 - c) * squares + c * square_of_total)
        kappa = sum_energy_ratio(link.workers, c)
        return tf.math.divide_no_nan(prior * kappa / link.workers, power + link.noise_variance)
