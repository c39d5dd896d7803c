"""Theorem 1: convergence over a noisy channel, and the quadratic on which it can be watched."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from laser_phy.theory.influence import send_laser, send_z_sgd


@dataclass(frozen=True)
class Rate:
    """Bounds of Theorem 1 for error feedback behind a channel; constants and logarithms dropped.

    tau = 10 L (2 / delta_r + M) and steps gamma <= 1 / (tau (1 + lambda)). Z-SGD has delta_r = 1.

    Attributes:
        smoothness: L.
        influence: lambda.
        quality: delta_r in (0, 1], E||C_r(g) - g||^2 <= (1 - delta_r) ||g||^2.
        variance: sigma^2, the part of the gradient's variance that stays.
        growth: M, the part that grows with ||grad f||^2.
    """

    smoothness: float
    influence: float
    quality: float = 1.0
    variance: float = 0.0
    growth: float = 0.0

    @property
    def tau(self) -> float:
        """10 L (2 / delta_r + M)."""
        return 10 * self.smoothness * (2 / self.quality + self.growth)

    @property
    def step(self) -> float:
        """The largest step 1 / (tau (1 + lambda))."""
        return 1 / (self.tau * (1 + self.influence))

    def strongly_convex(self, rounds: np.ndarray, distance: float, convexity: float) -> np.ndarray:
        """tau (1 + lambda) D^2 exp(-mu T / (tau (1 + lambda))) + sigma^2 (1 + lambda) / (mu T).

        Args:
            rounds: [T] numbers of rounds, >= 1.
            distance: D = ||theta_0 - theta*||.
            convexity: mu > 0.
        """
        scale = self.tau * (1 + self.influence)
        start = scale * distance**2 * np.exp(-convexity * rounds / scale)
        return start + self.variance * (1 + self.influence) / (convexity * rounds)

    def convex(self, rounds: np.ndarray, distance: float) -> np.ndarray:
        """tau D^2 (1 + lambda) / T + sigma D sqrt((1 + lambda) / T)."""
        first = self.tau * distance**2 * (1 + self.influence) / rounds
        return first + distance * np.sqrt(self.variance * (1 + self.influence) / rounds)

    def non_convex(self, rounds: np.ndarray, gap: float) -> np.ndarray:
        """tau F (1 + lambda) / T + sigma sqrt(L F (1 + lambda) / T), F = f_0 - f*."""
        first = self.tau * gap * (1 + self.influence) / rounds
        noise = self.variance * self.smoothness * gap * (1 + self.influence)
        return first + np.sqrt(noise / rounds)


@dataclass(frozen=True)
class Quadratic:
    """f(Theta) = <Theta, H Theta> / 2, Theta m x n, H diagonal with mu = h_1 <= ... <= h_m = L.

    The start has rank `rank`, and so has every gradient H Theta of noiseless descent from there.
    Over the channel that does not last: noise fills Theta and the memory in all directions, and the
    quality delta_r that error feedback sees falls towards r / m. Theorem 1 then grants LASER no
    larger step than Z-SGD; what LASER gains, it gains where gradients stay of low rank.
    """

    rows: int = 40
    columns: int = 60
    rank: int = 2
    convexity: float = 0.5
    smoothness: float = 1.0

    @property
    def curvature(self) -> np.ndarray:
        """[row] h."""
        return np.linspace(self.convexity, self.smoothness, self.rows)

    def start(self, seed: int = 0) -> np.ndarray:
        """Theta_0 [row, column] of unit norm; the optimum is 0."""
        random = np.random.default_rng([seed, 0])
        left = random.standard_normal((self.rows, self.rank))
        theta = left @ random.standard_normal((self.rank, self.columns))
        return np.asarray(theta / np.linalg.norm(theta))

    def train(
        self, step: float, energy: float, rounds: int, rank: int | None = None, seed: int = 0
    ) -> tuple[np.ndarray, float]:
        """Descend over the channel: Z-SGD, or with `rank` LASER with error feedback.

        Returns:
            f [rounds + 1], and the least quality delta_r met: 1 - ||C_r(M) - M||^2 / ||M||^2.
        """
        random = np.random.default_rng([seed, 1])
        theta, memory = self.start(seed), np.zeros((self.rows, self.columns))
        weights, quality = self.curvature[:, np.newaxis], 1.0
        gaps = [0.5 * np.sum(weights * theta**2)]
        for _ in range(rounds):
            gradient = weights * theta
            if rank is None:
                received = send_z_sgd(gradient, energy, random)
            else:
                whole = gradient + memory
                received, sent = send_laser(whole, rank, energy, random)
                memory = whole - sent
                quality = min(quality, 1 - float(np.sum(memory**2) / np.sum(whole**2)))
            theta = theta - step * received
            gaps.append(0.5 * np.sum(weights * theta**2))
        return np.asarray(gaps), quality
