"""The resource grid of a round: geometry from Sionna's ResourceGrid, placement by indexing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Grid:
    """Data resource elements of one round.

    Attributes:
        frequencies_hz: [subcarrier] baseband frequency of every data subcarrier.
        times: [time] index of every data-bearing OFDM symbol within the round.
        ofdm_symbols: OFDM symbols of the round, pilots included.
        symbol_duration_s: of one OFDM symbol with its cyclic prefix.
        pilot_times: [pilot] index of every OFDM symbol within the round that carries pilots.
        slot_symbols: OFDM symbols of a slot; pilots lie at the same places in all slots.
        fft_size, cyclic_prefix, subcarrier_spacing_hz: numerology (samples and Hz), which the
            time-domain path needs; 0 on a grid of frequencies only.
    """

    frequencies_hz: np.ndarray
    times: np.ndarray
    ofdm_symbols: int
    symbol_duration_s: float
    pilot_times: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    slot_symbols: int = 1
    fft_size: int = 0
    cyclic_prefix: int = 0
    subcarrier_spacing_hz: float = 0.0

    @property
    def elements(self) -> int:
        """Data resource elements of the round."""
        return len(self.times) * len(self.frequencies_hz)

    @property
    def air_time_s(self) -> float:
        """Time on the air of a round, cyclic prefixes and pilots included."""
        return self.ofdm_symbols * self.symbol_duration_s


def resource_grid(ofdm: Any, *, pilots: bool) -> Any:
    """Sionna's ResourceGrid of one slot, for the fields of an `Ofdm` setting."""
    from sionna.phy.ofdm import ResourceGrid

    return ResourceGrid(
        num_ofdm_symbols=ofdm.slot_symbols,
        fft_size=ofdm.fft_size,
        subcarrier_spacing=ofdm.subcarrier_spacing_hz,
        cyclic_prefix_length=ofdm.cyclic_prefix,
        num_guard_carriers=list(ofdm.guard_carriers),
        dc_null=ofdm.dc_null,
        pilot_pattern="kronecker" if pilots and ofdm.pilot_symbols else None,
        pilot_ofdm_symbol_indices=list(ofdm.pilot_symbols) if pilots else None,
    )


def round_grid(ofdm: Any, symbols: int, *, pilots: bool = False) -> Grid:
    """The grid of a round that carries `symbols` complex symbols.

    Slots follow one another; the last one ends with the last OFDM symbol that carries data, except
    that pilots behind it are sent too, for interpolation.
    """
    from sionna.phy.channel import subcarrier_frequencies

    slot = resource_grid(ofdm, pilots=pilots)
    kinds = np.asarray(slot.build_type_grid())[0, 0]  # [time, fft]: 0 data 1 pilot 2 guard 3 DC
    data_times = np.flatnonzero((kinds == 0).any(axis=1))
    pilot_times = np.flatnonzero((kinds == 1).any(axis=1))
    carriers = np.flatnonzero(kinds[data_times[0]] == 0)
    needed = -(-symbols // len(carriers))
    slots, rest = divmod(needed, len(data_times))
    times = (np.arange(slots)[:, None] * ofdm.slot_symbols + data_times).ravel()
    if rest:
        times = np.concatenate([times, slots * ofdm.slot_symbols + data_times[:rest]])
    last = int(times[-1])
    slot_start = last - last % ofdm.slot_symbols
    end = max([last, *(slot_start + pilot_times)]) + 1
    frequencies = subcarrier_frequencies(ofdm.fft_size, ofdm.subcarrier_spacing_hz)
    return Grid(
        frequencies_hz=np.asarray(frequencies, np.float64)[carriers],
        times=times,
        ofdm_symbols=int(end),
        symbol_duration_s=ofdm.symbol_duration_s,
        pilot_times=(
            np.arange(last // ofdm.slot_symbols + 1)[:, None] * ofdm.slot_symbols + pilot_times
        ).ravel(),
        slot_symbols=ofdm.slot_symbols,
        fft_size=ofdm.fft_size,
        cyclic_prefix=ofdm.cyclic_prefix,
        subcarrier_spacing_hz=ofdm.subcarrier_spacing_hz,
    )
