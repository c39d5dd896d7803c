"""D-DSGD: as much of the gradient as the channel carries in bits (Amiri, Gunduz, 2019)."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

import numpy as np

from laser_phy.compressors.base import Compressor, Message, Shapes, Tensors, norm
from laser_phy.compressors.error_feedback import FeedbackCodec
from laser_phy.compressors.shared_randomness import reals_of
from laser_phy.core.lazy import tf
from laser_phy.core.settings import setting

VALUE_BITS = 33
"""Of a mean, 32 for its magnitude and one for its sign."""
BRANCHES = 1024


class Digital(Compressor):
    """One number, and where it stands: the digital rival of the analog schemes (D-DSGD).

    Of M_k = e_k + g_k, all tensors in one vector of d entries, worker k looks at the q largest and
    the q smallest entries. With u the mean of the positive ones among the former and v that of the
    negative ones among the latter, it sends u at those places if u > |v|, else v at those; the
    rest is 0, and is kept: e_k = M_k - x_k. Positions and value take log2 C(d, q) + 33 bits, and q
    is the largest (at most d / 2) with no more of them than

        R = s / (2 K) log2(1 + K P / (s sigma^2)),

    the bits of each of K workers that share s real channel uses of noise sigma^2 a real equally, at
    the capacity of their multiple-access channel. Up to it they are decoded without error, and the
    server takes the mean. K counts all workers; where some sit out, the others do not hurry.

    However large s is, R < 0.72 P / sigma^2: with too little energy for one entry (46 bits where
    d = 7,850, so below P = 64) a worker is silent. What is simulated is the quantisation; codes of
    so few symbols stay below capacity, so that the rival is better here than a real one.
    """

    name: Literal["digital"] = "digital"
    factor: float = setting(0.2, gt=0, le=1, unit="real channel uses an entry")
    """s / d, the channel uses that all workers share in a round; two of them are one symbol."""
    error_feedback: bool = True
    """Keep what was not sent, and add it to the next gradient."""

    analog: ClassVar[bool] = False

    def build(self, shapes: Shapes, key: int) -> DigitalCodec:
        return DigitalCodec(shapes, key, self)


class DigitalCodec(FeedbackCodec):
    """One block of d entries, as the server decodes it. In a round the state is q."""

    linear = False

    def __init__(self, shapes: Shapes, key: int, settings: Digital) -> None:
        super().__init__(shapes, key, settings.error_feedback)
        self.size = sum(self.sizes)
        self.uses = reals_of(self.size, settings.factor)
        self.phases = ((self.size,),)

    @property
    def signalled_blocks(self) -> int:
        return 0  # amplitudes are agreed on before: no norm is needed

    def channel_uses(self, phase: int) -> int:
        return self.uses

    def capacity(self, energy: Any, workers: int, noise: float) -> Any:
        """R of each worker, float64 scalar.

        Args:
            energy: P. workers: K. noise: sigma^2 a real; without it R is infinite.
        """
        snr = workers * tf.cast(energy, tf.float64) / (self.uses * tf.cast(noise, tf.float64))
        return self.uses / (2 * workers) * tf.math.log1p(snr) / math.log(2)

    def with_energy(self, state: Tensors, energy: Any, workers: int, noise: float) -> Tensors:
        return [most_entries(self.size, self.capacity(energy, workers, noise))]

    def message_bits(self, state: Tensors) -> Any:
        (entries,) = state
        bits = needed_bits(self.size, entries)
        return tf.cast(tf.where(entries > 0, bits, tf.zeros_like(bits)), tf.float32)

    def encode(
        self, phase: int, gradients: Tensors, memory: Any, state: Tensors
    ) -> tuple[Message, Any]:
        sources, (entries,) = self.sources(gradients, memory), state
        whole = tf.concat(sources, axis=0)
        sent = quantised(whole, entries)
        if self.memory_size:
            memory = whole - sent
        return self.pack([sent], norm(whole)[tf.newaxis]), memory

    def decode(self, phase: int, reals: Any, state: Tensors) -> tuple[Tensors, Tensors]:
        return self.shaped(tf.split(reals, self.sizes)), state

    def notes(self, energy: float, workers: int, noise: float) -> list[str]:
        bits = float(self.capacity(energy, workers, noise))
        entries = int(most_entries(self.size, bits))
        if entries:
            carried = f"the channel carries {bits:,.1f} bits a worker and round, so that"
            return [
                f"digital: {'without noise' if math.isinf(bits) else carried} a message has "
                f"{entries:,} of {self.size:,} entries."
            ]
        one = float(needed_bits(self.size, 1))
        with np.errstate(over="ignore"):
            snr = np.expm1(math.log(2) * 2 * workers * one / self.uses)
        least = self.uses * noise / workers * snr
        advice = (
            f"From an energy_per_round of about {least:.3g} on there is one entry"
            if least < 1e30
            else "No energy is enough with so few channel uses: raise factor"
        )
        return [
            f"digital is silent: a message of one entry takes {one:.1f} bits, and the channel "
            f"carries {bits:.3g} a worker and round. Nothing is sent or learned. {advice}."
        ]


def needed_bits(size: int, entries: Any) -> Any:
    """log2 C(d, q) + 33, float64: where `entries` q of `size` d stand, and their mean."""
    d, q = tf.cast(size, tf.float64), tf.cast(entries, tf.float64)
    nats = tf.math.lgamma(d + 1) - tf.math.lgamma(q + 1) - tf.math.lgamma(d - q + 1)
    return nats / math.log(2) + VALUE_BITS


def most_entries(size: int, bits: Any) -> Any:
    """The largest q <= size / 2 with log2 C(size, q) + 33 <= bits, int32 scalar; 0 if none.

    A search with 1,024 branches: two steps for a million entries, in place of twenty.
    """
    low, width = tf.constant(0, tf.int64), size // 2 + 1  # q is one of low ... low + width - 1
    while width > 1:
        stride = math.ceil(width / BRANCHES)
        ahead = low + stride * tf.range(1, math.ceil(width / stride), dtype=tf.int64)
        fits = (needed_bits(size, tf.minimum(ahead, size // 2)) <= bits) & (ahead <= size // 2)
        low += stride * tf.reduce_sum(tf.cast(fits, tf.int64))
        width = stride
    return tf.cast(low, tf.int32)


def quantised(x: Any, entries: Any) -> Any:
    """The larger of the means of the `entries` largest and smallest of `x` [entry], in place.

    Of the largest only the positive ones count, of the smallest the negative; all else is 0.
    """
    sides = [tf.math.top_k(side, entries, sorted=False) for side in (x, -x)]
    means = [_mean_of_positive(values) for values, _ in sides]
    up = means[0] > means[1]
    values, index = (tf.where(up, a, b) for a, b in zip(*sides, strict=True))
    placed = tf.where(values > 0, tf.where(up, means[0], -means[1]), 0.0)
    return tf.scatter_nd(index[:, tf.newaxis], placed, tf.shape(x))


def _mean_of_positive(values: Any) -> Any:
    count = tf.reduce_sum(tf.cast(values > 0, tf.float32))
    return tf.math.divide_no_nan(tf.reduce_sum(tf.nn.relu(values)), count)
