"""Kinds that break their contract are found, and told which rule it was."""

from typing import ClassVar

import numpy as np
import pytest
import tensorflow as tf

from laser_phy.power import Allocation, Schedule
from laser_phy.power_control import PowerControl, RuleMoments
from laser_phy.receivers import Receiver, Scale
from laser_phy.testing import (
    check_allocation,
    check_participation,
    check_power_control,
    check_receiver,
    check_schedule,
)
from laser_phy.uplink.participation import Participation


class Matched(PowerControl):
    """b = c h*: kept."""

    def factor(self, gain):
        return tf.math.conj(gain)


class Overspends(Matched):
    """Twice the energy."""

    def precode(self, gain, statistics):
        return 2**0.5 * super().precode(gain, statistics)


class Misstates(Matched):
    """A gain that is not so."""

    def statistics(self, law):
        return super().statistics(law)._replace(gain=2.0)


class Turns(Matched):
    """Not in phase."""

    def precode(self, gain, statistics):
        return super().precode(gain, statistics) * tf.cast(tf.exp(tf.complex(0.0, 0.5)), gain.dtype)


class DividesByZero(PowerControl):
    """1/h at h = 0."""

    has_mean: ClassVar[bool] = False

    def statistics(self, law):
        return RuleMoments(1.0, 1.0, 1.0, 1.0, 1.0)

    def precode(self, gain, statistics):
        return 1 / gain


class LooksAround(Matched):
    """By the other elements."""

    def precode(self, gain, statistics):
        return super().precode(gain, statistics) * tf.cast(tf.shape(gain)[0] / 200_000, gain.dtype)


class KnowsTooMuch(Matched):
    """The phase, it says."""

    needs: ClassVar[str] = "phase"


class PlansTooMuch(PowerControl):
    """Inverts everything at full gain."""

    @property
    def plans(self):
        return True

    def plan(self, gains, noise_ratio):
        return tf.ones_like(gains)


@pytest.mark.parametrize(
    ("rule", "broken"),
    [
        (Overspends(), r"'overspends' must keep E\|b\|\^2 = 1"),
        (Misstates(), r"'misstates' must arrive with the stated E\[h b\]"),
        (Turns(), "'turns' must make h b real and positive"),
        (DividesByZero(), "'divides_by_zero' must give finite numbers for every channel"),
        (LooksAround(), "'looks_around' must go by each element on its own"),
        (KnowsTooMuch(), "'knows_too_much' needs the phase, and must not go by the gain"),
        (PlansTooMuch(), "'plans_too_much' must keep every worker's mean budget"),
    ],
)
def test_power_control(rule, broken):
    check_power_control(Matched())
    with pytest.raises(AssertionError, match=broken):
        check_power_control(rule)


class Halves(Scale):
    """Half of the mean."""

    def combine(self, received, observed, prior, link):
        return 0.5 * super().combine(received, observed, prior, link)


class Doubles(Halves):
    """Twice it, of a kind that says it shrinks."""

    @property
    def unbiased(self):
        return False

    def combine(self, received, observed, prior, link):
        return 4 * super().combine(received, observed, prior, link)


class NotANumber(Scale):
    """0 / 0 on every element."""

    def combine(self, received, observed, prior, link):
        return super().combine(received, observed, prior, link) * complex("nan")


class LearnsWhatIsNot(Receiver):
    """Asks for a field that there is not."""

    def learns(self, aligned):
        return ("everything",)


@pytest.mark.parametrize(
    ("receiver", "broken"),
    [
        (Halves(), "'halves' must be unbiased"),
        (Doubles(), "'doubles' must shrink"),
        (NotANumber(), "'not_a_number' must keep .* estimate of the symbols must be finite"),
        (LearnsWhatIsNot(), "'learns_what_is_not' must learn some of heard"),
    ],
)
def test_receivers(receiver, broken):
    with pytest.raises(AssertionError, match=broken):
        check_receiver(receiver)


class Negative(Allocation):
    """Less than nothing."""

    def weights(self, sent, source, decoding):
        return sent - 0.4


class InUnits(Allocation):
    """By a threshold on sent norms, which the shares must not know."""

    def weights(self, sent, source, decoding):
        return tf.cast(sent > 10.0, tf.float32)


def test_allocations():
    with pytest.raises(AssertionError, match="'negative' must ask for weights >= 0"):
        check_allocation(Negative())
    with pytest.raises(AssertionError, match="'in_units' must give shares of sum 1"):
        check_allocation(InUnits())


class Grows(Schedule):
    """More than the budget."""

    def factors(self, rounds):
        return np.linspace(1.0, 2.0, rounds)


def test_schedules():
    with pytest.raises(AssertionError, match="'grows' must have the mean 1"):
        check_schedule(Grows())


class Forgets(Participation):
    """Draws of its own."""

    def sends(self, workers, round_, seed, mean_gains):
        return tf.random.uniform([workers]) < 0.5


class Counts(Participation):
    """A number, not who."""

    def sends(self, workers, round_, seed, mean_gains):
        return tf.constant(workers // 2)


def test_participation():
    with pytest.raises(AssertionError, match="'forgets' must give the same for a round asked"):
        check_participation(Forgets(), workers=64)
    with pytest.raises(AssertionError, match=r"'counts' must give \[worker\] bool"):
        check_participation(Counts())
