"""laser_phy: train any Keras model over the air.

K workers compute gradients, a compressor turns each into a short analog message, the messages add
up in the air through Sionna's channel models, and an ordinary Keras optimizer applies what the
server decodes.

    import laser_phy as lp

Settings import at once; what needs TensorFlow (`OverTheAir`, `Uplink`, `callbacks`, `models`) loads
it on first use.
"""

import importlib
from typing import TYPE_CHECKING, Any

from laser_phy import channels, compressors, power_control, receivers
from laser_phy.csi import Csi
from laser_phy.ofdm import Ofdm
from laser_phy.power import Power
from laser_phy.settings import SettingsError

if TYPE_CHECKING:
    from laser_phy import callbacks, models
    from laser_phy.downlink import Downlink
    from laser_phy.results import load_run
    from laser_phy.runner import run
    from laser_phy.sweeps.results import load_sweep
    from laser_phy.sweeps.sweep import sweep
    from laser_phy.training import OverTheAir
    from laser_phy.uplink import Aggregate, Uplink

__version__ = "0.1.0"

# name -> (module, attribute), or a module of this package: loaded on first use (PEP 562)
_LAZY = {
    "Aggregate": ("laser_phy.uplink", "Aggregate"),
    "Downlink": ("laser_phy.downlink", "Downlink"),
    "OverTheAir": ("laser_phy.training", "OverTheAir"),
    "Uplink": ("laser_phy.uplink", "Uplink"),
    "callbacks": ("laser_phy.callbacks", None),
    "load_run": ("laser_phy.results", "load_run"),
    "load_sweep": ("laser_phy.sweeps.results", "load_sweep"),
    "models": ("laser_phy.models", None),
    "run": ("laser_phy.runner", "run"),
    "sweep": ("laser_phy.sweeps.sweep", "sweep"),
}

__all__ = [
    "Aggregate",
    "Csi",
    "Downlink",
    "Ofdm",
    "OverTheAir",
    "Power",
    "SettingsError",
    "Uplink",
    "callbacks",
    "channels",
    "compressors",
    "load_run",
    "load_sweep",
    "models",
    "power_control",
    "receivers",
    "run",
    "sweep",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _LAZY[name]
    loaded = importlib.import_module(module)
    return loaded if attribute is None else getattr(loaded, attribute)


def __dir__() -> list[str]:
    return sorted(__all__)
