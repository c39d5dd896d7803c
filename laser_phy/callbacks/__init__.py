"""Keras callbacks of the link. They observe or schedule; they compute no physics."""

from laser_phy.callbacks.channel_scheduler import ChannelScheduler
from laser_phy.callbacks.gradient_spectrum import GradientSpectrum
from laser_phy.callbacks.link_monitor import LinkMonitor
from laser_phy.callbacks.power_scheduler import PowerScheduler
from laser_phy.callbacks.round_budget import RoundBudget

__all__ = ["ChannelScheduler", "GradientSpectrum", "LinkMonitor", "PowerScheduler", "RoundBudget"]
