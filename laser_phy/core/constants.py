"""Constants that more than one concept relies on."""

NOISE_VARIANCE = 2.0
"""`no` of a resource element, in Sionna's terms: unit variance per real dimension."""
