"""The scaling receiver: add the antennas up, divide by the gain that the sum arrived with."""

from __future__ import annotations

from typing import Any, Literal

from laser_phy.lazy import tf
from laser_phy.receivers.base import Link, Receiver
from laser_phy.settings import setting


class Scale(Receiver):
    """mean_k s_k ~ w^H y / (K gain share), with the common beam w = 1/sqrt(M) on all antennas.

    `normalize: mean` divides by the mean number of workers heard on an element, K times the share
    that truncation lets through: unbiased over fading. `active` divides by the number that was
    heard on that very element, which takes receiver CSI; an element nobody sent decodes as 0.

    Where the messages are not aligned (no power control over fading), the server divides by what it
    knows of the sum channel g = w^H sum_k h_k b_k: LMMSE, g* e y / (|g|^2 e + no) with e the energy
    of a worker's symbol, exact where the workers send the same.
    """

    name: Literal["scale"] = "scale"
    normalize: Literal["mean", "active"] = setting("mean")
    """Divide by the mean number of workers heard, or by the number heard on each element."""

    def beam_gain(self, response: Any) -> Any:
        # w^H h with w = 1/sqrt(M): of unit power for independent antennas.
        antennas = tf.cast(tf.shape(response)[0], tf.float32)
        return tf.reduce_sum(response, axis=0) / tf.cast(tf.sqrt(antennas), response.dtype)

    def observe(self, response: Any, precoding: Any) -> tuple[Any, ...]:
        heard = tf.cast(precoding != 0, tf.float32)
        if response is None:
            return (heard,)
        return heard, self.beam_gain(response) * precoding

    def estimate(self, received: Any, observed: tuple[Any, ...], prior: Any, link: Link) -> Any:
        combined = self.beam_gain(received)
        if link.fading and not link.aligned:
            sum_channel, energy = observed[1], tf.cast(prior, combined.dtype)
            power = tf.cast(tf.square(tf.abs(sum_channel)), combined.dtype) * energy
            return tf.math.conj(sum_channel) * energy * combined / (power + link.noise_variance)
        if link.fading and self.normalize == "active":
            divisor = observed[0] * link.gain
        else:
            divisor = link.workers * link.gain * link.share * tf.ones_like(prior)
        return combined * tf.cast(tf.math.reciprocal_no_nan(divisor), combined.dtype)
