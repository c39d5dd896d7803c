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

    def symbols(self, reals: int) -> int:
        return 2 * reals

    def energies(self, reals: Any) -> Any:
        return tf.abs(reals)

    def amplitude(self, energy: Any, budget: Any) -> Any:
        return tf.math.divide_no_nan(budget, energy)

    def modulate(self, reals: Any, seed: Any) -> Any:
        parts = tf.stack([tf.nn.relu(reals), tf.nn.relu(-reals)], axis=1)
        magnitude = tf.reshape(tf.sqrt(parts), [-1])
        phase = tf.random.stateless_uniform(tf.shape(magnitude), seed, maxval=6.283185307179586)
        return tf.complex(magnitude * tf.cos(phase), magnitude * tf.sin(phase))

    def per_real(self, per_symbol: Any, reals: int) -> Any:
        return per_symbol[::2]  # both elements have b = 1

    def estimate(
        self, received: Any, observed: Observed, prior: Any, link: Link, reals: int
    ) -> Any:
        energy = tf.reduce_mean(tf.square(tf.abs(received)), axis=0)
        positive, negative = tf.unstack(tf.reshape(energy, [reals, 2]), axis=1)
        return tf.math.divide_no_nan(positive - negative, link.workers * link.power)
