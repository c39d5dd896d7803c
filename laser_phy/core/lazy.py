"""TensorFlow, imported on first use.

Settings live beside the code that runs them, and settings must load in a blink: `laser-phy check`
validates a scenario without importing TensorFlow (3 s). Files that hold both import from here.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf
else:
    import importlib
    import types

    class _OnFirstUse(types.ModuleType):
        # Not in sys.modules, unlike what importlib.util.LazyLoader makes: whatever walks over the
        # loaded modules (inspect does, for pydantic's docstrings) would import TensorFlow there.
        def __getattr__(self, name):
            value = getattr(importlib.import_module(self.__name__), name)
            setattr(self, name, value)
            return value

    tf = _OnFirstUse("tensorflow")

__all__ = ["tf"]
