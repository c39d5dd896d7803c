"""The contract of a compressor, with and without air."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from laser_phy.compressors import Codec, Compressor, Message
from laser_phy.testing.broken import Contract
from laser_phy.uplink import Uplink

SHAPES = ((12, 10), (12, 10), (3, 3, 4, 8), (7,), (7,))
"""Two pairs of equal shapes, a convolution kernel, vectors."""
EXTREMES = (1e-18, 1e15)
"""Sizes of gradients whose squares leave float32."""


class NoiselessLink:
    """The protocol of a codec without air: what is decoded is the plain mean of the messages.

    Args:
        codec: of a compressor.
        workers: K.

    Attributes:
        messages: of the last round, [pass][worker].
        memories: [worker] what each keeps.
    """

    def __init__(self, codec: Codec, workers: int) -> None:
        self.codec, self.round = codec, 0
        self.memories = [tf.zeros([codec.memory_size]) for _ in range(workers)]
        self.state = [tf.constant(value) for value in codec.initial_state()]
        self.messages: list[list[Message]] = []
        self.decode = tf.function(codec.decode, autograph=False)

    def __call__(self, gradients: Sequence[Sequence[Any]]) -> list[np.ndarray]:
        """A round: the decoded mean of [worker][tensor] gradients, a tensor each."""
        codec = self.codec
        first = 0 if codec.passes > 1 else self.round % len(codec.phases)
        total: list[Any] = [None] * len(codec.shapes)
        self.messages = []
        for phase in range(first, first + codec.passes):
            messages = self._encode(phase, None if phase > first else gradients)
            self.messages.append(messages)
            size = sum(codec.phases[phase])
            mean = sum(message.reals for message in messages)[:size] / len(messages)
            parts, self.state = self.decode(phase, mean, self.state)
            total = [p if q is None else q for p, q in zip(total, parts, strict=True)]
        self.round += 1
        return [np.asarray(tensor) for tensor in total]

    def _encode(self, phase: int, gradients: Sequence[Sequence[Any]] | None) -> list[Message]:
        """Every worker's message; of a later pass where there are no gradients."""
        codec, messages = self.codec, []
        known = codec.with_energy(self.state, 1.0, len(self.memories), noise=0.0)
        for worker, memory in enumerate(self.memories):
            if gradients is None:
                message, memory = codec.resume(phase, memory, self.state)
            else:
                tensors = [tf.constant(tensor) for tensor in gradients[worker]]
                message, memory = codec.encode(phase, tensors, memory, known)
            self.memories[worker] = memory
            messages.append(message)
        return messages


def check_compressor(
    compressor: Compressor,
    shapes: Sequence[tuple[int, ...]] = SHAPES,
    workers: int = 3,
    seed: int = 0,
) -> None:
    """Hold a compressor to what every compressor promises; one line of pytest.

    Messages and estimates of the stated shapes; norms that are those of what is sent (power is
    given by them: with smaller ones a worker overspends); nothing lost where the codec is
    `lossless`, in messages and in rounds that a worker sits out; zeros decode as zeros; finite
    numbers for gradients of size 1e-18 to 1e15; pure functions, the same in a graph; settings that
    come back; and, over Rayleigh fading, no worker above `budget: round`.

    Args:
        compressor: an instance.
        shapes: of the gradients, two or more of them equal.
        workers: K.
        seed: of gradients and of what the compressor draws.

    Raises:
        AssertionError: names the rule of the contract that is broken, and what was seen.
    """
    contract = Contract(compressor)
    contract.comes_back()
    codec = compressor.build([tuple(shape) for shape in shapes], seed)
    random = np.random.default_rng(seed)

    def gradients(scale: float = 1.0) -> list[list[np.ndarray]]:
        """[worker][tensor]."""
        draw = random.standard_normal
        return [
            [(scale * draw(shape)).astype(np.float32) for shape in shapes] for _ in range(workers)
        ]

    _check_messages(contract, codec, gradients())
    _check_nothing_is_lost(contract, codec, [gradients() for _ in range(4)])
    _check_sitting_out(contract, codec, gradients()[0])
    zeros = [[np.zeros(shape, np.float32) for shape in shapes]] * workers
    silent = NoiselessLink(codec, workers)
    for _ in range(2):
        decoded = silent(zeros)
        contract.finite("gradients of zeros", *decoded)
        contract.holds("must decode zeros as zeros", not any(np.any(g) for g in decoded))
    for scale in EXTREMES:
        link = NoiselessLink(codec, workers)
        contract.finite(f"gradients of size {scale:g}", *link(gradients(scale)), *link.memories)
    with contract.while_running():
        _check_budget(contract, compressor, shapes, [gradients() for _ in range(2)])


