"""Energies: nobody knows the channel."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from laser_phy.core.lazy import tf
from laser_phy.core.settings import setting
from laser_phy.phy.modulation import (
    AffineEnergyModulation,
    EnergyModulation,
    LinearModulation,
)
from laser_phy.receivers.base import ChannelObservation, Link, Receiver


class Energy(Receiver):
    """The sum of energies, which no phase can turn: mean_k u_k ~ (|y|^2 - no) / (gamma K s_h^2).

    Every symbol has a random phase of its own, so that on the mean over them energies add up.
    S = gamma sum_k u_k s_h^2 + no is the mean of |y|^2, with gamma the energy a unit of u.

    `signed`: a real's positive part u+ is sent on one resource element, its negative part u- on
    another, and the noise falls out of the difference. Energy goes with the L1 norm, gamma_j = p_j
    over the largest ||x_k[j]||_1. Under independent Rayleigh fading the variance of mean_k x_k is
    (S+^2 + S-^2) / (M K^2 gamma^2). Behind the compressor `signum` this is majority vote by
    frequency-shift keying (Sahin, "Distributed learning over a wireless network with FSK-based
    majority vote", 2021): with K+ against K- votes and m+- = gamma K+- + no, the wrong sign wins
    with the probability I_x(M, M), x = m-/(m+ + m-); for M = 1 it is x.

    `affine`: u = x + c on one element, c the largest |x| of all workers, which the control channel
    carries; half the elements, but energy for c too, and no that must be known (Goldenbaum,
    Stanczak, "Robust analog function computation via wireless multiple-access channels", 2013).

    A part may take `length` L elements, gamma / L on each: a random unit-modulus sequence. Given
    the energies c_k = |h_k|^2 gamma u_k / L, and S their sum, the mean of |y|^2 over a sequence has
    the variance (S^2 - sum c_k^2 + 2 S no + no^2) / L: a longer one averages the other workers'
    interference out, and lets more noise in. Fading that the whole sequence shares stays: reals in
    one coherence block keep (1/K^2) sum_k x_k^2 of variance.

    With unequal mean gains a worker weighs as much as its gain: see power_control `path_loss`.
    """

    name: Literal["energy"] = "energy"
    code: Literal["signed", "affine"] = setting("signed")
    """`signed`: positive and negative parts apart; `affine`: one energy, above a common level."""
    length: int = setting(1, ge=1, le=65536, unit="resource elements")
    """Elements that carry one part of a real, with random phases."""

    unprecoded: ClassVar[bool] = True
    coherent: ClassVar[bool] = False

    def modulation(self) -> LinearModulation:
        kind = EnergyModulation if self.code == "signed" else AffineEnergyModulation
        return kind(self.length)

    def combine(self, received: Any, observed: ChannelObservation, prior: Any, link: Link) -> Any:
        energy = tf.reduce_mean(tf.square(tf.abs(received)), axis=0) - link.noise_variance
        return tf.math.divide_no_nan(energy, link.workers * link.power)
