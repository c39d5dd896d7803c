"""The interface of a receiver."""

from __future__ import annotations

from typing import Any, NamedTuple

from laser_phy.settings import Settings


class Link(NamedTuple):
    """What a receiver knows beforehand of the link it serves.

    Attributes:
        workers: K.
        gain: mean gain E[h b] of an element that is sent, behind the beam.
        share: probability that a worker sends an element.
        aligned: h b is real and positive: the sum in the air is the sum of the messages.
        fading: the channel differs between elements, workers and rounds.
        noise_variance: complex variance of the noise on one antenna.
    """

    workers: int
    gain: float
    share: float
    aligned: bool
    fading: bool
    noise_variance: float


class Receiver(Settings):
    """Settings of a receiver, and its two steps.

    What the server learns of the channel is a sum over the workers: `observe` is called for each,
    the results are added up, and `estimate` gets the sums.
    """

    name: str

    def beam_gain(self, response: Any) -> Any:
        """The scalar channel [symbol] that transmitters see, of `response` [antenna, symbol]."""
        raise NotImplementedError

    def observe(self, response: Any, precoding: Any) -> tuple[Any, ...]:
        """What one worker adds to the server's knowledge.

        Args:
            response: [antenna, symbol] complex64, as the receiver knows it, or None.
            precoding: [symbol] complex64, the worker's factors b.
        """
        raise NotImplementedError

    def estimate(self, received: Any, observed: tuple[Any, ...], prior: Any, link: Link) -> Any:
        """The estimate [symbol] complex64 of the mean of the workers' scaled symbols.

        Args:
            received: [antenna, symbol] complex64.
            observed: the sums of `observe` over workers.
            prior: [symbol] float32, mean energy of a worker's symbol before precoding.
            link: what is known beforehand.
        """
        raise NotImplementedError
