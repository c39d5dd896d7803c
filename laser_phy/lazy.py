"""TensorFlow and Keras, imported on first use.

Settings live beside the code that runs them, and settings must load in a blink: `laser-phy check`
validates a scenario without importing TensorFlow (3 s). Files that hold both import from here.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf
else:
    import lazy_loader

    tf = lazy_loader.load("tensorflow")

__all__ = ["tf"]
