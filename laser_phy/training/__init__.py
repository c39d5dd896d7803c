"""Training over the air. Heavy: importing it registers with Keras whatever `.keras` files hold."""

from laser_phy.training import optimizers  # noqa: F401
from laser_phy.training.nonfinite_gradients import BadGradientsError
from laser_phy.training.over_the_air import OverTheAir

__all__ = ["BadGradientsError", "OverTheAir"]
