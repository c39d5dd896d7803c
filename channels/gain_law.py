"""Distributions of the power gain s = |h|^2 of one resource element, for normalisers."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Constant:
    """s = value: no fading."""

    value: float = 1.0

    def mean_inverse(self, threshold: float) -> float:
        """E[1/s; s >= threshold]."""
        return 1 / self.value if self.value >= threshold else 0.0

    def probability(self, threshold: float) -> float:
        """P(s >= threshold)."""
        return float(self.value >= threshold)


@dataclass(frozen=True)
class Rician:
    """Rician power gain of K-factor `k` (linear) and mean `mean`; k = 0 is Rayleigh, s ~ Exp.

    For Rayleigh of mean 1, E[1/s; s >= g] = E1(g) and P(s >= g) = e^-g; otherwise
    2 (1 + k) s / mean is noncentral chi-squared with 2 degrees of freedom and noncentrality 2 k,
    integrated numerically.
    """

    k: float = 0.0
    mean: float = 1.0

    def mean_inverse(self, threshold: float) -> float:
        """E[1/s; s >= threshold]; infinite at threshold 0."""
        from scipy import integrate, special, stats

        if threshold == 0:
            return math.inf  # the density at 0 is positive, and 1/s is not integrable there
        low = threshold / self.mean  # in units of the mean
        if self.k == 0:
            return float(special.exp1(low)) / self.mean
        law = stats.ncx2(2, 2 * self.k, scale=1 / (2 * (1 + self.k)))
        middle = max(low, 1.0)  # at the mean, so that quad does not miss the mass
        parts = [
            integrate.quad(lambda s: law.pdf(s) / s, start, end, limit=200, epsabs=1e-12)[0]
            for start, end in ((low, middle), (middle, middle + 60))
            if end > start
        ]
        return float(sum(parts)) / self.mean

    def probability(self, threshold: float) -> float:
        """P(s >= threshold)."""
        from scipy import stats

        if self.k == 0:
            return math.exp(-threshold / self.mean)
        scale = self.mean / (2 * (1 + self.k))
        return float(stats.ncx2(2, 2 * self.k, scale=scale).sf(threshold))


GainLaw = Constant | Rician
