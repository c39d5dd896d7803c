"""CSI at the receiver: what the server learns of the channel in a round, worker by worker."""

from __future__ import annotations

from typing import Any

import numpy as np

from laser_phy.core.lazy import tf
from laser_phy.phy.pilots import Mobility, PilotEstimates
from laser_phy.phy.worker_channels import Transmission
from laser_phy.receivers import ChannelObservation
from laser_phy.uplink.settings import UplinkSettings
from laser_phy.uplink.transmitter import Transmitter


class ReceiverCsi:
    """The receiver's knowledge: perfect, from pilots of each worker, or from one common pilot.

    `ChannelObservation` is summed up over workers. With a common pilot `total` holds the sum of the
    pilots [antenna, pilot symbol, comb] until `finish` adds the noise and estimates.

    Args:
        settings: of the uplink.
        transmitter: whose channels they are.
    """

    def __init__(self, settings: UplinkSettings, transmitter: Transmitter) -> None:
        self.receiver, self.csi = settings.receiver, settings.csi.receiver
        self.transmitter, self.channels = transmitter, transmitter.channels
        sampling = self.channels.sampling
        self.symbols = sampling.symbols
        aligned = settings.power_control.aligns or not settings.channel.fading
        self.informed = self.csi.of_gain and (not self.csi.pilots or settings.receiver_sounds)
        """The receiver goes by what it sees, and not by the law."""
        self.learns = set(self.receiver.learns(aligned)) if self.informed else set()
        self.pilots: PilotEstimates | None = None
        if settings.receiver_sounds:
            combs = self.channels.workers if self.receiver.needs == "each" else 1
            self.pilots = self.channels.estimates(
                self.csi, "receiver", self.channels.grid.times, sampling.used[: self.symbols], combs
            )

    @property
    def common(self) -> bool:
        """One pilot common to all workers shows the sum channel."""
        return self.pilots is not None and self.receiver.needs == "sum"

    def of(
        self, transmission: Transmission, worker: Any, response: Any, precoding: Any
    ) -> ChannelObservation:
        """What one worker adds.

        Args:
            transmission: its channels.
            worker: integer scalar.
            response: of `WorkerChannels.response`.
            precoding: [used element] b, data first and then, where there are pilots, theirs.
        """
        heard = tf.cast(precoding[: self.symbols] != 0, tf.float32)
        if self.pilots is not None and self.learns:
            sounded = self.channels.sounded(self.pilots, transmission, worker, response)
            pilots = self.pilots.pilots(sounded * precoding[self.symbols :], worker)
            if self.common:
                return self._seen(heard, pilots)
            seed = self.channels.seed("uplink pilots", transmission.index, worker)
            estimate = self.pilots.estimate(pilots, seed, worker)
            known = self.pilots.shrunk(estimate, self._power, transmission.mobility)
            return self._seen(heard, known)
        if self.csi.pilots:
            return self._seen(heard, None)
        known = self.csi.view(self.channels.data(response))
        return self._seen(heard, None if known is None else known * precoding[: self.symbols])

    def _seen(self, heard: Any, arriving: Any) -> ChannelObservation:
        absent = tf.zeros([0])  # and not None, which a loop cannot carry
        seen = ChannelObservation(
            heard if "heard" in self.learns else absent, absent, absent, absent
        )
        if arriving is None:
            return seen
        if "total" in self.learns:
            seen = seen._replace(total=arriving)
        if "squares" in self.learns and not self.common:
            behind = self.receiver.beam_gain(arriving)
            seen = seen._replace(squares=tf.square(tf.abs(behind)))
        if "outer" in self.learns:
            column = tf.transpose(arriving)[:, :, tf.newaxis]  # symbol, antenna, 1
            seen = seen._replace(outer=tf.matmul(column, column, adjoint_b=True))
        return seen

    def finish(
        self, transmission: Transmission, observed: ChannelObservation, senders: Any
    ) -> ChannelObservation:
        """What the receiver knows, from the sums over workers."""
        if not self.common or "total" not in self.learns:
            return observed
        assert self.pilots is not None
        seed = self.channels.seed("uplink pilots", transmission.index, 0)
        estimate = self.pilots.estimate(observed.total, seed)
        power = self._power * senders
        squares = tf.fill([self.symbols], power)  # a common pilot shows no single worker
        total = self.pilots.shrunk(estimate, power, transmission.mobility)
        return observed._replace(total=total, squares=squares)

    def error(self, mobility: Mobility, senders: Any) -> Any:
        """Variance of the error of what is known: of one worker's channel, or of the sum."""
        if self.pilots is None:
            return 0.0
        power = self._power * (senders if self.common else 1.0)
        return self.pilots.error_of(power, mobility)

    @property
    def _power(self) -> float:
        """E|h b|^2 of a worker."""
        return float(np.float32(self.transmitter.moments.square))
