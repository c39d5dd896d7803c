"""Settings of the uplink, and which of their combinations make sense."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from laser_phy.channels import AnyChannel, Tdl
from laser_phy.compressors import AnyCompressor
from laser_phy.csi import Csi
from laser_phy.ofdm import Ofdm
from laser_phy.power import Power
from laser_phy.power_control import AnyPowerControl, TruncatedInversion
from laser_phy.receivers import AnyReceiver, Scale
from laser_phy.settings import Settings, setting


class UplinkSettings(Settings):
    """The uplink, in the order of the chain. Only `compressor` has no default."""

    compressor: AnyCompressor = setting()
    """What a worker sends of its gradient."""
    power: Power = setting(Power())
    """Energy of a round, and its split over the blocks of a message."""
    ofdm: Ofdm = setting(Ofdm())
    """Numerology and resource grid."""
    power_control: AnyPowerControl = setting(TruncatedInversion())
    """Each worker's factor on every subcarrier."""
    channel: AnyChannel = setting(Tdl())
    """What is between workers and server."""
    csi: Csi = setting(Csi())
    """Who knows what of the channel."""
    receiver: AnyReceiver = setting(Scale())
    """How the server reads the sum."""

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.channel.fading:
            for check in (self._check_power_control, self._check_receiver):
                if problem := check():
                    raise ValueError(problem)
        return self

    def _check_power_control(self) -> str | None:
        rule, channel = self.power_control, self.channel.name
        transmitter, receiver = self.csi.transmitter.name, self.csi.receiver.name
        if transmitter == "none" and receiver == "none":
            return (
                f"csi is none on both sides of the fading channel {channel!r}: the sum in the air "
                "has a random phase, and no receiver here can read it. Give csi.transmitter or "
                "csi.receiver perfect knowledge, or use the channel awgn."
            )
        if rule.needs != "nothing" and transmitter == "none":
            return (
                f"power_control {rule.name!r} needs to know the channel; got csi.transmitter none. "
                "Write csi.transmitter: perfect, or power_control: none."
            )
        if not rule.aligns and receiver == "none":
            return (
                f"power_control {rule.name!r} leaves every worker a random phase on the fading "
                f"channel {channel!r}; got csi.receiver none. Write csi.receiver: perfect, or "
                "power_control: truncated_inversion."
            )
        if not rule.has_mean and self.power.budget == "mean":
            return (
                f"power_control {rule.name!r} has no mean power on the fading channel {channel!r}; "
                "got power.budget mean. Write power.budget: round, or power_control: "
                "truncated_inversion."
            )
        if (
            isinstance(rule, TruncatedInversion)
            and rule.threshold == 0
            and self.power.budget == "mean"
        ):
            return (
                "threshold must be > 0 (power gain, linear) with power.budget mean, because plain "
                "inversion has no mean power on a fading channel; got 0. Write power.budget: round."
            )
        return None

    def _check_receiver(self) -> str | None:
        counts = self.receiver.name == "scale" and self.receiver.normalize == "active"
        if counts and self.csi.receiver.name == "none":
            return (
                "normalize: active counts who was heard on every element, which takes "
                "csi.receiver perfect; got none. Write normalize: mean."
            )
        return None
