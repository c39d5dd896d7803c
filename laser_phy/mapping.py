"""Reals on symbols: as amplitudes, two a symbol, or as energies, one on two symbols."""

from __future__ import annotations

import math
from typing import Any

from laser_phy.lazy import tf
from laser_phy.ofdm import symbols_of, to_reals, to_symbols


class Amplitudes:
    """s[n] = a (x[2n] + j x[2n+1]), of energy a^2 x^2 a real."""

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


class Energies(Amplitudes):
    """|s[2n]|^2 = a max(x[n], 0), |s[2n+1]|^2 = a max(-x[n], 0), with random phases.

    The energy of a real is a |x|; the difference of the two energies is a x.
    """

    def symbols(self, reals: int) -> int:
        return 2 * reals

    def energies(self, reals: Any) -> Any:
        return tf.abs(reals)

    def amplitude(self, energy: Any, budget: Any) -> Any:
        return tf.math.divide_no_nan(budget, energy)

    def modulate(self, reals: Any, seed: Any) -> Any:
        parts = tf.stack([tf.nn.relu(reals), tf.nn.relu(-reals)], axis=1)
        magnitude = tf.reshape(tf.sqrt(parts), [-1])
        phase = tf.random.stateless_uniform(tf.shape(magnitude), seed, maxval=2 * math.pi)
        return tf.complex(magnitude * tf.cos(phase), magnitude * tf.sin(phase))

    def demodulate(self, symbols: Any, reals: int) -> Any:
        positive, negative = tf.unstack(tf.reshape(symbols, [reals, 2]), axis=1)
        return positive - negative

    def per_real(self, per_symbol: Any, reals: int) -> Any:
        # Both elements of a real are sent as they are, or one would weigh more than the other.
        return per_symbol[::2]

    def per_symbol(self, per_real: Any) -> Any:
        return tf.reshape(tf.stack([per_real, per_real], axis=1) / 2, [-1])


MAPPINGS = {"amplitudes": Amplitudes(), "energies": Energies()}
"""By the name that a receiver asks for."""
