"""The interface of a power control rule."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol

from laser_phy.core.kinds import Kind
from laser_phy.core.lazy import tf


class GainLaw(Protocol):
    """Distribution of a worker's power gain s = |h|^2 on a resource element."""

    @property
    def mean(self) -> float:
        """E[s]."""

    def expect(self, function: Callable[[Any], Any], threshold: float = 0.0) -> float:
        """E[f(s); s >= threshold]."""

    def mean_inverse(self, threshold: float) -> float:
        """E[1/s; s >= threshold]."""

    def probability(self, threshold: float) -> float:
        """P(s >= threshold)."""


class RuleMoments(NamedTuple):
    """What sender and receiver know beforehand of a rule on a channel.

    Attributes:
        scale: rho, the factor that makes E|b|^2 = 1 (1 where the rule has no mean).
        gain: E[h b] of an element that is sent: what the receiver divides by.
        share: probability that an element is sent.
        square: E|h b|^2 over all elements, empty ones included.
        power: E|b|^2 over all elements (infinite where the rule has no mean).
    """

    scale: float
    gain: float
    share: float
    square: float
    power: float


class PowerControl(Kind):
    """Settings of a rule b(h).

    Most rules need one worker's channel at a time. One that `plans` gets the power gains of all
    workers at once, [worker, symbol] float32, and gives what each arrives with, of the same shape:
    8 K N bytes, and a few times that while it solves.

    Attributes:
        needs: what of its channel a transmitter must know: "nothing", the mean of its gain
            ("statistics"), its "phase", or all of it ("channel").
        aligns: h b is real and positive, so that the messages add up in phase.
        has_mean: E|b|^2 is finite under Rayleigh fading.
    """

    needs: ClassVar[str] = "channel"
    aligns: ClassVar[bool] = True
    has_mean: ClassVar[bool] = True

    @property
    def plans(self) -> bool:
        """The rule needs all workers' channels at once."""
        return False

    def statistics(self, law: GainLaw) -> RuleMoments:
        """Normaliser and moments for gains of this law; not for rules that plan."""
        raise NotImplementedError

    def precode(self, gain: Any, statistics: RuleMoments) -> Any:
        """b [symbol] complex64 for the channel `gain` [symbol] that the worker knows."""
        raise NotImplementedError

    def plan(self, gains: Any, noise_ratio: Any) -> Any:
        """h b for all workers, [worker, symbol] float32 >= 0; only rules that plan.

        Args:
            gains: [worker, symbol] float32 power gains |h|^2.
            noise_ratio: [symbol] float32, variance of the noise over the energy of a symbol before
                precoding.
        """
        raise NotImplementedError


def precoding_for(arrival: Any, gain: Any) -> Any:
    """b [symbol] complex64 with h b = `arrival` [symbol] on the channel h = `gain` [symbol]."""
    return tf.math.reciprocal_no_nan(gain) * tf.cast(arrival, gain.dtype)


def common_moments(rule: PowerControl, laws: Sequence[GainLaw]) -> RuleMoments:
    """Moments of a rule over workers of different laws, which all use the smallest scale.

    The sum in the air is the sum of the messages only where all workers have one rho; with the
    smallest one nobody exceeds its mean budget. `gain` is that of a sent element, averaged over the
    workers that send it. A worker too weak to send anything (scale inf, share 0) stays silent.

    Raises:
        ValueError: all of them are.
    """
    distinct = {id(law): law for law in laws}
    known = {key: rule.statistics(law) for key, law in distinct.items()}
    each = [known[id(law)] for law in laws]
    scale = min(one.scale for one in each)
    if math.isinf(scale):
        raise ValueError(
            "threshold must be a power gain that the channel of some worker reaches; got "
            f"{getattr(rule, 'threshold', 0.0):g}, above which no resource element would ever be "
            "sent. Lower it."
        )
    factors = [scale / one.scale for one in each]
    share = math.fsum(one.share for one in each) / len(each)
    pairs = list(zip(each, factors, strict=True))
    return RuleMoments(
        scale=scale,
        gain=math.fsum(s.gain * s.share * f for s, f in pairs) / (share * len(each)),
        share=share,
        square=math.fsum(s.square * f**2 for s, f in pairs) / len(each),
        power=math.fsum(s.power * f**2 for s, f in pairs) / len(each),
    )
