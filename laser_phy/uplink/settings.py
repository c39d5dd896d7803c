"""Settings of the uplink, and which of their combinations make sense."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from laser_phy.channels import AnyChannel, Tdl
from laser_phy.compressors import AnyCompressor
from laser_phy.core.settings import Settings, setting
from laser_phy.phy.csi import Csi, Knowledge
from laser_phy.phy.impairments import Impairments
from laser_phy.phy.ofdm import Ofdm
from laser_phy.power import Power
from laser_phy.power_control import AnyPowerControl, TruncatedInversion
from laser_phy.receivers import AnyReceiver, Scale
from laser_phy.uplink.participation import AllWorkers, AnyParticipation


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
    impairments: Impairments = setting(Impairments())
    """Hardware that is not ideal."""
    participation: AnyParticipation = setting(AllWorkers())
    """Which workers send in a round."""

    @property
    def pilots(self) -> bool:
        """The grid of a round carries pilots."""
        return self.transmitters_sound or self.receiver_sounds

    @property
    def transmitters_sound(self) -> bool:
        """The server sends pilots, from which the workers learn what their rule goes by."""
        uses = self.power_control.needs in ("phase", "channel")
        return bool(self.channel.fading and self.csi.transmitter.pilots and uses)

    @property
    def receiver_sounds(self) -> bool:
        """The workers send pilots, from which the receiver learns what it goes by.

        Not where it adds up what is aligned: of an aligned sum the law says more than pilots, whose
        noise costs 0.2 to 0.6 dB at 20 dB of pilot SNR, and whose age all that was to be gained.
        """
        by_law = self.power_control.aligns and self.receiver.needs == "sum"
        uses = self.receiver.needs != "nothing" and not by_law
        return bool(self.channel.fading and self.csi.receiver.pilots and uses)

    @property
    def sounding_sides(self) -> dict[str, Knowledge]:
        """What those know that learn from pilots."""
        sounds = {"transmitter": self.transmitters_sound, "receiver": self.receiver_sounds}
        return {side: knows for side, knows in self.csi.sides.items() if sounds[side]}

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        checks = [self._check_hardware, self._check_bits]
        if self.channel.fading:
            checks += [
                self._check_knowledge,
                self._check_power_control,
                self._check_receiver,
                self._check_pilots,
            ]
        for check in checks:
            if problem := check():
                raise ValueError(problem)
        return self

    def _check_hardware(self) -> str | None:
        offset, prefix = self.impairments.timing_offset_samples, self.ofdm.cyclic_prefix
        if offset > prefix:
            return (
                f"timing_offset_samples must be <= cyclic_prefix {prefix} (samples), within which "
                f"a delay only turns phases; got {offset:g}."
            )
        return None

    def _check_bits(self) -> str | None:
        """A message of bits goes where its capacity is known, and no symbol is simulated."""
        name = f"compressor {self.compressor.name!r}"
        if self.compressor.analog:
            return None
        if self.channel.fading:
            return (
                f"{name} sends bits at the capacity of white noise; got channel "
                f"{self.channel.name!r}, which fades. Write channel: awgn, or ideal."
            )
        if not self.receiver.sum_is_enough:
            return (
                f"{name} is decoded from bits; got receiver {self.receiver.name!r}, which is for "
                "amplitudes. Write receiver: scale."
            )
        if self.impairments.any or self.impairments.papr:
            return (
                f"{name} has no symbols that impairments could act on; got "
                f"{', '.join(self.impairments.model_dump(exclude_defaults=True))}. Remove it."
            )
        return None

    def _check_knowledge(self) -> str | None:
        rule, receiver = self.power_control, self.receiver
        transmitter, server = self.csi.transmitter, self.csi.receiver
        if not receiver.coherent:
            if rule.needs not in ("nothing", "statistics"):
                return (
                    f"receiver {receiver.name!r} reads energies, which power_control "
                    f"{rule.name!r} would distort. Write power_control: none, or path_loss."
                )
            return None
        if not transmitter.of_phase and not (server.of_phase and server.of_gain):
            names = f"csi is {transmitter.name} at the transmitters and {server.name} at the "
            if type(transmitter) is type(server):
                names = f"csi is {transmitter.name} on both sides, transmitters and "
            return (
                f"{names}receiver, of the fading channel {self.channel.name!r}: the sum in the air "
                f"has a random phase, and receiver {receiver.name!r} cannot read it. With csi none "
                "on both sides of a fading channel only receiver energy makes sense, with "
                "power_control none; or give csi.transmitter or csi.receiver perfect knowledge."
            )
        return None

    def _check_power_control(self) -> str | None:
        rule, channel = self.power_control, self.channel.name
        transmitter, receiver = self.csi.transmitter, self.csi.receiver
        if rule.needs == "channel" and not transmitter.of_gain:
            return (
                f"power_control {rule.name!r} needs to know the channel; got csi.transmitter "
                f"{transmitter.name}. Write csi.transmitter: perfect, or power_control: "
                f"{'phase' if transmitter.of_phase else 'none'}."
            )
        if rule.needs == "phase" and not transmitter.of_phase:
            return (
                f"power_control {rule.name!r} needs to know the channel's phase; got "
                f"csi.transmitter {transmitter.name}. Write csi.transmitter: phase, or "
                "power_control: none."
            )
        if rule.needs == "statistics" and not transmitter.of_mean:
            return (
                f"power_control {rule.name!r} needs to know the channel's mean gain; got "
                f"csi.transmitter {transmitter.name}. Write csi.transmitter: statistical, or "
                "power_control: none."
            )
        if not rule.aligns and not receiver.of_gain and self.receiver.coherent:
            return (
                f"power_control {rule.name!r} leaves every worker a random phase on the fading "
                f"channel {channel!r}; got csi.receiver {receiver.name}. Write csi.receiver: "
                "perfect, or power_control: truncated_inversion."
            )
        problem: str | None = rule.problem(self.power.budget, channel)
        return problem

    def _check_receiver(self) -> str | None:
        receiver, knows = self.receiver, self.csi.receiver
        if receiver.unprecoded and self.power_control.needs not in ("nothing", "statistics"):
            return (
                f"receiver {receiver.name!r} is for transmitters that send as they are; got "
                f"power_control {self.power_control.name}. Write power_control: none, or path_loss."
            )
        problem: str | None = receiver.problem(knows)
        return problem

    def _check_pilots(self) -> str | None:
        for side, knows in self.csi.sides.items():
            if problem := knows.problem(f"csi.{side}", self.ofdm.pilot_symbols, self.channel):
                return str(problem)
        return None
