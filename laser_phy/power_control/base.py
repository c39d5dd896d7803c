"""The interface of a power control rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from laser_phy.core.kinds import Kind
from laser_phy.core.lazy import tf
from laser_phy.power_control.moments import GainLaw, RuleMoments, moments_of


class PowerControl(Kind):
    """Settings of a rule b(h): what a worker multiplies its symbols by, element by element.

    A kind writes `factor` alone, and is normalised to E|b|^2 = 1 for it; `statistics` and `precode`
    in its place where closed forms are known; or `plan`, with `plans` true, where the factor
    depends on all workers' channels: it gets their power gains at once, [worker, symbol] float32,
    8 K N bytes and a few times that while it solves.

    Attributes:
        needs: what of its channel a transmitter must know: "nothing", the mean of its gain
            ("statistics"), its "phase", or all of it ("channel").
        aligns: h b is real and positive, so that the messages add up in phase.
        has_mean: E|b|^2 is finite under Rayleigh fading.
    """

    needs: ClassVar[str] = "channel"
    aligns: ClassVar[bool] = True
    has_mean: ClassVar[bool] = True

    @property
    def plans(self) -> bool:
        """The rule needs all workers' channels at once."""
        return False

    def problem(self, budget: str, channel: str) -> str | None:
        """What stands against this rule on a fading channel, in a sentence; None if nothing.

        Args:
            budget: `power.budget`, "mean" or "round".
            channel: its name.
        """
        if self.has_mean or budget != "mean":
            return None
        return (
            f"power_control {self.name!r} has no mean power on the fading channel {channel!r}; "
            "got power.budget mean. Write power.budget: round, or power_control: "
            "truncated_inversion."
        )

    def factor(self, gain: Any) -> Any:
        """b before it is normalised.

        Args:
            gain: [symbol] complex64 channel that the worker knows.

        Returns:
            [symbol] complex64; 0 where nothing is to be sent.
        """
        raise NotImplementedError(f"{type(self).__name__} must have `factor`, or `plan`.")

    def statistics(self, law: GainLaw) -> RuleMoments:
        """Normaliser and moments for gains of this law; not for rules that plan."""
        return moments_of(self, law)

    def precode(self, gain: Any, statistics: RuleMoments) -> Any:
        """b [symbol] complex64 for the channel `gain` [symbol] that the worker knows."""
        factor = self.factor(gain)
        return tf.cast(statistics.scale, factor.dtype) * factor

    def plan(self, gains: Any, noise_ratio: Any) -> Any:
        """h b for all workers, [worker, symbol] float32 >= 0; only rules that plan.

        Args:
            gains: [worker, symbol] float32 power gains |h|^2.
            noise_ratio: [symbol] float32, variance of the noise over the energy of a symbol before
                precoding.
        """
        raise NotImplementedError(f"{type(self).__name__} must have `plan`, as it plans.")


class FunctionRule(PowerControl):
    """A rule that a function gives: known channel [symbol] complex64 -> factor [symbol] complex64.

    It is `factor` of `PowerControl`: normalised afterwards, and h b must be real and positive.
    """

    function: ClassVar[Callable[..., Any]]

    def factor(self, gain: Any) -> Any:
        fields = self.model_dump(exclude={"name"})
        return type(self).function(gain, **fields)


def precoding_for(received_amplitude: Any, gain: Any) -> Any:
    """b [symbol] complex64 with h b = `received_amplitude` [symbol], h = `gain` [symbol]."""
    return tf.math.reciprocal_no_nan(gain) * tf.cast(received_amplitude, gain.dtype)
