"""LASER: low-rank factors with error feedback (Makkuva et al., ICML 2024)."""

from __future__ import annotations

from typing import Literal

from laser_phy.compressors.base import Compressor, Shapes
from laser_phy.compressors.laser_codec import LaserCodec
from laser_phy.core.settings import setting


class Laser(Compressor):
    """Rank-r factors against orthonormal bases that everybody shares.

    M_k = e_k + g_k is seen as an m x n matrix, B is the n x r right basis, A the m x r left one.

    `factors: alternate`, one factor a round. Round t even: worker k sends L_k = M_k B; the server
    decodes L = mean L_k + noise, estimates the gradient as L B^T, and A = qr(L) from then on. t
    odd: R_k = M_k^T A is sent, the estimate is A R^T, and B = qr(R). Only the factor that is sent
    is noisy: the basis is what everybody received the round before.

    `factors: both`, two transmissions a round. L_k = M_k B is sent, everybody gets A = qr(L) back,
    R_k = M_k^T A is sent, the estimate is A R^T, and B = qr(R) starts the next round. A gradient of
    rank r arrives whole in one round. M_k waits in the worker's memory between the two, so that the
    second costs one product M_k^T A a matrix and no second gradient.

    The worker keeps e_k = M_k less its own part of the estimate (before noise). Vectors, and
    matrices that would save less than a factor 2, are sent as they are and keep no memory. The
    m x n view of a tensor is the split of its axes, in storage order, closest to square.
    """

    name: Literal["laser"] = "laser"
    rank: int = setting(4, ge=1, le=4096, unit="columns of a factor")
    """Rank r of the factors."""
    factors: Literal["alternate", "both"] = "alternate"
    """One factor a round, left and right in turn; or both, in two transmissions a round."""
    error_feedback: bool = True
    """Keep what was not sent, and add it to the next gradient."""
    blocks: Literal["factor", "column"] = "factor"
    """What power is allocated to: a whole factor, or every column of it on its own."""
    first_share: float = setting(0.2, gt=0, lt=1, unit="of a matrix's energy")
    """With `factors: both`, what the first factor gets (allocation `optimal` chooses its own)."""

    def build(self, shapes: Shapes, key: int) -> LaserCodec:
        return LaserCodec(shapes, key, self)
