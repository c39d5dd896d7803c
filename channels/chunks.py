"""Long rounds in pieces: memory stays bounded while the channel moves on without a seam."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from laser_phy.core.lazy import tf

LARGEST = 2**22  # numbers in the largest tensor of a piece: 32 MiB of complex64


def fits(steps: int, numbers_per_step: int) -> bool:
    """All steps fit into one piece."""
    return steps * numbers_per_step <= LARGEST


def in_chunks(piece: Callable[[Any, int], Any], steps: int, numbers_per_step: int) -> Any:
    """`piece(first, count)` [..., count] over all steps, joined along the last axis.

    Args:
        piece: gives steps first, first + 1, ... of a process; it is called with an int32 tensor
            `first`, and must draw the same random numbers every time.
        steps: of the whole.
        numbers_per_step: size of the largest tensor that one step needs on the way.
    """
    if fits(steps, numbers_per_step):
        return piece(tf.constant(0), steps)
    count = max(1, LARGEST // numbers_per_step)
    chunks = -(-steps // count)  # of equal length, the last one runs over the end
    count = -(-steps // chunks)
    pieces = tf.TensorArray(tf.complex64, chunks)
    _, pieces = tf.while_loop(
        lambda index, _: index < chunks,
        lambda index, pieces: (index + 1, pieces.write(index, piece(index * count, count))),
        (0, pieces),
        parallel_iterations=1,
        maximum_iterations=chunks,
    )
    joined = pieces.stack()  # chunk, ..., count
    rank = len(joined.shape)
    joined = tf.transpose(joined, [*range(1, rank - 1), 0, rank - 1])
    shape = tf.concat([tf.shape(joined)[:-2], [chunks * count]], axis=0)
    return tf.reshape(joined, shape)[..., :steps]


class Clock:
    """A time offset for Sionna's generator of 38.901 coefficients, which always starts at t = 0.

    Args:
        model: Sionna's CDL, UMi or UMa; its Doppler is shifted by `start_s` from now on.
    """

    def __init__(self, model: Any) -> None:
        self.start_s: Any = 0.0
        sampler = model._cir_sampler
        doppler = sampler._step_11_doppler_matrix
        sampler._step_11_doppler_matrix = lambda topology, azimuth, zenith, times: doppler(
            topology, azimuth, zenith, times + self.start_s
        )
