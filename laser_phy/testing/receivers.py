"""The contract of a receiver."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from laser_phy.receivers import ChannelObservation, Receiver
from laser_phy.testing.broken import Contract
from laser_phy.uplink import Uplink

REALS, WORKERS, ROUNDS = 64, 6, 400


def check_receiver(receiver: Receiver, seed: int = 0, **uplink: Any) -> None:
    """Hold a receiver to what every receiver promises; one line of pytest.

    It decodes what six workers send over Rayleigh fading, 400 rounds: finite estimates of the
    message's shape, the true mean on the average (or, if it is not `unbiased`, no more than that),
    nothing out of nothing, the same in a graph, messages of any size from 1e-15 to 1e15, settings
    that come back.

    Args:
        receiver: an instance.
        seed: of messages, channels and noise.
        **uplink: further settings of the link it is for, such as `channel` or `csi`. By default
            Rayleigh fading with 16 antennas, perfect CSI where it needs some, and truncated
            inversion, or no power control where it is `unprecoded`.

    Raises:
        AssertionError: names the rule of the contract that is broken, and what was seen.
    """
    contract = Contract(receiver)
    contract.comes_back()
    known = ("nothing", "sum", "each")
    contract.holds(f"must have `needs` in {known}", receiver.needs in known, repr(receiver.needs))
    for aligned in (True, False):
        wrong = set(receiver.learns(aligned)) - set(ChannelObservation._fields)
        fields = ", ".join(ChannelObservation._fields)
        contract.holds(f"must learn some of {fields}", not wrong, str(sorted(wrong)))
    link = _link(receiver, seed, uplink)
    random = np.random.default_rng(seed)
    messages = random.normal(size=(WORKERS, REALS)).astype(np.float32) + 0.5
    with contract.while_running():
        step = tf.function(lambda x: link([x]).gradients[0], autograph=False)
        _check_shape(contract, link, messages)
        _check_mean(contract, receiver, step, messages)
        silence = np.asarray(step(tf.zeros([WORKERS, REALS])))
        contract.holds(
            "must decode nothing as 0", not silence.any(), f"{np.abs(silence).max():.3g}"
        )
        for size in (1e-15, 1e15):
            small = np.asarray(step(tf.constant(messages * np.float32(size))))
            contract.finite(f"messages of size {size:g}", small)


def _link(receiver: Receiver, seed: int, fields: dict[str, Any]) -> Uplink:
    rule = "none" if receiver.unprecoded or not receiver.coherent else "truncated_inversion"
    knows = "none" if receiver.needs == "nothing" else "perfect"
    defaults = {
        "compressor": "identity",
        "channel": {"name": "rayleigh", "antennas": 16},
        "csi": {"transmitter": "none" if rule == "none" else "perfect", "receiver": knows},
        "power_control": rule,
        "power": {"snr_db": 10.0},
    }
    link = Uplink.from_config({**defaults, **fields, "receiver": receiver})
    link.build([(REALS,)], WORKERS, seed)
    return link


def _check_shape(contract: Contract, link: Uplink, messages: np.ndarray) -> None:
    """One round, eager and in a graph."""
    start = [variable.numpy() for variable in link.variables]
    eager = np.asarray(link([messages]).gradients[0])
    for variable, value in zip(link.variables, start, strict=True):
        variable.assign(value)
    graph = tf.function(lambda x: link([x]).gradients[0], autograph=False)(tf.constant(messages))
    contract.holds(
        "must give an estimate of the message's shape",
        eager.shape == (REALS,),
        f"{eager.shape} for {(REALS,)}",
    )
    contract.finite("a round", eager)
    contract.equal("must give the same in a graph", graph, eager, 1e-3)


def _check_mean(contract: Contract, receiver: Receiver, step: Any, messages: np.ndarray) -> None:
    """Along the true mean: 1 on the average, or between 0 and 1 if it shrinks."""
    truth = messages.mean(axis=0)
    found = [
        np.asarray(step(tf.constant(messages))) @ truth / (truth @ truth) for _ in range(ROUNDS)
    ]
    if receiver.unbiased:
        contract.mean_is("must be unbiased, or its `unbiased` be False", found, 1.0)
        return
    mean, sigma = float(np.mean(found)), float(np.std(found)) / ROUNDS**0.5
    contract.holds(
        "must shrink, and not turn or enlarge, what it estimates with a bias",
        0 < mean <= 1 + 5 * sigma,
        f"{mean:.4g} times the true mean",
    )