def _check_messages(contract: Contract, codec: Codec, gradients: list[list[np.ndarray]]) -> None:
    """Shapes and norms in every kind of round; pure functions, eager and in a graph."""
    link, twice = NoiselessLink(codec, len(gradients)), NoiselessLink(codec, len(gradients))
    for _ in codec.phases:
        first = 0 if codec.passes > 1 else link.round % len(codec.phases)
        decoded, again = link(gradients), twice(gradients)
        for phase, messages in enumerate(link.messages, first):
            _check_message(contract, codec, codec.phases[phase], messages[0])
        shapes = [tensor.shape for tensor in decoded]
        contract.holds(
            "must decode tensors of the gradients' shapes", shapes == codec.shapes, str(shapes)
        )
        for one, other in zip(decoded, again, strict=True):
            contract.equal("must give the same for the same", one, other, 0)
    memory, state = tf.zeros([codec.memory_size]), [tf.constant(v) for v in codec.initial_state()]
    state = codec.with_energy(state, 1.0, len(gradients), noise=0.0)
    tensors = [tf.constant(tensor) for tensor in gradients[0]]
    eager = codec.encode(0, tensors, memory, state)
    encode = tf.function(lambda g, m, s: codec.encode(0, g, m, s), autograph=False)
    for one, other in zip(tf.nest.flatten(encode(tensors, memory, state)),
                          tf.nest.flatten(eager), strict=True):  # fmt: skip
        contract.equal("must give the same in a graph", one, other, 1e-4)


def _check_message(
    contract: Contract, codec: Codec, blocks: tuple[int, ...], message: Message
) -> None:
    """One worker's message of blocks of these sizes."""
    reals = np.asarray(message.reals, np.float64)
    contract.holds(
        f"must send messages of {codec.message_size} reals, padded with zeros",
        reals.shape == (codec.message_size,) and not reals[sum(blocks) :].any(),
        f"{reals.shape} with {np.count_nonzero(reals[sum(blocks) :])} behind the blocks",
    )
    parts = np.split(reals[: sum(blocks)], np.cumsum(blocks)[:-1])
    true = [float(np.linalg.norm(part)) for part in parts]
    for what, norms in (("sent", message.sent_norms), ("source", message.source_norms)):
        shape = np.asarray(norms).shape
        contract.holds(f"must state {what}_norms [block]", shape == (len(blocks),), str(shape))
    contract.equal(
        "must state the norms of what it sends, or it overspends", message.sent_norms, true, 1e-4
    )


def _check_nothing_is_lost(
    contract: Contract, codec: Codec, rounds: list[list[list[np.ndarray]]]
) -> None:
    """Decoded plus kept is what came in plus what was kept, summed over all entries' places."""
    if not codec.lossless:
        return
    link = NoiselessLink(codec, len(rounds[0]))
    came = given = np.zeros(1)
    for gradients in rounds:
        decoded = link(gradients)
        came = came + np.concatenate(
            [np.mean(g, axis=0).ravel() for g in zip(*gradients, strict=True)]
        )
        given = given + np.concatenate([tensor.ravel() for tensor in decoded])
    left = np.mean([np.asarray(memory) for memory in link.memories], axis=0)
    rest = np.sort(np.asarray(came - given))
    # What is kept lies in the codec's own order: as a set it is what was not given yet.
    kept = np.sort(np.concatenate([left, np.zeros(max(0, len(rest) - len(left)))]))
    limit = len(rounds) * codec.rounding * float(np.max(np.abs(came)))
    away = float(np.max(np.abs(rest - kept))) if len(rest) == len(kept) else np.inf
    contract.holds(
        "is `lossless`, and must decode or keep all that came in",
        away <= limit,
        f"a difference of {away:.3g}, {limit:.2g} at most",
    )


def _check_sitting_out(contract: Contract, codec: Codec, gradients: list[np.ndarray]) -> None:
    """A round in which a worker sends nothing."""
    memory = tf.zeros([codec.memory_size])
    after = np.asarray(codec.skip_round([tf.constant(g) for g in gradients], memory))
    contract.holds(
        f"must keep {codec.memory_size} reals in a round that it sits out",
        after.shape == (codec.memory_size,),
        str(after.shape),
    )
    if codec.lossless and codec.memory_size == sum(codec.sizes):
        flat = np.concatenate([tensor.ravel() for tensor in gradients])
        contract.equal("must keep all of a gradient that it does not send", after, flat)


def _check_budget(
    contract: Contract,
    compressor: Compressor,
    shapes: Sequence[tuple[int, ...]],
    rounds: list[list[list[np.ndarray]]],
) -> None:
    """On a real link, under `budget: round`."""
    link = Uplink.from_config(
        {
            "compressor": compressor,
            "channel": "rayleigh" if compressor.analog else "awgn",
            "power": {"energy_per_round": 500.0, "budget": "round"},
        }
    )
    link.build(shapes, len(rounds[0]), 0)
    step = tf.function(lambda *tensors: link(tensors), autograph=False)
    for gradients in rounds:
        seen = step(*[np.stack(tensors) for tensors in zip(*gradients, strict=True)])
        spent = float(seen.diagnostics["energy_max_worker"])
        contract.holds("must keep the budget of 500", spent <= 500 * (1 + 1e-4), f"{spent:.5g}")
        contract.finite("a round over the air", *seen.gradients)
