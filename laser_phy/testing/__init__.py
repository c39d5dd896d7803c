"""Contract suites: what the kinds that ship are held to, and yours can be, in a line of pytest.

    from laser_phy.testing import check_power_control

    def test_my_rule():
        check_power_control(MyRule(power=0.5))

Each raises AssertionError with a sentence that names the kind, the rule and what was seen.
"""

from laser_phy.testing.channels import check_channel
from laser_phy.testing.compressors import check_compressor
from laser_phy.testing.power import check_allocation, check_participation, check_schedule
from laser_phy.testing.power_control import check_power_control
from laser_phy.testing.receivers import check_receiver

__all__ = [
    "check_allocation",
    "check_channel",
    "check_compressor",
    "check_participation",
    "check_power_control",
    "check_receiver",
    "check_schedule",
]
