"""Settings of the downlink: how the server's answer comes back to the workers."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

from pydantic import model_validator

from laser_phy.channels import AnyChannel, Tdl
from laser_phy.core.kinds import Family, Kind
from laser_phy.core.lazy import tf
from laser_phy.core.settings import Settings, setting
from laser_phy.phy.csi import AnyListenerCsi, Perfect
from laser_phy.phy.ofdm import Ofdm
from laser_phy.power import EnergyBudget


class DownlinkKind(Kind):
    """Settings of a downlink.

    Attributes:
        ideal: every worker has exactly what the server has.
    """

    ideal: ClassVar[bool] = False


class IdealDownlink(DownlinkKind):
    """Every worker receives exactly what the server decoded, as in the paper."""

    name: Literal["ideal"] = "ideal"
    ideal: ClassVar[bool] = True


class Equalizer(Kind):
    """How a worker reads what it hears."""

    def weight(self, gain: Any, prior: Any, noise_variance: Any) -> Any:
        """[symbol] complex64 that a received symbol is multiplied by.

        Args:
            gain: [symbol] complex64 channel, as the worker knows it.
            prior: [symbol] float32 mean energy of a sent symbol.
            noise_variance: [symbol] or scalar complex variance of what disturbs it: noise, and
                symbols through what is not known of the channel.
        """
        raise NotImplementedError


class ZfEqualizer(Equalizer):
    """s = y / h where |h|^2 >= floor, else 0: error no / |h|^2 a symbol."""

    name: Literal["zero_forcing"] = "zero_forcing"
    floor: float = setting(0.01, ge=0, le=100, unit="power gain, linear")
    """Power gain below which an element is read as 0: 1/|h|^2 has no mean under Rayleigh fading."""

    def weight(self, gain: Any, prior: Any, noise_variance: Any) -> Any:
        strong = tf.square(tf.abs(gain)) >= self.floor
        return tf.where(strong, tf.math.reciprocal_no_nan(gain), tf.zeros_like(gain))


class LmmseEqualizer(Equalizer):
    """s = h* e y / (|h|^2 e + no + e c), e the mean energy of a symbol: shrinks what is weak.

    c is the variance of the error of h, 0 with perfect CSI.
    """

    name: Literal["lmmse"] = "lmmse"

    def weight(self, gain: Any, prior: Any, noise_variance: Any) -> Any:
        power = tf.square(tf.abs(gain)) * prior + noise_variance
        return tf.math.conj(gain) * tf.cast(tf.math.divide_no_nan(prior, power), gain.dtype)


EQUALIZERS = Family("downlink.receiver", Equalizer, ZfEqualizer, LmmseEqualizer)
AnyEqualizer: Any = EQUALIZERS.field


class Broadcast(DownlinkKind):
    """Analog broadcast through a channel to every worker (Amiri, Gunduz, Kulkarni, Poor 2020).

    Each worker keeps what it received, so the workers' replicas of the model drift apart.
    """

    name: Literal["broadcast"] = "broadcast"
    payload: Literal["update", "weights"] = "update"
    """`update`: what the server decoded, in compressed form where there is one; a worker applies it
    with an optimizer of its own. `weights`: the whole model."""
    basis: Literal["received", "protected", "seed"] = "protected"
    """Where a worker's next basis of LASER comes from: the noisy factor it received, an error-free
    copy of the server's (its bytes are counted), or a seed that all share."""
    resync_every: int | None = setting(None, ge=1, unit="rounds")
    """Rounds between two error-free copies of the server's state; never by default."""
    power: EnergyBudget = setting(EnergyBudget())
    """Energy of a broadcast, shared out over blocks by their norms."""
    ofdm: Ofdm = setting(Ofdm())
    """Numerology and resource grid."""
    channel: AnyChannel = setting(Tdl())
    """What is between server and workers; independent of the uplink's."""
    csi: AnyListenerCsi = setting(Perfect())
    """What every worker knows of its channel; pilots are the server's, one for all workers."""
    receiver: AnyEqualizer = setting(LmmseEqualizer())
    """How a worker reads what it hears."""

    @property
    def pilots(self) -> bool:
        """The grid of a broadcast carries pilots."""
        return bool(self.channel.fading and self.csi.pilots)

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.payload == "weights" and self.basis == "received":
            raise ValueError(
                "basis: received needs a factor in the payload, and payload: weights carries none: "
                "without a shared basis the workers' factors do not add up, and training ends at "
                "chance. Write basis: protected or basis: seed."
            )
        problem = self.csi.problem("csi", self.ofdm.pilot_symbols, self.channel)
        if problem and self.channel.fading:
            raise ValueError(problem)
        return self


KINDS = Family("downlink", DownlinkKind, IdealDownlink, Broadcast)
DownlinkSettings: Any = KINDS.field


class Directed(Settings):
    """A place for either kind, for validation on its own."""

    downlink: DownlinkSettings = setting(IdealDownlink())
    """The way back."""
