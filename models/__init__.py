"""Keras models that know nothing of radio: plain functions that return a `keras.Model`.

Every model gives logits, and every function takes a `seed` that fixes its initial weights.
The functions load on first use, so that importing this package does not import Keras.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from laser_phy.models.generation import generate
    from laser_phy.models.gpt2 import gpt
    from laser_phy.models.perceptron import linear, mlp
    from laser_phy.models.resnet import resnet18

__all__ = ["generate", "gpt", "linear", "mlp", "resnet18"]

# No file bears the name of its function: importing a file `resnet18.py` would put the module
# in the place of the function `laser_phy.models.resnet18`.
__getattr__, __dir__, _ = lazy_loader.attach(
    "laser_phy.models",
    submod_attrs={
        "generation": ["generate"],
        "gpt2": ["gpt"],
        "perceptron": ["linear", "mlp"],
        "resnet": ["resnet18"],
    },
)
