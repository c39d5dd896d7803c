"""What sender and receiver know of a rule beforehand: its normaliser and its moments."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np

from laser_phy.core.lazy import tf

EDGES = np.logspace(-10, 4, 2**14)
GRID = np.sqrt(EDGES[1:] * EDGES[:-1])
"""Power gains at which a rule without closed forms is looked at: 0.009 dB apart."""


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

    def masses(self, edges: np.ndarray) -> np.ndarray:
        """[bin] P(edges[i] <= s < edges[i + 1])."""


class RuleMoments(NamedTuple):
    """What sender and receiver know beforehand of a rule on a channel.

    Attributes:
        scale: rho, the factor that makes E|b|^2 = 1 (1 where the rule has no mean).
        gain: E[h b] of an element that is sent: what the receiver divides by.
        sent_fraction: probability that an element is sent.
        square: E|h b|^2 over all elements, empty ones included.
        power: E|b|^2 over all elements (infinite where the rule has no mean).
    """

    scale: float
    gain: float
    sent_fraction: float
    square: float
    power: float


class Rule(Protocol):
    """What is asked of a rule here."""

    name: str
    aligns: ClassVar[bool]

    def factor(self, gain: Any) -> Any:
        """b before it is normalised."""

    def statistics(self, law: GainLaw) -> RuleMoments:
        """Normaliser and moments."""


def moments_of(rule: Rule, law: GainLaw) -> RuleMoments:
    """Moments of b = scale * factor(h) over a law of gains, with E|b|^2 = 1.

    The factor is looked at on a grid of gains and taken as constant from one to the next.

    Raises:
        ValueError: a factor that is not finite or nowhere sends, or does not align though the rule
            says so.
    """
    turn = np.exp(0.7j)  # any phase: h b is to be real whatever the channel's
    with tf.init_scope():
        channel = (np.sqrt(GRID) * turn).astype(np.complex64)
        factor = np.asarray(rule.factor(tf.constant(channel)), np.complex128)
    arriving = channel * factor
    sends = np.abs(factor) > 0
    if factor.shape != channel.shape or not np.all(np.isfinite(factor)) or not sends.any():
        raise ValueError(
            f"power_control {rule.name!r} must give a finite factor [symbol] for every channel "
            f"[symbol] of power gain > 0, and send somewhere; got shape {list(factor.shape)} for "
            f"{list(channel.shape)}, {np.count_nonzero(~np.isfinite(factor))} entries that are not "
            f"finite and {np.count_nonzero(sends)} that send."
        )
    if rule.aligns and np.any(arriving.real < 0.999 * np.abs(arriving)):
        raise ValueError(
            f"power_control {rule.name!r} must make h b real and positive, so that the messages "
            f"add up in phase; got a phase of {np.max(np.abs(np.angle(arriving[sends]))):.3g} rad. "
            "Multiply by tf.math.conj(gain), or write aligns: ClassVar[bool] = False."
        )

    masses = law.masses(EDGES)

    def mean(values: np.ndarray) -> float:
        return float(values @ masses)

    power, sent = mean(np.abs(factor) ** 2), mean(sends.astype(float))
    scale = power**-0.5
    return RuleMoments(
        scale=scale,
        gain=scale * mean(arriving.real) / sent,
        sent_fraction=sent,
        square=scale**2 * mean(np.abs(arriving) ** 2),
        power=1.0,
    )


def common_moments(rule: Rule, laws: Sequence[GainLaw]) -> RuleMoments:
    """Moments of a rule over workers of different laws, which all use the smallest scale.

    The sum in the air is the sum of the messages only where all workers have one rho; with the
    smallest one nobody exceeds its mean budget. `gain` is that of a sent element, averaged over the
    workers that send it. A worker too weak to send anything (scale inf, nothing sent) stays silent.

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
    sent = math.fsum(one.sent_fraction for one in each) / len(each)
    pairs = list(zip(each, factors, strict=True))
    return RuleMoments(
        scale=scale,
        gain=math.fsum(s.gain * s.sent_fraction * f for s, f in pairs) / (sent * len(each)),
        sent_fraction=sent,
        square=math.fsum(s.square * f**2 for s, f in pairs) / len(each),
        power=math.fsum(s.power * f**2 for s, f in pairs) / len(each),
    )
