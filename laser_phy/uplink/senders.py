"""Who sends in a round."""

from __future__ import annotations

from typing import Any

from laser_phy.core.lazy import tf
from laser_phy.uplink.transmitter import Transmission, Transmitter


class Senders:
    """The setting `participation` on one kind of round.

    Args:
        participation: who takes part.
        transmitters: the workers.
    """

    def __init__(self, participation: Any, transmitters: Transmitter) -> None:
        self.participation, self.transmitters = participation, transmitters

    def sends(self, moment: Transmission, worker: Any) -> Any:
        """Bool scalar: a worker takes part."""
        participation, workers = self.participation, self.transmitters.workers
        if participation.name == "threshold":
            return self.transmitters.mean_gain(moment, worker) >= participation.minimum_gain
        if participation.name == "fraction":
            drawn = tf.random.stateless_uniform(
                [workers], self.transmitters.seed("participation", moment._replace(turn=0), 0)
            )
            rank = tf.reduce_sum(tf.cast(drawn < drawn[worker], tf.int32))
            return rank < max(1, round(participation.fraction * workers))
        return tf.constant(True)

    def everybody(self, moment: Transmission) -> Any:
        """[worker] float32, 1 for those that send."""
        workers = self.transmitters.workers
        if self.participation.name == "all":
            return tf.ones([workers])

        def body(worker: Any, sent: Any) -> Any:
            return worker + 1, sent.write(worker, tf.cast(self.sends(moment, worker), tf.float32))

        sent = tf.TensorArray(tf.float32, workers, element_shape=[])
        return self.transmitters.over(body, sent).stack()
