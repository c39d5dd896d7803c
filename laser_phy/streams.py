"""Randomness as an argument: one seed, independent streams, random access by round.

A stream is a 64-bit key derived from (seed, name). A draw is a pure function of (key, round), so a
resumed run, another compressor or another chunk size sees the same channel and the same noise.
"""

import zlib

import numpy as np

STREAMS = (
    "data", "model", "random_layers", "channel", "noise", "downlink", "downlink_noise", "compressor"
)  # fmt: skip


def stream_key(seed: int, name: str) -> int:
    """A positive 63-bit key for the stream `name` of a scenario's `seed`.

    Raises:
        ValueError: `name` is none of `STREAMS`.
    """
    if name not in STREAMS:
        raise ValueError(f"stream must be one of {', '.join(STREAMS)}; got {name!r}.")
    sequence = np.random.SeedSequence([seed, zlib.crc32(name.encode())])
    return int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))
