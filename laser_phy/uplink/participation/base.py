"""The interface of a rule of participation."""

from __future__ import annotations

from typing import Any, ClassVar

from laser_phy.core.kinds import Kind


class Participation(Kind):
    """Settings of who sends in a round. A kind writes `sends`.

    The server's mean is over those that sent; one that sits out keeps gradient and memory in its
    memory, as far as the compressor has one.

    Attributes:
        everybody: all workers send in all rounds.
        measures: a worker goes by the mean gain of its channel in the round.
    """

    everybody: ClassVar[bool] = False
    measures: ClassVar[bool] = False

    def sends(self, workers: int, round_: Any, seed: Any, mean_gains: Any) -> Any:
        """Who sends, [worker] bool.

        Args:
            workers: K.
            round_: int64 scalar.
            seed: [2], of this round's draws.
            mean_gains: [worker] float32 mean power gain of each channel over the round's antennas
                and elements; None unless the kind `measures`.
        """
        raise NotImplementedError
