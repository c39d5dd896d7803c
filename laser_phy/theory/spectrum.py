"""How close a gradient is to low rank: the share of its energy in its largest singular values."""

from __future__ import annotations

import numpy as np


def top_energy(matrix: np.ndarray, top: int) -> float:
    """sum_{i <= top} sigma_i^2 / sum_i sigma_i^2, of the singular values in falling order.

    From the eigenvalues of the smaller Gram matrix in double precision; NaN for a matrix of zeros.
    A random matrix [m, n] of independent entries, m = n large, has 4 top / m in its first few, and
    one of rank `top` has 1. Rank-r compression can keep no more than `top_energy(matrix, r)`.

    Args:
        matrix: [row, column].
        top: components, >= 1.
    """
    matrix = np.asarray(matrix, np.float64)
    gram = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    energies = np.linalg.eigvalsh(gram)  # rising
    total = energies.sum()
    return float(energies[-top:].sum() / total) if total > 0 else float("nan")
