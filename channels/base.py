"""The interface of a channel: settings that build a fading process for one grid and its workers."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal

import numpy as np

from laser_phy.channels.gain_law import Empirical, GainLaw
from laser_phy.channels.grid import Grid
from laser_phy.core.constants import NOISE_VARIANCE
from laser_phy.core.kinds import Kind
from laser_phy.core.lazy import tf
from laser_phy.core.settings import setting

UNSEEN = 3 * 2**40
"""Realisations from here on are those that no training reaches."""


class Channel(Kind):
    """Settings of a channel. A kind writes `build`, which gives its `Fading`.

    Noise of variance 2 an element is added by the link, not by the channel; gains are normalised so
    that their mean power over workers, elements and realisations is 1.

    Attributes:
        fading: gains differ between elements, workers and rounds.
        moves: gains move within a round, at a Doppler.
        noise_variance: complex variance of the noise on a resource element of one antenna.
    """

    antennas: int = setting(1, ge=1, le=1024, unit="antennas at the server")
    """Antennas at the server; a worker has one."""
    coherence_rounds: int = setting(1, ge=1, unit="rounds")
    """Rounds that one realisation is held for."""
    domain: Literal["frequency", "time"] = setting("frequency")
    """`frequency`: one gain a resource element. `time`: IFFT, cyclic prefix, multipath, FFT."""

    fading: ClassVar[bool] = True
    moves: ClassVar[bool] = False
    noise_variance: ClassVar[float] = NOISE_VARIANCE

    @property
    def initial_speed_mps(self) -> float:
        """Speed of the workers, in m/s, which schedules may change; 0 where nothing moves."""
        return 0.0

    @property
    def wavelength_m(self) -> float | None:
        """Of the carrier, in m, of a channel that moves within a round; None for others."""
        return None

    @property
    def noise_of_a_real(self) -> float:
        """Variance of the noise on a real, behind M antennas that add up to gain 1."""
        return self.noise_variance / 2 / self.antennas

    @property
    def law(self) -> GainLaw | None:
        """Closed form of the law of |w^H h|^2 that all workers share, w = 1/sqrt(M).

        None where there is none, or where workers differ: ask the built channel, `Fading.laws`.
        """
        return None

    def build(self, grid: Grid, key: int, workers: int) -> Fading:
        """The fading process of `workers` workers on `grid`; `key` is its stream of randomness."""
        raise NotImplementedError


class Fading(ABC):
    """Responses of the workers' channels, each a pure function of (key, realisation, worker).

    A kind writes `response`; `draw` where a realisation is worth computing once for all workers,
    `response_at` where the channel moves within a round, `laws` and `powers` where workers differ
    and something is known of them. What is not known of a law is simulated, once, when asked for.

    Args:
        grid: resource elements of one round.
        key: stream of randomness.
        settings: of the channel.
        workers: K. Gains are normalised over all K where workers are unequal.
    """

    def __init__(self, grid: Grid, key: int, settings: Channel, workers: int) -> None:
        self.grid = grid
        self.key = key
        self.settings = settings
        self.workers = workers
        self._drawn_laws: list[GainLaw] | None = None

    def draw(self, realisation: Any, speed_mps: Any) -> Any:
        """What the workers' responses of a round are made from: a nest of tensors.

        Args:
            realisation: int64 scalar, round // coherence_rounds.
            speed_mps: float32 scalar, where the channel moves.
        """
        return realisation, speed_mps

    @abstractmethod
    def response(self, state: Any, worker: Any) -> Any:
        """The channel of one worker over the data elements of a round.

        Args:
            state: of `draw`.
            worker: int32 scalar.

        Returns:
            [antenna, time * subcarrier] complex64, time and subcarrier as in the grid.
        """

    def response_at(self, state: Any, worker: Any, times: Any) -> Any:
        """`response` at other OFDM symbols; a channel that stands still has the same there.

        Args:
            state: of `draw`.
            worker: int32 scalar.
            times: [time] int32 index within the round, as many as the grid has.
        """
        return self.response(state, worker)

    def earlier(self, state: Any, other: Any, worker: Any, doppler_cycles: Any) -> Any:
        """The channel as it was some time before, where it does not move by itself.

        rho h + sqrt(1 - rho^2) e with rho = J0(2 pi f_d t) and e an independent draw: waves from
        all around (Jakes).

        Args:
            state: of `draw`.
            other: of `draw`, of another realisation.
            worker: int32 scalar.
            doppler_cycles: f_d t, periods of the largest Doppler shift; float32 scalar.

        Returns:
            As `response`.
        """
        return aged(self.response(state, worker), self.response(other, worker), doppler_cycles)

    def propagate(self, state: Any, worker: Any, symbols: Any) -> Any:
        """What arrives of one worker's symbols, without noise.

        By default `response * symbols`, which is exact where the channel is flat or
        `domain: frequency`. With `domain: time` the symbols go through the waveform, and
        `response` is what perfect CSI tells: the gain in the middle of the FFT window.

        Args:
            state: of `draw`.
            worker: int32 scalar.
            symbols: [time * subcarrier] complex64, one for every data element of the grid, zeros
                where nothing is sent.

        Returns:
            [antenna, time * subcarrier] complex64.
        """
        return self.response(state, worker) * symbols

    def laws(self) -> list[GainLaw]:
        """One law a worker, of the power gain s = |w^H h|^2 of an element behind w = 1/sqrt(M).

        The list has K entries; equal workers share one object, so that what is computed of a law
        can be kept by identity. The law is over elements and realisations, with the normalisation
        of the build (mean power of all workers and antennas 1) in it: with unequal workers
        `laws()[k].mean` tells the strong from the weak. Kinds without a closed form give an
        `Empirical` law, simulated the first time it is asked for (seconds); call it when building,
        never while tracing.
        """
        law = self.settings.law
        if law is not None:
            return [law] * self.workers
        if self._drawn_laws is None:
            self._drawn_laws = drawn_laws(self)
        return self._drawn_laws

    def powers(self) -> list[float]:
        """E|h|^2 on one antenna (mean over antennas, elements, realisations), one a worker.

        Their mean over workers is 1. With one antenna it is `laws()[k].mean`; with several, the
        beam's gain is in the law and not here.
        """
        return [1.0] * self.workers


def drawn_laws(fading: Fading, draws: int = 256) -> list[GainLaw]:
    """`Empirical` laws of |w^H h|^2, w = 1/sqrt(M), of all workers, from draws of `response`."""
    carriers = len(fading.grid.frequencies_hz)
    some = np.unique(np.linspace(0, carriers - 1, min(carriers, 16)).round().astype(int))

    @tf.function(autograph=False)
    def gains(realisation: Any) -> Any:
        state = fading.draw(realisation, tf.constant(1.0))

        def of_worker(worker: Any) -> Any:
            response = tf.gather(fading.response(state, worker), some, axis=1)
            beam = tf.reduce_sum(response, axis=0)
            return tf.square(tf.abs(beam)) / fading.settings.antennas

        return tf.map_fn(of_worker, tf.range(fading.workers), fn_output_signature=tf.float32)

    with tf.init_scope():
        samples = np.stack([gains(tf.constant(UNSEEN + i, tf.int64)).numpy() for i in range(draws)])
    return [Empirical(samples[:, worker]) for worker in range(fading.workers)]


def aged(response: Any, innovation: Any, doppler_cycles: Any) -> Any:
    """rho h + sqrt(1 - rho^2) e, rho = J0(2 pi f_d t), of tensors h and e of one shape."""
    rho = tf.math.special.bessel_j0(2 * math.pi * tf.cast(doppler_cycles, tf.float32))
    rest = tf.sqrt(1 - tf.square(rho))
    return tf.cast(rho, response.dtype) * response + tf.cast(rest, response.dtype) * innovation


class Unit(Fading):
    """h = 1 on every antenna and element."""

    def response(self, state: Any, worker: Any) -> Any:
        return tf.ones([self.settings.antennas, self.grid.elements], tf.complex64)
