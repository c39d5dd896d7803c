"""The interface of a receiver."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

from laser_phy.core.kinds import Kind
from laser_phy.core.lazy import tf


class Link(NamedTuple):
    """What a receiver knows beforehand of the link it serves. Gains are behind the beam.

    Attributes:
        workers: how many sent in this round.
        gain: mean gain E[h b] of an element that is sent; scalar or [symbol].
        share: probability that a worker sends an element.
        square: E|h b|^2 over all elements; scalar or [symbol].
        planned: `gain` and `square` are those of this round's elements, and not expectations.
        aligned: h b is real and positive: the sum in the air is the sum of the messages.
        fading: the channel differs between elements, workers and rounds.
        noise_variance: complex variance of the noise on one antenna.
        informed: the receiver goes by the gains of this round, and not by their law alone.
        csi_error: variance of the error of what the receiver knows of the channel.
        power: E|h b|^2 of one antenna, the mean of those that sent, where b goes by no more than
            statistics.
    """

    workers: Any
    gain: Any
    share: Any
    square: Any
    planned: bool
    aligned: bool
    fading: bool
    noise_variance: float
    informed: bool = True
    csi_error: Any = 0.0
    power: Any = 1.0


class ChannelObservation(NamedTuple):
    """What the receiver learned of a round's channel, sums over workers; empty where it did not.

    Attributes:
        heard: [symbol] float32, how many sent.
        total: [antenna, symbol] complex64, sum_k h_k b_k.
        squares: [symbol] float32, sum_k |w^H h_k b_k|^2 behind the beam.
        outer: [symbol, antenna, antenna] complex64, sum_k (h_k b_k) (h_k b_k)^H.
    """

    heard: Any = ()
    total: Any = ()
    squares: Any = ()
    outer: Any = ()


class Receiver(Kind):
    """Settings of a receiver.

    Attributes:
        needs: what the server must know of the channel: "nothing", "sum" (the workers' sum channel,
            which one pilot common to all shows) or "each" (every worker's, orthogonal pilots).
        unprecoded: transmitters send as they are, or all but their mean gain:
            `power_control: none` or `path_loss`.
        mapping: how reals lie on symbols, "amplitudes" or "energies".
    """

    needs: ClassVar[str] = "nothing"
    unprecoded: ClassVar[bool] = False
    mapping: ClassVar[str] = "amplitudes"

    def learns(self, aligned: bool) -> tuple[str, ...]:
        """Fields of `ChannelObservation` that it uses, for messages that are `aligned` or not."""
        return ()

    def beam_gain(self, response: Any) -> Any:
        """w^H h [symbol] of `response` [antenna, symbol], with the common beam w = 1/sqrt(M).

        Of unit power for independent antennas; it is the channel that transmitters see.
        """
        antennas = tf.cast(tf.shape(response)[0], tf.float32)
        return tf.reduce_sum(response, axis=0) / tf.cast(tf.sqrt(antennas), response.dtype)

    def combine(self, received: Any, observed: ChannelObservation, prior: Any, link: Link) -> Any:
        """The estimate [symbol] of the mean of what the workers' symbols carry.

        Complex64, the mean of the scaled symbols; where the mapping is `energies` float32, the mean
        of their energies.

        Args:
            received: [antenna, symbol] complex64.
            observed: what was learned of the channel.
            prior: [symbol] float32, mean energy of a worker's symbol before precoding.
            link: what is known beforehand.
        """
        raise NotImplementedError


def sum_energy_ratio(workers: Any, correlation: float) -> Any:
    """kappa = 1 - c + c K: energy of the sum of K messages of correlation c, over K energies."""
    return 1 - correlation + correlation * workers


def over(numerator: Any, denominator: Any) -> Any:
    """Complex `numerator` over a real `denominator`, 0 where it is 0."""
    return numerator * tf.cast(tf.math.reciprocal_no_nan(denominator), numerator.dtype)
