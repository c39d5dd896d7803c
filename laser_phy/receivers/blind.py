"""Sum-channel combining: transmitters know nothing, many antennas average the fading out."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from laser_phy.core.lazy import tf
from laser_phy.phy.csi import Knowledge
from laser_phy.receivers.base import ChannelObservation, Link, Receiver, divide


class Blind(Receiver):
    """mean_k s_k ~ sum_m (sum_k h_km)* y_m / (M K s_h^2), s_h^2 = E|h|^2.

    Unbiased over independent fading, and the interference of the messages with one another falls
    with M and not with K (Amiri, Duman, Gunduz, "Collaborative machine learning at the wireless
    edge with blind transmitters", 2019). Complex variance for energies e_k of the symbols:
    (1/M) (mean_k e_k + no / (K s_h^2)). One pilot common to all workers shows the sum channel.

    With unequal mean gains s_k a worker weighs as much as its gain, mean_k s_k x_k / mean_k s_k:
    see power_control `path_loss`.
    """

    name: Literal["blind"] = "blind"

    needs: ClassVar[str] = "sum"
    unprecoded: ClassVar[bool] = True

    def problem(self, knows: Knowledge) -> str | None:
        if knows.of_gain:
            return None
        return (
            f"receiver {self.name!r} needs to know the sum channel; got csi.receiver {knows.name}. "
            "Write csi.receiver: perfect, or estimated."
        )

    def learns(self, aligned: bool) -> tuple[str, ...]:
        return ("total",)

    def combine(self, received: Any, observed: ChannelObservation, prior: Any, link: Link) -> Any:
        combined = tf.reduce_mean(tf.math.conj(observed.total) * received, axis=0)
        return divide(combined, link.workers * link.power * tf.ones_like(prior))
