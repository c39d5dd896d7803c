"""Constants that more than one concept relies on."""

import math

NOISE_VARIANCE = 2.0
"""`no` of a resource element, in Sionna's terms: unit variance per real dimension."""

CONTROL_ENERGY_PER_BIT = 2 * math.log(2)
"""Energy a bit at capacity, in the low-power limit of a real channel with unit noise: 1.39."""

FLOOR_DB = -200.0
"""What an error of exactly nothing is shown as: far below float32's own rounding, and finite."""
