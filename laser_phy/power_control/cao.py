"""Least error of a sum of gains (Cao, Zhu, Xu, Huang 2019), extended to correlated messages.

On an element worker k arrives with the amplitude m_k = h_k b_k >= 0 and the server multiplies by r:

    error = (1 - c) sum_k (r m_k - 1)^2 + c (sum_k (r m_k - 1))^2 + v r^2

in units of E|x|^2 / K^2, with c = E[x_k x_l*] / E|x|^2 the correlation of two workers' messages and
v the variance of the noise over E|x|^2. For c = 0 it is Cao's problem, with r = 1/sqrt(eta).

Static, m_k <= a_k = |h_k| on every element. The best r leaves S1^2 / ((1 - c) S2 + c S1^2 + v) to
maximise, S1 = sum m, S2 = sum m^2, and that grows with S1^2 / (S2 + v / (1 - c)): Cao's problem
with more noise. So m_k = min(a_k, t) with t = min_k (v/(1-c) + sum_{i<=k} a_i^2) / sum_{i<=k} a_i
over a in rising order.

Mean power, mean_n m_k^2 / |h_k|^2 <= 1 with duals mu_k. Stationarity in m and r:
    m_k = r u / ((1 - c) r^2 + mu_k / s_k),   s_k = |h_k|^2,
    u = (1 - c + c K) / (1 + c A),            A = sum_k r^2 / ((1 - c) r^2 + mu_k / s_k),
    v r^2 = sum_k mu_k m_k^2 / s_k.
After division by r^2 the right of the last falls in r, so it has one root, or none: then the
element stays silent (v < (1 - c + c K)^2 sum_k s_k / mu_k fails).
"""

from __future__ import annotations

from typing import Any

from laser_phy.lazy import tf

BISECTIONS = 40  # of log r^2 at the start
DUAL_STEPS = 80
NEWTON_STEPS = 2  # of log r^2 after each step of the duals
LOG_RANGE = 35.0  # |log r^2| at most: 150 dB either way
WEAKEST = 1e-12  # power gain that weaker ones count as: no 1/0


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

    mu_k <- mu_k mean_n |b_k|^2; log r^2 follows each step by Newton's method, whose function is
    decreasing and concave. A last scaling keeps the budget of a worker whose dual is not there yet.

    Args:
        gains: [worker, symbol] power gains.
        noise_ratio: [symbol] v.
        correlation: c, below 1.
    """
    workers = gains.shape[0]
    kappa = 1 - correlation + correlation * workers
    inverse = tf.math.reciprocal(tf.maximum(gains, WEAKEST))

    def arriving(log_squared: Any, duals: Any) -> Any:
        squared = tf.exp(log_squared)
        divisor = (1 - correlation) * squared + duals[:, tf.newaxis] * inverse
        total = tf.reduce_sum(squared / divisor, axis=0)
        return tf.sqrt(squared) * kappa / (1 + correlation * total) / divisor

    def excess(log_squared: Any, duals: Any) -> Any:
        """log of sum_k mu_k |b_k|^2 / (v r^2): falls in r, 0 at the root."""
        power = tf.square(arriving(log_squared, duals)) * inverse
        spent = tf.linalg.matvec(power, duals, transpose_a=True)
        return tf.math.log(tf.maximum(spent, 1e-37)) - log_squared - tf.math.log(noise_ratio)

    def bisect(step: Any, low: Any, high: Any) -> Any:
        middle = (low + high) / 2
        above = excess(middle, duals) > 0
        return step + 1, tf.where(above, middle, low), tf.where(above, high, middle)

    def newton(log_squared: Any, duals: Any) -> Any:
        value = excess(log_squared, duals)
        slope = (excess(log_squared + 1e-2, duals) - value) / 1e-2
        step = value / tf.minimum(slope, -1e-3)
        return tf.clip_by_value(log_squared - step, -LOG_RANGE, LOG_RANGE)

    def follow(step: Any, log_squared: Any, duals: Any) -> Any:
        power = tf.square(arriving(log_squared, duals)) * inverse
        duals *= tf.maximum(tf.reduce_mean(power, axis=1), 1e-3)
        for _ in range(NEWTON_STEPS):
            log_squared = newton(log_squared, duals)
        return step + 1, log_squared, duals

    duals = tf.fill([workers], tf.reduce_mean(noise_ratio))
    edge = tf.fill(tf.shape(noise_ratio), LOG_RANGE)
    log_squared = _loop(bisect, BISECTIONS, -edge, edge)[0]
    log_squared, duals = _loop(follow, DUAL_STEPS, log_squared, duals)
    # No root: the noise outweighs whatever could be sent here.
    silent = kappa**2 * tf.linalg.matvec(gains, 1 / duals, transpose_a=True) <= noise_ratio
    found = tf.where(silent, 0.0, arriving(log_squared, duals))
    worst = tf.reduce_max(tf.reduce_mean(tf.square(found) * inverse, axis=1))
    return found * tf.math.rsqrt(tf.maximum(worst, 1.0))


def _loop(body: Any, steps: int, *carry: Any) -> Any:
    found = tf.while_loop(lambda step, *_: step < steps, body, (0, *carry), parallel_iterations=1)
    return found[1:]
