"""The optimum among aligned rules: power jointly over subcarriers and workers."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from laser_phy.core.lazy import tf
from laser_phy.core.settings import setting
from laser_phy.power_control.base import PowerControl


class JointSolution(NamedTuple):
    """Attributes:
    gains: [symbol] u = q^2, the power gain with which every worker arrives.
    duals: [worker] lambda >= 0 of the workers' budgets, of sum 1.
    gap: scalar, primal over dual value less 1: 0 at the optimum, and a bound above it.
    """

    gains: Any
    duals: Any
    gap: Any


class Joint(PowerControl):
    """b_k[n] = q[n] / h_k[n], with q that gives the least noise under every worker's budget.

        minimise sum_n 1/u_n over u = q^2, subject to mean_n u_n / |h_k[n]|^2 <= 1 for all k.

    The optimum is u_n = 1 / sqrt(sum_k lambda_k / |h_k[n]|^2): a worker alone puts energy
    proportional to 1/|h| and not to 1/|h|^2. It is aligned, so unbiased, and the server knows q,
    because it works it out from all workers' channels. Every round keeps the budget on the mean
    over its elements, messages of even energy assumed; `budget: round` makes it strict.
    """

    name: Literal["joint"] = "joint"
    steps: int = setting(60, ge=1, le=10_000, unit="steps of the fixed point")
    """Steps of the solver."""

    @property
    def plans(self) -> bool:
        return True

    def plan(self, gains: Any, noise_ratio: Any) -> Any:
        return tf.broadcast_to(tf.sqrt(solve(gains, self.steps).gains), tf.shape(gains))


def solve(gains: Any, steps: int) -> JointSolution:
    """The optimum over [worker, symbol] power gains, by a multiplicative fixed point.

    lambda_k <- lambda_k (g_k^T u) / (lambda^T G u) with g = 1/|h|^2 leaves the duals on the simplex
    and stands still where every worker with a positive dual spends the same, which is KKT. The gap
    is certified by the dual value (sum_n sqrt(lambda^T g_n))^2 / (N sum lambda).
    """
    # Deep fades would overflow once multiplied; 1e-12 is 120 dB below the mean.
    inverse = tf.math.reciprocal(tf.maximum(gains, 1e-12))
    workers, count = tf.unstack(tf.cast(tf.shape(gains), tf.float32))

    def powers(duals: Any) -> Any:
        return tf.math.rsqrt(tf.linalg.matvec(inverse, duals, transpose_a=True))

    def body(step: Any, duals: Any) -> Any:
        spent = duals * tf.linalg.matvec(inverse, powers(duals))
        return step + 1, spent / tf.reduce_sum(spent)

    start = (0, tf.ones_like(gains[:, 0]) / workers)
    _, duals = tf.while_loop(lambda step, _: step < steps, body, start, parallel_iterations=1)
    power = powers(duals)
    power *= count / tf.reduce_max(tf.linalg.matvec(inverse, power))
    dual_value = tf.square(tf.reduce_sum(tf.math.reciprocal(powers(duals)))) / count
    return JointSolution(power, duals, tf.reduce_sum(1 / power) / dual_value - 1)
