"""The shares of least decoded error, for each kind of decoder and receiver.

A linear decoder D_j of block j turns channel noise of variance v a real into an error G_j v,
G_j = ||D_j||_F^2. What is minimised, over p_j >= 0 of sum P, is the sum of these errors.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from laser_phy.core.lazy import tf


def linear_weights(norms: Any, gains: Any) -> Any:
    """p_j ~ sqrt(G_j) c_j, of least sum_j G_j c_j^2 / (K^2 p_j).

    The minimum holds behind every coherent receiver whose noise a real is a constant times
    c_j / sqrt(p_j): AWGN, inversion truncated or regularised, phase only, blind.

    Args:
        norms: [..., block] c_j.
        gains: [block] G_j: the block's reals for an orthonormal or a plain decoder, the whole
            tensor's for a sketch.
    """
    return tf.sqrt(gains) * norms


def energy_weights(norms: Any, sizes: Any) -> Any:
    """p_j ~ (n_j c_j^2)^(1/3), of least sum_j n_j c_j^2 / p_j^2: energy detection at low SNR.

    Args:
        norms: [..., block] c_j, the L1 norms that energy detection scales by.
        sizes: [block] n_j.
    """
    return (sizes * tf.square(norms)) ** (1 / 3)


def first_factor_share(rows: Any, columns: Any, energy: Any) -> Any:
    """Share a / P of the first of two factors (`factors: both`), of least error for rank one.

    L = M b is sent with energy a over m rows, A = qr(L), then M^T A with energy P - a over n
    columns, at noise 1 a real and ||M|| = 1. The decoded error relative to ||M||^2 is

        (m + n a / (P - a)) / (m + a),  least at  a = m P (P - n) / (m P + sqrt(D)),
        D = m^2 P^2 + (n - m) m P (P - n).

    For rank r of equal columns, m and n are the reals r m and r n. Where P <= n every split errs by
    more than ||M||^2: there the result is not positive.

    Args:
        rows: m. columns: n. energy: P. Broadcast against each other.
    """
    m, n, p = rows, columns, energy
    root = tf.sqrt(tf.maximum(m * m * p * p + (n - m) * m * p * (p - n), 0.0))
    return tf.math.divide_no_nan(m * (p - n), m * p + root)


def wiener_energies(noise: Any, signal: Any, budget: Any) -> Any:
    """Water-filling p_j = [sqrt(A_j / nu) - A_j / S_j]_+ of sum P, behind Wiener shrinkage.

    Least sum_j S_j A_j / (A_j + S_j p_j), the error of an estimate of least error of block j. What
    is too far below the noise gets nothing.

    Args:
        noise: [..., block] A_j = G_j c_j^2 / K^2.
        signal: [..., block] S_j = ||mean_k x_k[j]||^2; a block of 0 gets nothing.
        budget: P.

    Returns:
        [..., block] energies.
    """
    root = tf.sqrt(noise)
    floor = tf.math.divide_no_nan(noise, signal)
    # Blocks drop out in the order of floor / root = sqrt(A) / S, those without signal first: the
    # level of the first j blocks that keeps the j-th above 0 is the level of all.
    order = tf.argsort(tf.where(signal > 0, tf.math.divide_no_nan(root, signal), np.inf), axis=-1)
    floors, roots, signals = (
        tf.gather(x, order, axis=-1, batch_dims=len(order.shape) - 1) for x in (floor, root, signal)
    )
    levels = tf.math.divide_no_nan(budget + tf.cumsum(floors, axis=-1), tf.cumsum(roots, axis=-1))
    kept = (levels * roots > floors) & (signals > 0)
    # 1 / sqrt(nu) is the level of the last block that is kept
    last = tf.reduce_sum(tf.cast(kept, tf.int32), axis=-1, keepdims=True) - 1
    level = tf.gather(levels, tf.maximum(last, 0), axis=-1, batch_dims=len(order.shape) - 1)
    return tf.where(signal > 0, tf.nn.relu(level * root - floor), tf.zeros_like(root))
