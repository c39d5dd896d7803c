"""Distributions of the power gain s = |h|^2 of one resource element, for normalisers.

Every law has
    mean                    E[s]
    probability(g)          P(s >= g)
    mean_inverse(g)         E[1/s; s >= g], infinite where 1/s has no mean
    expect(f, g)            E[f(s); s >= g] of any smooth function, f taking and giving arrays
    masses(edges)           [bin] P(edges[i] <= s < edges[i + 1]), for functions that are not
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

Function = Callable[[Any], Any]


@dataclass(frozen=True)
class Constant:
    """s = value: no fading."""

    value: float = 1.0

    @property
    def mean(self) -> float:
        """E[s]."""
        return self.value

    def expect(self, function: Function, threshold: float = 0.0) -> float:
        """E[f(s); s >= threshold]."""
        return float(function(np.asarray(self.value))) if self.value >= threshold else 0.0

    def mean_inverse(self, threshold: float) -> float:
        """E[1/s; s >= threshold]."""
        return 1 / self.value if self.value >= threshold else 0.0

    def probability(self, threshold: float) -> float:
        """P(s >= threshold)."""
        return float(self.value >= threshold)

    def masses(self, edges: np.ndarray) -> np.ndarray:
        """[bin] P(edges[i] <= s < edges[i + 1])."""
        return np.histogram([self.value], edges)[0].astype(float)


@dataclass(frozen=True)
class Rician:
    """Rician power gain of K-factor `k` (linear) and mean `mean`; k = 0 is Rayleigh, s ~ Exp.

    For Rayleigh of mean 1, E[1/s; s >= g] = E1(g) and P(s >= g) = e^-g; otherwise
    2 (1 + k) s / mean is noncentral chi-squared with 2 degrees of freedom and noncentrality 2 k,
    integrated numerically.
    """

    k: float = 0.0
    mean: float = 1.0

    def expect(self, function: Function, threshold: float = 0.0) -> float:
        """E[f(s); s >= threshold], by adaptive quadrature over the density."""
        from scipy import integrate

        law = self._unit_law()
        low = threshold / self.mean  # in units of the mean
        width = math.sqrt(1 + 2 * self.k) / (1 + self.k)  # standard deviation of s / mean
        # Piecewise, so that quad misses neither a sharp peak at the mean nor the edge at 0.
        edges = [0.0, 1e-3, 1 - 8 * width, 1 - 3 * width, 1.0, 1 + 3 * width, 1 + 8 * width]
        edges = sorted({low, *(e for e in edges if e > low), max(1.0, low) + 60 * width})
        return sum(
            integrate.quad(
                lambda s: float(law.pdf(s) * function(np.asarray(s * self.mean))),
                start, end, limit=200, epsabs=1e-12,
            )[0]
            for start, end in itertools.pairwise(edges)
        )  # fmt: skip

    def mean_inverse(self, threshold: float) -> float:
        """E[1/s; s >= threshold]; infinite at threshold 0."""
        from scipy import special

        if threshold == 0:
            return math.inf  # the density at 0 is positive, and 1/s is not integrable there
        if self.k == 0:
            return float(special.exp1(threshold / self.mean)) / self.mean
        return self.expect(np.reciprocal, threshold)

    def probability(self, threshold: float) -> float:
        """P(s >= threshold)."""
        return float(self._unit_law().sf(threshold / self.mean))

    def masses(self, edges: np.ndarray) -> np.ndarray:
        """[bin] P(edges[i] <= s < edges[i + 1])."""
        return np.diff(self._unit_law().cdf(np.asarray(edges) / self.mean))

    def _unit_law(self) -> Any:
        from scipy import stats

        if self.k == 0:
            return stats.expon()
        return stats.ncx2(2, 2 * self.k, scale=1 / (2 * (1 + self.k)))


@dataclass(frozen=True, eq=False)
class Empirical:
    """The law of simulated or recorded gains: every expectation is a mean over them.

    With n independent samples P(s >= g) = p has the standard error sqrt(p (1 - p) / n).

    Args:
        samples: power gains (linear), any shape.
    """

    samples: np.ndarray = field(repr=False)

    @cached_property
    def _gains(self) -> np.ndarray:
        return np.asarray(self.samples, np.float64).ravel()

    @property
    def mean(self) -> float:
        """E[s]."""
        return float(self._gains.mean())

    def expect(self, function: Function, threshold: float = 0.0) -> float:
        """E[f(s); s >= threshold]."""
        heard = self._gains[self._gains >= threshold]
        return float(np.sum(function(heard)) / self._gains.size)

    def mean_inverse(self, threshold: float) -> float:
        """E[1/s; s >= threshold]; infinite at 0, where samples say nothing of it."""
        return math.inf if threshold == 0 else self.expect(np.reciprocal, threshold)

    def probability(self, threshold: float) -> float:
        """P(s >= threshold)."""
        return float(np.mean(self._gains >= threshold))

    def masses(self, edges: np.ndarray) -> np.ndarray:
        """[bin] P(edges[i] <= s < edges[i + 1])."""
        return np.histogram(self._gains, edges)[0] / self._gains.size


GainLaw = Constant | Rician | Empirical
