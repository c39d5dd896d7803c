"""Least error of a sum of gains (Cao, Zhu, Xu, Huang 2019), extended to correlated messages.

On an element worker k arrives with the amplitude m_k = h_k b_k >= 0 and the server multiplies by r:

    error = (1 - c) sum_k (r m_k - 1)^2 + c (sum_k (r m_k - 1))^2 + v r^2

in units of E|x|^2 / K^2, with c = E[x_k x_l*] / E|x|^2 the correlation of two workers' messages and
v the variance of the noise over E|x|^2. For c = 0 it is Cao's problem, with r = 1/sqrt(eta).

Static, m_k <= a_k = |h_k| on every element. The best r leaves S1^2 / ((1 - c) S2 + c S1^2 + v) to
maximise, S1 = sum m, S2 = sum m^2, and that grows with S1^2 / (S2 + v / (1 - c)): Cao's problem
with more noise. So m_k = min(a_k, t) with t = min_k (v/(1-c) + sum_{i<=k} a_i^2) / sum_{i<=k} a_i
over a in rising order.

Mean power, mean_n m_k^2 / |h_k|^2 <= 1 with duals mu_k. In turn, for given r and for given m:
    m_k = r u / ((1 - c) r^2 + mu_k / s_k),   s_k = |h_k|^2,
    u = (1 - c + c K) / (1 + c A),            A = sum_k r^2 / ((1 - c) r^2 + mu_k / s_k),
    r = (1 - c + c K) S1 / ((1 - c) S2 + c S1^2 + v).
Each is the least error in its variables, and both together have v r^2 = sum_k mu_k m_k^2 / s_k.
After division by r^2 the right of it falls in r, so it has one root, or none: then the element
stays silent (v < (1 - c + c K)^2 sum_k s_k / mu_k fails).
"""

from __future__ import annotations

from typing import Any

from laser_phy.core.lazy import tf

STEPS = 100
WEAKEST = 1e-12  # power gain that weaker ones count as: no 1/0
LEAST = 1e-30  # a dual that goes to nothing stays a number


def static(gains: Any, noise_ratio: Any, correlation: float) -> Any:
    """m [worker, symbol] under E|b|^2 <= 1 on every element: m_k = min(|h_k|, t).

    Args:
        gains: [worker, symbol] power gains.
        noise_ratio: [symbol] v.
        correlation: c, below 1.
    """
    amplitudes = tf.sqrt(gains)
    rising = tf.sort(amplitudes, axis=0)
    squares = tf.cumsum(tf.square(rising), axis=0) + noise_ratio / (1 - correlation)
    # Nothing has arrived yet where the sum is 0: no threshold there, not the threshold 0.
    thresholds = squares / tf.maximum(tf.cumsum(rising, axis=0), 1e-30)
    return tf.minimum(amplitudes, tf.reduce_min(thresholds, axis=0))


def mean_power(gains: Any, noise_ratio: Any, correlation: float) -> Any:
    """m [worker, symbol] under mean_n |b|^2 <= 1.

    m and r in turn, with mu_k <- mu_k sqrt(mean_n |b_k|^2), which is the exact step where noise
    decides. From full power everywhere; within 1e-3 of the optimum from 20 dB to -30 dB a symbol. A
    last scaling keeps the budget of a worker whose dual is not there yet.

    Args:
        gains: [worker, symbol] power gains.
        noise_ratio: [symbol] v.
        correlation: c, below 1.
    """
    workers = tf.cast(tf.shape(gains)[0], tf.float32)
    kappa = 1 - correlation + correlation * workers
    inverse = tf.math.reciprocal(tf.maximum(gains, WEAKEST))

    def best_factor(arriving: Any) -> Any:
        """r [symbol] for m."""
        total = tf.reduce_sum(arriving, axis=0)
        squares = tf.reduce_sum(tf.square(arriving), axis=0)
        power = (1 - correlation) * squares + correlation * tf.square(total)
        return kappa * total / (power + noise_ratio)

    def best_arrival(factor: Any, duals: Any) -> Any:
        """m [worker, symbol] for r."""
        squared = tf.square(factor)
        divisor = (1 - correlation) * squared + duals[:, tf.newaxis] * inverse
        total = tf.reduce_sum(squared / divisor, axis=0)
        return factor * kappa / (1 + correlation * total) / divisor

    def follow(step: Any, arriving: Any, duals: Any) -> Any:
        arriving = best_arrival(best_factor(arriving), duals)
        spent = tf.reduce_mean(tf.square(arriving) * inverse, axis=1)
        return step + 1, arriving, tf.maximum(duals * tf.sqrt(spent), LEAST)

    # The duals of even gains; the harmonic mean, as hopeless elements do not count.
    strength = workers * kappa * tf.maximum(tf.reduce_mean(gains, axis=1), WEAKEST)
    noise = 1 / tf.reduce_mean(1 / noise_ratio)
    duals = kappa * noise * strength / tf.square(strength + noise)
    start = (0, tf.math.rsqrt(inverse), tf.maximum(duals, LEAST))
    _, arriving, duals = tf.while_loop(
        lambda step, *_: step < STEPS, follow, start, parallel_iterations=1
    )
    # No root: the noise outweighs whatever could be sent here.
    silent = kappa**2 * tf.linalg.matvec(gains, 1 / duals, transpose_a=True) <= noise_ratio
    found = tf.where(silent, 0.0, arriving)
    worst = tf.reduce_max(tf.reduce_mean(tf.square(found) * inverse, axis=1))
    return found * tf.math.rsqrt(tf.maximum(worst, 1.0))
