"""The workers' side of the uplink: what they know of their channels, and their precoding."""

from __future__ import annotations

from typing import Any

import numpy as np

from laser_phy.channels.gain_law import Constant
from laser_phy.core import contract
from laser_phy.core.lazy import tf
from laser_phy.phy.pilots import Mobility, PilotEstimates
from laser_phy.phy.worker_channels import Transmission, WorkerChannels
from laser_phy.power_control import RuleMoments, common_moments, precoding_for
from laser_phy.uplink.settings import UplinkSettings


class Transmitter:
    """Power control at K workers, on one kind of round.

    Args:
        settings: of the uplink.
        channels: of the workers.
    """

    def __init__(self, settings: UplinkSettings, channels: WorkerChannels) -> None:
        self.rule, self.receiver = settings.power_control, settings.receiver
        self.channel, self._csi = settings.channel, settings.csi.transmitter
        self.channels, self.workers = channels, channels.workers
        self._powers = np.ones(self.workers, np.float32)
        self.pilots: PilotEstimates | None = None
        if settings.transmitters_sound:
            self._powers = np.array([law.mean for law in channels.fading.laws()], np.float32)
            sampling = channels.sampling
            self.pilots = channels.estimates(
                self._csi, "transmitter", sampling.used_times, sampling.used, 1
            )
        self.moments = self._moments()

    def _moments(self) -> RuleMoments:
        if not self.channel.fading:  # nothing to control: the gain is that of the beam
            gain = self.channel.antennas**0.5
            return RuleMoments(scale=1.0, gain=gain, sent_fraction=1.0, square=gain**2, power=1.0)
        if self.rule.plans:  # the plan of the round says it
            return RuleMoments(scale=1.0, gain=1.0, sent_fraction=1.0, square=1.0, power=1.0)
        if self.rule.needs == "statistics":
            return common_moments(self.rule, [Constant(p) for p in self.channels.fading.powers()])
        return common_moments(self.rule, self.channels.fading.laws())

    @property
    def arriving_powers(self) -> np.ndarray:
        """[worker] mean power with which a symbol of energy 1 arrives at an antenna, unprecoded.

        That is, under a rule that goes by nothing or by statistics.
        """
        if self.channel.fading and self.rule.needs == "statistics":
            return np.full(self.workers, self.moments.square, np.float32)
        return np.array(self.channels.fading.powers(), np.float32)

    def csi(self, transmission: Transmission, worker: Any, response: Any) -> Any:
        """[used element] what a worker knows of its channel behind the beam.

        The channel itself where its rule needs nothing of it.
        """
        if self.pilots is not None:
            sounded = self.channels.sounded(self.pilots, transmission, worker, response)
            pilots = self.pilots.pilots(self.receiver.beam_gain(sounded)[tf.newaxis])
            seed = self.channels.seed("downlink pilots", transmission.index, worker)
            estimate = self.pilots.estimate(pilots, seed)
            return self.pilots.to_power(estimate[0], tf.gather(self._powers, worker))
        gain = self.receiver.beam_gain(self.channels.used(response))
        if self.rule.needs == "statistics":
            powers = tf.constant(self.channels.fading.powers(), tf.float32)
            root = tf.cast(tf.sqrt(tf.gather(powers, worker)), gain.dtype)
            return tf.fill(tf.shape(gain), root)
        if self.rule.needs == "nothing":
            return gain
        return self._csi.view(gain)

    def _known_gains(self, transmission: Transmission) -> Any:
        """[worker, used element] power gains behind the beam, as the workers know them."""

        def body(worker: Any, gains: Any) -> Any:
            response = self.channels.response(transmission, worker)
            known = self.csi(transmission, worker, response)
            return gains.write(worker, tf.square(tf.abs(known)))

        elements = len(self.channels.sampling.used)
        gains = tf.TensorArray(tf.float32, self.workers, element_shape=[elements])
        return self.channels.for_each_worker(body, gains).stack()

    def plan(self, transmission: Transmission, prior: Any, present: Any = None) -> Any:
        """[worker, used element] h b of a rule that plans; [worker, 0] for others.

        Args:
            transmission: its channels.
            prior: [used element] mean energy of a worker's symbol before precoding.
            present: [worker] float32, 1 of those that send, for whom alone is planned (0 for the
                others); None for all.
        """
        if not self.channel.fading or not self.rule.plans:
            return tf.zeros([self.workers, 0])
        noise_ratio = self.channel.noise_variance / tf.maximum(prior, 1e-30)
        gains = self._known_gains(transmission)
        if present is None:
            return self._planned(gains, noise_ratio)
        somebody = tf.where(tf.reduce_any(present > 0), present, tf.ones_like(present))
        index = tf.where(somebody > 0)  # [sender, 1]
        amplitude = self._planned(tf.gather_nd(gains, index), noise_ratio)
        return tf.scatter_nd(index, amplitude, tf.shape(gains, tf.int64))

    def _planned(self, gains: Any, noise_ratio: Any) -> Any:
        """[worker, used element] h b of the rule, within every worker's mean budget."""
        amplitude = self.rule.plan(gains, noise_ratio)
        if not contract.brought(self.rule):
            return amplitude
        what, shape = "the plan", [None, gains.shape[1]]
        amplitude = contract.check_shape(self.rule, what, amplitude, shape, "float32")
        amplitude = contract.check_finite(self.rule, what, amplitude)
        energy = tf.square(amplitude) / tf.maximum(gains, 1e-12)
        within = tf.reduce_all(tf.reduce_mean(energy, axis=1) <= 1 + 1e-2)
        return contract.hold(self.rule, "every worker's mean |b|^2 must be <= 1", within, amplitude)

    def precoding(
        self, transmission: Transmission, worker: Any, response: Any, received_amplitude: Any
    ) -> Any:
        """[used element] a worker's factors b.

        Args:
            transmission: its channels.
            worker: integer scalar.
            response: of `WorkerChannels.response`.
            received_amplitude: of `plan`.
        """
        if not self.channel.fading:
            return tf.ones([len(self.channels.sampling.elements)], tf.complex64)
        known = self.csi(transmission, worker, response)
        if self.rule.plans:
            return precoding_for(received_amplitude[worker], known)
        factor = self.rule.precode(known, self.moments)
        elements = len(self.channels.sampling.elements)
        factor = contract.check_shape(self.rule, "the factor", factor, [elements], "complex64")
        return contract.check_finite(self.rule, "the factor", factor)

    def correlation(self, mobility: Mobility) -> tuple[Any, Any]:
        """rho and rho^2 of channel and knowledge, means over elements and workers."""
        if self.pilots is None:
            return 1.0, 1.0
        return self.pilots.correlation(float(np.mean(self._powers)), mobility)
