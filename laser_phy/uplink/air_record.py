"""What is measured on the air in a round."""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf


class LinkMeasurements(NamedTuple):
    """What was measured on the air in a round; float32 scalars, but `worker_energy` [worker].

    Energies of sums over the symbols (or reals) of a round: `signal` and `noise` of the received
    sum, `error` of the decoded mean message, `reference` of the true mean message, both means over
    the `senders` workers that sent.
    """

    worker_energy: Any
    signal: Any
    noise: Any
    error: Any
    reference: Any
    silent: Any
    symbols: Any
    air_time_ms: Any
    pilot_symbols: Any
    server_pilot_energy: Any
    worker_pilot_energy: Any
    senders: Any
    papr_db: Any

    def joined(self, later: LinkMeasurements) -> LinkMeasurements:
        """The record of two transmissions of a round, one after the other."""
        sums = LinkMeasurements(*[a + b for a, b in zip(self, later, strict=True)])
        silent = self.silent * self.symbols + later.silent * later.symbols
        return sums._replace(
            silent=silent / sums.symbols,
            senders=self.senders,
            papr_db=tf.maximum(self.papr_db, later.papr_db),
        )
