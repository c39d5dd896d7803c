"""What settings and diagnostics are called in figures and tables, with their units."""

from __future__ import annotations

UNITS = {
    "energy_per_round": "energy per round (noise variance 1 per real)",
    "snr_db": "SNR per data symbol (dB)",
    "speed_mps": "speed (m/s)",
    "delay_spread_s": "delay spread (s)",
    "carrier_hz": "carrier (Hz)",
    "pilot_snr_db": "SNR of the pilots (dB)",
    "age_s": "age of the channel knowledge (s)",
    "uplink_snr_db": "uplink SNR (dB)",
    "uplink_nmse_db": "uplink NMSE (dB)",
    "gradient_nmse_db": "gradient NMSE (dB)",
    "air_time_ms": "air time (ms)",
    "symbols_per_round": "symbols",
    "rank": "rank",
    "workers": "workers",
    "antennas": "antennas at the server",
    "threshold": "truncation threshold (power gain)",
}

_SUFFIXES = {"db": "dB", "dbm": "dBm", "mps": "m/s", "s": "s", "hz": "Hz"}


def name_and_unit(key: str) -> tuple[str, str]:
    """`speed` and `m/s` for `speed_mps`: units are at the end of the names of settings."""
    stem, _, suffix = key.rpartition("_")
    unit = _SUFFIXES.get(suffix, "")
    return (stem if unit else key).replace("_", " "), unit


def without_unit(label: str) -> str:
    """A label without the unit that stands behind it in brackets."""
    return label.rsplit(" (", 1)[0]
