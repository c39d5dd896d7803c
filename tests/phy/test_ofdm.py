"""Reals on symbols, symbols on the grid."""

import numpy as np
import pytest
import tensorflow as tf

from laser_phy.channels.grid import resource_grid, round_grid
from laser_phy.phy.ofdm import Ofdm, spread, symbols_of, to_reals, to_symbols


@pytest.mark.parametrize("size", [1, 2, 7, 8])
def test_reals_go_there_and_back(size):
    reals = np.random.default_rng(size).normal(size=size).astype(np.float32)
    symbols = to_symbols(tf.constant(reals))
    assert symbols.shape == (symbols_of(size),)
    np.testing.assert_array_equal(to_reals(symbols, size), reals)
    assert np.sum(np.abs(symbols) ** 2) == pytest.approx(np.sum(reals**2), rel=1e-5)


def test_pairs_are_real_and_imaginary_parts():
    symbols = to_symbols(tf.constant([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]))
    np.testing.assert_array_equal(symbols, [[1 + 2j, 3], [4 + 5j, 6]])


@pytest.mark.parametrize(("symbols", "elements"), [(1, 1), (3, 4), (478, 478), (604, 956), (7, 7)])
def test_spread_uses_every_element_at_most_once(symbols, elements):
    places = spread(symbols, elements)
    assert len(set(places)) == symbols
    assert places.min() >= 0
    assert places.max() < elements


def test_spread_scatters_neighbours():
    places = spread(900, 956)
    assert np.abs(np.diff(places)).min() > 956 // 4


def test_spread_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match=r"symbols must be <= 4 \(resource elements\); got 5"):
        spread(5, 4)


SMALL = Ofdm(
    fft_size=64, guard_carriers=(6, 5), cyclic_prefix=4, slot_symbols=7, pilot_symbols=(2, 5)
)


def test_geometry_is_sionnas():
    slot = resource_grid(SMALL, pilots=True)
    grid = round_grid(SMALL, 52 * 5, pilots=True)
    assert len(grid.frequencies_hz) == slot.num_effective_subcarriers == 64 - 11 - 1
    assert slot.num_data_symbols == 52 * 5  # one slot's worth
    assert list(grid.times) == [0, 1, 3, 4, 6]
    assert grid.ofdm_symbols == 7
    assert 0.0 not in grid.frequencies_hz  # DC stays empty
    assert np.abs(np.diff(grid.frequencies_hz)).min() == pytest.approx(30e3)


@pytest.mark.parametrize(
    ("symbols", "pilots", "times", "total"),
    [
        (1, False, [0], 1),
        (53, False, [0, 1], 2),
        (52 * 8, False, list(range(8)), 8),
        (1, True, [0], 6),  # the slot's pilots are sent, and wait for
        (52 * 6, True, [0, 1, 3, 4, 6, 7], 13),
    ],
)
def test_a_round_takes_the_symbols_it_needs(symbols, pilots, times, total):
    grid = round_grid(SMALL, symbols, pilots=pilots)
    assert list(grid.times) == times
    assert grid.ofdm_symbols == total
    assert grid.air_time_s == pytest.approx(total * 68 / (64 * 30e3))


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"guard_carriers": (300, 300)}, "guard_carriers must leave at least one data subcarrier"),
        (
            {"guard_carriers": (-1, 0)},
            r"guard_carriers must be >= 0 \(subcarriers\); got \[-1, 0\]",
        ),
        ({"cyclic_prefix": 600}, r"cyclic_prefix must be <= fft_size 512 \(samples\); got 600"),
        ({"pilot_symbols": (2, 14)}, "pilot_symbols must be different OFDM symbols of the slot"),
        ({"slot_symbols": 2, "pilot_symbols": (0, 1)}, "must leave a data symbol in the slot"),
    ],
)
def test_impossible_grids_are_refused(fields, sentence):
    with pytest.raises(ValueError, match=sentence):
        Ofdm(**fields)
