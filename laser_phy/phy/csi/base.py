"""The interface of a state of knowledge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from laser_phy.core.kinds import Kind


class Knowledge(Kind):
    """What one side knows of the channel.

    Attributes:
        pilots: it comes from pilots on the grid, see `laser_phy.phy.pilots`.
        ages: it is used `age_s` after the pilots were sent.
        exact: it is the channel itself.
        of_phase: the phase is known.
        of_gain: the gain of every element is known.
        of_mean: the mean of the gain is known.
    """

    pilots: ClassVar[bool] = False
    ages: ClassVar[bool] = False
    exact: ClassVar[bool] = False
    of_phase: ClassVar[bool] = True
    of_gain: ClassVar[bool] = True
    of_mean: ClassVar[bool] = True

    @property
    def age(self) -> float:
        """Seconds from the sounding to the use."""
        return 0.0

    def view(self, response: Any) -> Any:
        """What this side knows of `response`, in its shape; None if nothing.

        Knowledge that comes from pilots has no view: it depends on what was received.
        """
        raise NotImplementedError

    def problem(self, side: str, pilot_symbols: Sequence[int], channel: Any) -> str | None:
        """What stands against this knowledge of a fading channel, in a sentence; None if nothing.

        Args:
            side: path of the setting, such as `csi.receiver`.
            pilot_symbols: OFDM symbols of a slot that carry pilots.
            channel: its settings.
        """
        return None
