"""Channel state information: what the transmitters and the receiver know of the channel."""

from __future__ import annotations

from typing import Any, Literal

from laser_phy.settings import Settings, one_of, setting


class Perfect(Settings):
    """The true channel, at every resource element (not causal where it moves within a round)."""

    name: Literal["perfect"] = "perfect"

    def view(self, response: Any) -> Any:
        """What this side knows of `response`, in its shape."""
        return response


class NoCsi(Settings):
    """Nothing is known of the channel."""

    name: Literal["none"] = "none"

    def view(self, response: Any) -> Any:
        """Nothing."""
        return None


AnyCsi = one_of(Perfect, NoCsi)


class Csi(Settings):
    """Who knows what; a string is short for `{name: ...}`."""

    transmitter: AnyCsi = setting(Perfect())
    """What every worker knows of its own channel."""
    receiver: AnyCsi = setting(Perfect())
    """What the server knows of the workers' channels."""
