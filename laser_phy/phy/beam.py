"""The server's common beam, the same for all workers on both ways."""

from __future__ import annotations

from typing import Any

from laser_phy.core.lazy import tf


def common_beam(response: Any) -> Any:
    """w^H h [element] of `response` [antenna, element], with w = 1/sqrt(M) on all M antennas.

    Of unit power for independent antennas; it is the channel that workers see.
    """
    antennas = tf.cast(tf.shape(response)[0], tf.float32)
    return tf.reduce_sum(response, axis=0) / tf.cast(tf.sqrt(antennas), response.dtype)
