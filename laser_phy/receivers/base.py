"""The interface of a receiver."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

from laser_phy.core.kinds import Kind
from laser_phy.core.lazy import tf
from laser_phy.phy.beam import common_beam
from laser_phy.phy.csi import Knowledge
from laser_phy.phy.modulation import LinearModulation


class Link(NamedTuple):
    """What a receiver knows beforehand of the link it serves. Gains are behind the beam.

    Attributes:
        workers: how many sent in this round.
        gain: mean gain E[h b] of an element that is sent; scalar or [symbol].
        sent_fraction: probability that a worker sends an element.
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
    sent_fraction: Any
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
    """Settings of a receiver. A kind writes `combine`, and says below what it needs for that.

    Attributes:
        needs: what the server must know of the channel: "nothing", "sum" (the workers' sum channel,
            which one pilot common to all shows) or "each" (every worker's, orthogonal pilots).
        unprecoded: transmitters send as they are, or all but their mean gain:
            `power_control: none` or `path_loss`.
        coherent: it reads amplitudes and their phases; False for one that reads energies.
        sum_is_enough: without fading it needs nothing but the sum of the workers' symbols, which
            may be formed before the air.
    """

    needs: ClassVar[str] = "nothing"
    unprecoded: ClassVar[bool] = False
    coherent: ClassVar[bool] = True
    sum_is_enough: ClassVar[bool] = False

    @property
    def unbiased(self) -> bool:
        """On the mean over fading and noise the estimate is the true mean; else it is smaller."""
        return True

    @property
    def shrinks_with(self) -> float | None:
        """Correlation of messages with which it estimates with least error; None if unbiased."""
        return None

    def modulation(self) -> LinearModulation:
        """How reals lie on the symbols that it reads."""
        return LinearModulation()

    def problem(self, knows: Knowledge) -> str | None:
        """What stands against this knowledge of a fading channel, in a sentence; None if nothing.

        Args:
            knows: what the server knows, `csi.receiver`.
        """
        return None

    def learns(self, aligned: bool) -> tuple[str, ...]:
        """Fields of `ChannelObservation` that it uses, for messages that are `aligned` or not."""
        return ()

    def beam_gain(self, response: Any) -> Any:
        """w^H h [symbol] of `response` [antenna, symbol], the channel that transmitters see."""
        return common_beam(response)

    def combine(self, received: Any, observed: ChannelObservation, prior: Any, link: Link) -> Any:
        """The estimate [symbol] of the mean of what the workers' symbols carry.

        Complex64, the mean of the scaled symbols; of a receiver that is not `coherent` float32, the
        mean of their energies.

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


def divide(numerator: Any, denominator: Any) -> Any:
    """Complex `numerator` over a real `denominator`, 0 where it is 0."""
    return numerator * tf.cast(tf.math.reciprocal_no_nan(denominator), numerator.dtype)
