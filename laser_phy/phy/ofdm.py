"""Real messages on OFDM symbols: blocks, pairs of reals, spread over the resource elements."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from pydantic import model_validator

from laser_phy.core.lazy import tf
from laser_phy.core.settings import Settings, setting


class Ofdm(Settings):
    """Numerology and layout of the resource grid."""

    fft_size: int = setting(512, ge=8, le=65536, unit="subcarriers")
    """Length of the FFT, guards and DC included."""
    subcarrier_spacing_hz: float = setting(30e3, gt=0, le=1e9, unit="Hz")
    """Distance of two subcarriers."""
    cyclic_prefix: int = setting(36, ge=0, le=65536, unit="samples")
    """Length of the cyclic prefix."""
    guard_carriers: tuple[int, int] = setting(
        (17, 16), unit="subcarriers, below and above the band"
    )
    """Empty subcarriers at both edges."""
    dc_null: bool = setting(True)
    """Leave the subcarrier at zero frequency empty."""
    slot_symbols: int = setting(14, ge=1, le=1024, unit="OFDM symbols")
    """OFDM symbols of a slot."""
    pilot_symbols: tuple[int, ...] = setting((2, 11), unit="OFDM symbols within a slot, from 0")
    """OFDM symbols of a slot that carry pilots, where some CSI comes from pilots."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        low, high = self.guard_carriers
        if low < 0 or high < 0:
            raise ValueError(f"guard_carriers must be >= 0 (subcarriers); got [{low}, {high}].")
        used = self.fft_size - low - high - self.dc_null
        if used < 1:
            raise ValueError(
                f"guard_carriers must leave at least one data subcarrier of fft_size "
                f"{self.fft_size}; got [{low}, {high}] with dc_null {str(self.dc_null).lower()}."
            )
        if self.cyclic_prefix > self.fft_size:
            raise ValueError(
                f"cyclic_prefix must be <= fft_size {self.fft_size} (samples); "
                f"got {self.cyclic_prefix}."
            )
        pilots = self.pilot_symbols
        if any(p < 0 or p >= self.slot_symbols for p in pilots) or len(set(pilots)) < len(pilots):
            raise ValueError(
                f"pilot_symbols must be different OFDM symbols of the slot, 0 to "
                f"{self.slot_symbols - 1}; got {list(pilots)}."
            )
        if len(pilots) >= self.slot_symbols:
            raise ValueError(
                f"pilot_symbols must leave a data symbol in the slot of {self.slot_symbols} "
                f"OFDM symbols; got {len(pilots)} pilot symbols."
            )
        return self

    @property
    def symbol_duration_s(self) -> float:
        """Duration of an OFDM symbol with its cyclic prefix, in seconds."""
        samples = self.fft_size + self.cyclic_prefix
        return samples / (self.fft_size * self.subcarrier_spacing_hz)


def symbols_of(reals: int) -> int:
    """Complex symbols that carry `reals` real numbers."""
    return (reals + 1) // 2


def to_symbols(reals: Any) -> Any:
    """s[n] = x[2n] + j x[2n+1].

    Args:
        reals: [..., real] float32; an odd length is padded with one zero.

    Returns:
        [..., symbol] complex64.
    """
    size = reals.shape[-1]
    if size % 2:
        reals = tf.pad(reals, [[0, 0]] * (len(reals.shape) - 1) + [[0, 1]])
    return tf.bitcast(tf.reshape(reals, [*reals.shape[:-1], (size + 1) // 2, 2]), tf.complex64)


def to_reals(symbols: Any, size: int) -> Any:
    """The `size` reals of [symbol] complex64: the inverse of `to_symbols`."""
    return tf.reshape(tf.bitcast(symbols, tf.float32), [-1])[:size]


def spread(symbols: int, elements: int) -> np.ndarray:
    """Resource element of each symbol: a fixed permutation that scatters neighbours.

    n -> n q mod `elements`, q coprime to `elements` and near the golden section of it: neighbours
    land far apart in time and frequency, and any run of symbols covers the grid evenly. Being a
    formula, it is the same in every program that knows the grid, and chunks need no table.

    Returns:
        [symbol] int64, all different.
    """
    if symbols > elements:
        raise ValueError(f"symbols must be <= {elements} (resource elements); got {symbols}.")
    step = max(1, round(elements * (math.sqrt(5) - 1) / 2))
    while math.gcd(step, elements) > 1:
        step += 1
    return np.arange(symbols, dtype=np.int64) * step % elements


class BlockLayout:
    """Blocks one after the other, and the symbols that carry them.

    Args:
        blocks: reals of every block.
        symbols: complex symbols that carry them; two reals a symbol unless told otherwise.
    """

    def __init__(self, blocks: Sequence[int], symbols: int | None = None) -> None:
        self.blocks = tuple(blocks)
        self.size = sum(self.blocks)
        self.symbols = symbols_of(self.size) if symbols is None else symbols

    def per_real(self, per_block: Any) -> Any:
        """[block] -> [real], the value of each real's block."""
        # tf.repeat would build a mask [block, longest block] on the way
        values = tf.unstack(per_block, num=len(self.blocks))
        return tf.concat([tf.fill([n], x) for n, x in zip(self.blocks, values, strict=True)], 0)

    def per_block(self, per_real: Any) -> Any:
        """[real] -> [block] sums."""
        return tf.stack([tf.reduce_sum(part) for part in tf.split(per_real, self.blocks)])
