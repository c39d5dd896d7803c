"""Randomness as an argument: one seed, independent streams, random access by round.

A stream is a 64-bit key derived from (seed, name). A draw is a pure function of (key, round), so a
resumed run, another compressor or another chunk size sees the same channel and the same noise.
"""

import zlib
from typing import Any

import numpy as np

from laser_phy.core.lazy import tf

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


def stateless_seed(key: int, purpose: str, transmission: Any, worker: Any) -> Any:
    """Seed [2] of a stateless draw from the stream `key`, for a purpose, transmission and worker.

    Args:
        key: of a stream.
        purpose: a word; purposes draw independently.
        transmission: int64 scalar.
        worker: integer scalar below 2^20.
    """
    place = tf.cast(transmission, tf.int64) * 2**20 + tf.cast(worker, tf.int64)
    return tf.stack([tf.constant(key ^ zlib.crc32(purpose.encode()), tf.int64), place])
