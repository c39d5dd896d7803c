"""The contract of a channel."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from laser_phy.channels import Channel, Fading
from laser_phy.channels.grid import Grid, round_grid
from laser_phy.phy.ofdm import Ofdm
from laser_phy.testing.broken import Contract

OFDM = Ofdm(fft_size=64, cyclic_prefix=16, guard_carriers=(4, 3))
SYMBOLS = 300
"""Of a round: some five OFDM symbols of 56 data subcarriers."""
DRAWS = 400


def check_channel(
    channel: Channel, workers: int = 4, ofdm: Ofdm = OFDM, draws: int = DRAWS, seed: int = 0
) -> None:
    """Hold a channel to what every channel promises; one line of pytest.

    Responses [antenna, element] complex64, finite, a pure function of (key, realisation, worker),
    the same in a graph; another one for another worker and realisation where it fades; mean power 1
    over workers, and each worker's as `powers` and `laws` state them; what is sent in the frequency
    domain arrives times the response, in time linearly; a channel that moves shows itself at other
    times; settings that come back.

    Args:
        channel: an instance.
        workers: K.
        ofdm: numerology of the rounds; its data subcarriers are those of the channel.
        draws: realisations that means are taken over, five sigma apart at most.
        seed: of the channel.

    Raises:
        AssertionError: names the rule of the contract that is broken, and what was seen.
    """
    contract = Contract(channel)
    contract.comes_back()
    grid = round_grid(ofdm, SYMBOLS, pilots=False)
    fading = channel.build(grid, seed, workers)
    _check_response(contract, channel, fading, grid)
    _check_propagation(contract, channel, fading, grid)
    if channel.fading:
        _check_powers(contract, channel, fading, workers, draws)


def _state(channel: Channel, fading: Fading, realisation: int) -> object:
    speed = tf.constant(channel.initial_speed_mps, tf.float32)
    return fading.draw(tf.constant(realisation, tf.int64), speed)


def _check_response(contract: Contract, channel: Channel, fading: Fading, grid: Grid) -> None:
    first = np.asarray(fading.response(_state(channel, fading, 0), tf.constant(0)))
    wanted = (channel.antennas, grid.elements)
    contract.holds(
        "must give [antenna, element] complex64 responses",
        first.shape == wanted and first.dtype == np.complex64,
        f"{first.dtype} {first.shape} for {wanted}",
    )
    contract.finite("a response", first)
    again = fading.response(_state(channel, fading, 0), tf.constant(0))
    contract.equal("must be a pure function of realisation and worker", again, first, 0)

    @tf.function(autograph=False)
    def look(realisation: tf.Tensor, worker: tf.Tensor) -> tf.Tensor:
        speed = tf.constant(channel.initial_speed_mps, tf.float32)
        return fading.response(fading.draw(realisation, speed), worker)

    graph = look(tf.constant(0, tf.int64), tf.constant(0))
    contract.equal("must give the same in a graph", graph, first, 1e-4)
    if channel.fading:
        for what, realisation, worker in (("realisation", 1, 0), ("worker", 0, 1)):
            other = np.asarray(look(tf.constant(realisation, tf.int64), tf.constant(worker)))
            differs = np.max(np.abs(other - first)) > 1e-6
            contract.holds(f"must differ from {what} to {what}, as it fades", differs)
    if channel.moves:
        times = tf.constant(grid.times, tf.int32)
        same = fading.response_at(_state(channel, fading, 0), tf.constant(0), times)
        contract.equal("must show itself at the times that it is asked for", same, first, 1e-3)


def _check_propagation(contract: Contract, channel: Channel, fading: Fading, grid: Grid) -> None:
    random = np.random.default_rng(0)
    parts = random.normal(size=(2, 2, grid.elements)).astype(np.float32)
    one, two = tf.constant(parts[0] + 1j * parts[1])
    state, worker = _state(channel, fading, 0), tf.constant(0)
    arriving = np.asarray(fading.propagate(state, worker, one))
    contract.holds(
        "must let [antenna, element] arrive",
        arriving.shape == (channel.antennas, grid.elements),
        str(arriving.shape),
    )
    both = fading.propagate(state, worker, 2 * one - 3 * two)
    parted = 2 * arriving - 3 * np.asarray(fading.propagate(state, worker, two))
    contract.equal("must be linear in what is sent", both, parted, 1e-3)
    if channel.domain == "frequency":
        product = np.asarray(fading.response(state, worker)) * np.asarray(one)
        contract.equal("must let arrive the response times what is sent", arriving, product, 1e-3)


def _check_powers(
    contract: Contract, channel: Channel, fading: Fading, workers: int, draws: int
) -> None:
    @tf.function(autograph=False)
    def measured(realisation: tf.Tensor, worker: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        speed = tf.constant(channel.initial_speed_mps, tf.float32)
        response = fading.response(fading.draw(realisation, speed), worker)
        beam = tf.reduce_sum(response, axis=0) / channel.antennas**0.5
        return tf.reduce_mean(tf.square(tf.abs(response))), tf.reduce_mean(tf.square(tf.abs(beam)))

    seen = np.array(
        [
            [measured(tf.constant(t, tf.int64), tf.constant(k)) for k in range(workers)]
            for t in range(draws)
        ],
        np.float64,
    )  # draw, worker, (antenna, beam)
    powers = np.asarray(fading.powers())
    contract.holds("must state a power a worker", powers.shape == (workers,), str(powers.shape))
    mean = float(powers.mean())
    contract.holds("must state powers of mean 1 over workers", abs(mean - 1) < 1e-3, f"{mean:.5g}")
    laws = fading.laws()
    contract.holds("must state a law a worker", len(laws) == workers, str(len(laws)))
    for worker in range(workers):
        rule = f"must have the power that it states, of worker {worker}"
        contract.mean_is(rule, seen[:, worker, 0], powers[worker], 0.02 * powers[worker])
        law = laws[worker].mean
        # laws without a closed form are means over some hundred draws themselves
        samples = seen[:, worker, 1]
        spare = 0.02 * law + 5 * float(samples.std()) / 64**0.5 * (channel.law is None)
        contract.mean_is(
            f"must have the mean gain of its law, of worker {worker}", samples, law, spare
        )
