"""Reals on symbols: as amplitudes, two a symbol, or as energies, one on several symbols."""

from __future__ import annotations

import math
from typing import Any

from laser_phy.core.lazy import tf
from laser_phy.phy.ofdm import symbols_of, to_reals, to_symbols


class LinearModulation:
    """s[n] = a (x[2n] + j x[2n+1]), of energy a^2 x^2 a real.

    Attributes:
        shifted: reals must be made >= 0 before they are sent.
        norms_tell: a block's energy at amplitude 1 is its squared norm, which is signalled.
    """

    shifted = False
    norms_tell = True

    def symbols(self, reals: int) -> int:
        """Complex symbols that carry `reals` real numbers."""
        return symbols_of(reals)

    def energies(self, reals: Any) -> Any:
        """Energy of every real, for amplitude 1 and b = 1."""
        return tf.square(reals)

    def amplitude(self, energy: Any, budget: Any) -> Any:
        """What reals are multiplied by so that energy `energy` at amplitude 1 becomes `budget`."""
        return tf.math.divide_no_nan(tf.sqrt(budget), tf.sqrt(energy))

    def modulate(self, reals: Any, seed: Any) -> Any:
        """[symbol] complex64 for scaled reals [real]; `seed` [2] of what is drawn."""
        return to_symbols(reals)

    def demodulate(self, symbols: Any, reals: int) -> Any:
        """[real] for what the receiver made of the symbols."""
        return to_reals(symbols, reals)

    def per_real(self, per_symbol: Any, reals: int) -> Any:
        """[symbol] -> [real]: the value of each real's symbol."""
        return tf.reshape(tf.stack([per_symbol, per_symbol], axis=1), [-1])[:reals]

    def per_symbol(self, per_real: Any) -> Any:
        """[real] -> [symbol]: the sum over a symbol's reals."""
        pairs = to_symbols(per_real)
        return tf.math.real(pairs) + tf.math.imag(pairs)


class EnergyModulation(LinearModulation):
    """|s+|^2 = a max(x, 0) / L on L symbols, |s-|^2 = a max(-x, 0) / L on L more, random phases.

    The energy of a real is a |x|; the difference of the two energies is a x.

    Args:
        length: L, symbols that carry one part of a real.
    """

    parts = 2
    norms_tell = False

    def __init__(self, length: int) -> None:
        self.length = length

    def symbols(self, reals: int) -> int:
        return self.parts * self.length * reals

    def energies(self, reals: Any) -> Any:
        return tf.abs(reals)

    def amplitude(self, energy: Any, budget: Any) -> Any:
        return tf.math.divide_no_nan(budget, energy)

    def modulate(self, reals: Any, seed: Any) -> Any:
        shares = tf.repeat(self._split(reals) / self.length, self.length, axis=1)
        magnitude = tf.reshape(tf.sqrt(shares), [-1])
        phase = tf.random.stateless_uniform(tf.shape(magnitude), seed, maxval=2 * math.pi)
        return tf.complex(magnitude * tf.cos(phase), magnitude * tf.sin(phase))

    def demodulate(self, symbols: Any, reals: int) -> Any:
        energies = tf.reshape(symbols, [reals, self.parts, self.length])
        return self._join(tf.reduce_sum(energies, axis=2))

    def per_real(self, per_symbol: Any, reals: int) -> Any:
        # All elements of a real are sent as they are, or one would weigh more than the others.
        return per_symbol[:: self.parts * self.length]

    def per_symbol(self, per_real: Any) -> Any:
        count = self.parts * self.length
        return tf.repeat(per_real / count, count)

    def _split(self, reals: Any) -> Any:
        """[real, part] energies >= 0."""
        return tf.stack([tf.nn.relu(reals), tf.nn.relu(-reals)], axis=1)

    def _join(self, parts: Any) -> Any:
        """[real] of energies [real, part]."""
        return parts[:, 0] - parts[:, 1]


class AffineEnergyModulation(EnergyModulation):
    """|s|^2 = a (x + c) / L on L symbols with random phases, c >= max |x| of all workers.

    The caller adds c before and takes it away behind.
    """

    parts = 1
    shifted = True

    def energies(self, reals: Any) -> Any:
        return reals

    def _split(self, reals: Any) -> Any:
        return tf.nn.relu(reals)[:, tf.newaxis]

    def _join(self, parts: Any) -> Any:
        return parts[:, 0]
