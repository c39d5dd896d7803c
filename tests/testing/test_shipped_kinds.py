"""Every kind that ships keeps the contract of its family."""

import pytest

from laser_phy.channels import Awgn, Cdl, Cir, Ideal, Rayleigh, Rician, Tdl, Umi
from laser_phy.core.kinds import Kind
from laser_phy.power import ALLOCATIONS
from laser_phy.power.schedule import KINDS as SCHEDULES
from laser_phy.power_control import KINDS as RULES
from laser_phy.power_control import Regularized
from laser_phy.receivers import KINDS as RECEIVERS
from laser_phy.receivers import Energy, Lmmse, Scale
from laser_phy.testing import (
    check_allocation,
    check_channel,
    check_participation,
    check_power_control,
    check_receiver,
    check_schedule,
)
from laser_phy.uplink.participation import KINDS as PARTICIPATION


def each(family, *more: Kind):
    """Every kind with its defaults, and further ones."""
    return pytest.mark.parametrize("kind", [*(kind() for kind in family), *more], ids=repr)


@each(RULES, Regularized(variant="static"), Regularized(variant="mean_power"))
def test_power_control(kind):
    check_power_control(kind)


@each(
    RECEIVERS,
    Scale(debias="mmse"),
    Scale(normalize="active"),
    Lmmse(debias="unbiased"),
    Energy(code="affine"),
    Energy(length=3),
)
def test_receivers(kind):
    check_receiver(kind)


@each(ALLOCATIONS)
def test_allocations(kind):
    check_allocation(kind)


@each(SCHEDULES)
def test_schedules(kind):
    check_schedule(kind)


@each(PARTICIPATION)
def test_participation(kind):
    check_participation(kind)


CHANNELS = [
    Ideal(), Awgn(antennas=2), Rayleigh(), Rayleigh(blocks=4, antennas=2), Rician(),
    Rician(antennas=3, k_factor_db=3.0), Tdl(), Tdl(profile="D", speed_mps=30.0),
    Tdl(domain="time"), Cdl(antennas=2), Umi(), Cir(path="street_canyon"),
]  # fmt: skip


@pytest.mark.parametrize("channel", CHANNELS, ids=repr)
def test_channels(channel):
    check_channel(channel)
