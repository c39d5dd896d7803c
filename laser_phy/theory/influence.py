"""The channel influence factor lambda = E||g^ - g||^2 / ||g||^2, of one worker on AWGN."""

from __future__ import annotations

import numpy as np

from laser_phy.theory.lemmas import factor_split, rank_split


def influence_z_sgd(rows: int, columns: int, energy: float) -> float:
    """lambda = m n / P = 1 / SNR: the gradient sent as it is (Lemma 9)."""
    return rows * columns / energy


def influence_laser(rows: int, columns: int, singular_values: np.ndarray, energy: float) -> float:
    """lambda = sum_i kappa_i f*(P_i): both factors noisy, power by Lemmas 8 and 7.

    Args:
        rows: m. columns: n.
        singular_values: [rank] of the gradient; kappa_i = sigma_i^2 / sum_j sigma_j^2.
        energy: P.
    """
    sigma = np.asarray(singular_values, float)
    sigma = sigma[sigma > 0]
    _, _, errors = factor_split(rows, columns, rank_split(sigma, energy))
    return float(np.sum(sigma**2 * errors) / np.sum(sigma**2))


def influence_laser_bound(rows: int, columns: int, rank: int, energy: float) -> float:
    """lambda <= 4 / ((m/r) SNR) (1 + 1 / ((n/r) SNR)), SNR = P / (m n), m <= n (Lemma 10)."""
    rows, columns = sorted((rows, columns))
    snr = energy / (rows * columns)
    return 4 / (rows / rank * snr) * (1 + 1 / (columns / rank * snr))


def send_z_sgd(gradient: np.ndarray, energy: float, random: np.random.Generator) -> np.ndarray:
    """g + ||g|| z / sqrt(P): what the server has of a gradient sent as it is."""
    scale = np.linalg.norm(gradient) / np.sqrt(energy)
    return gradient + scale * random.standard_normal(gradient.shape)


def send_laser(
    gradient: np.ndarray, rank: int, energy: float, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A rank-r gradient of which both factors were sent, with power by Lemmas 8 and 7.

    Returns:
        What the server has, [row, column], and the rank-r part of the gradient that was sent.
    """
    u, sigma, v = np.linalg.svd(gradient, full_matrices=False)
    u, sigma, v = u[:, :rank], sigma[:rank], v[:rank].T
    energies = np.maximum(rank_split(np.maximum(sigma, 1e-300), energy), 1e-300)
    rows, columns = gradient.shape
    left, right, _ = factor_split(rows, columns, energies)
    noisy_u = u + random.standard_normal(u.shape) / np.sqrt(left)
    noisy_v = v + random.standard_normal(v.shape) / np.sqrt(right)
    return (noisy_u * sigma) @ noisy_v.T, (u * sigma) @ v.T
