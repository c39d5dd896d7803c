"""Signed energy difference: nobody knows the channel."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from laser_phy.lazy import tf
from laser_phy.receivers.base import Link, Observed, Receiver


class Energy(Receiver):
    """mean_k x_k ~ (|y+|^2 - |y-|^2) / (gamma K s_h^2), the mean over antennas.

    A real takes two resource elements: its positive part u+ is the energy gamma u+ on the first,
    the negative part that on the second, each symbol with a random phase of its own. The energy of
    the noise falls out of the difference. Energy goes with the L1 norm, gamma_j = p_j over the
    largest ||x_k[j]||_1. With S+- = gamma sum_k u+- s_h^2 + no the variance under independent
    Rayleigh fading is (S+^2 + S-^2) / (M K^2 gamma^2); reals that share one coherence block share
    its error too (after Goldenbaum, Stanczak, "Robust analog function computation via wireless
    multiple-access channels", 2013).
    """

    name: Literal["energy"] = "energy"

    unprecoded: ClassVar[bool] = True
    mapping: ClassVar[str] = "energies"

    def combine(self, received: Any, observed: Observed, prior: Any, link: Link) -> Any:
        energy = tf.reduce_mean(tf.square(tf.abs(received)), axis=0)
        return tf.math.divide_no_nan(energy, link.workers * link.power)
