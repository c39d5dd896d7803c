"""What the server has after a round."""

from __future__ import annotations

from typing import Any, NamedTuple


class Aggregate(NamedTuple):
    """What the server has after a round.

    Attributes:
        gradients: list of float32 tensors of the built shapes: the estimate of the workers' mean.
        diagnostics: dict of float32 scalars; the energies behind every ratio in dB are among them.
        workers: dict of [worker] float32: `worker_energy` spent, `message_norm` of what was to be
            sent (in the first pass, where there are several).
        message: [real] float32, the decoded mean message, zero-padded; None with several passes.
    """

    gradients: list[Any]
    diagnostics: dict[str, Any]
    workers: dict[str, Any]
    message: Any = None
