"""The energy of every block in one pass of a round."""

from __future__ import annotations

from typing import Any

import numpy as np

from laser_phy.compressors import Message
from laser_phy.core.lazy import tf
from laser_phy.power import first_pass_shares, mean_shares
from laser_phy.receivers import Scale
from laser_phy.uplink.settings import UplinkSettings


def pass_budget(
    settings: UplinkSettings, codec: Any, workers: int, phase: int, messages: Message, energy: Any
) -> Any:
    """[block] energy p_j of this pass, of `energy` for it and the passes that follow."""
    if not settings.compressor.analog:  # a code word takes it all, whatever it says
        return tf.expand_dims(energy, 0)
    allocation = settings.power.allocation
    shares = mean_shares(
        allocation, messages.sent_norms, messages.source_norms, codec.noise_gains(phase),
        settings.receiver.name, _shrinks(settings, workers, energy),
    )  # fmt: skip
    if phase == codec.passes - 1 or codec.passes == 1:
        return energy * shares
    return energy * shares * first_pass_shares(
        allocation, np.float32(codec.phases[phase]), codec.second_pass_sizes(phase),
        energy * shares, workers, codec.first_share,
    )  # fmt: skip


def _shrinks(settings: UplinkSettings, workers: int, energy: Any) -> tuple[Any, int, float] | None:
    """What `optimal` needs to know where the receiver estimates with least error on white noise."""
    receiver = settings.receiver
    if settings.channel.fading or not isinstance(receiver, Scale) or receiver.debias != "mmse":
        return None
    return settings.channel.antennas * energy, workers, receiver.correlation
