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

from laser_phy import channels, compressors, power, power_control, receivers
from laser_phy.core.keras_hook import register_with_keras
from laser_phy.core.kinds import register
from laser_phy.core.plugins import load_plugin
from laser_phy.core.settings import SettingsError
from laser_phy.phy.csi import Csi
from laser_phy.phy.ofdm import Ofdm
from laser_phy.power import Power

if TYPE_CHECKING:
    from laser_phy import callbacks, data, models
    from laser_phy.downlink.downlink import Downlink
    from laser_phy.experiments.run.results import load_run
    from laser_phy.experiments.run.runner import run
    from laser_phy.experiments.sweep.conductor import sweep
    from laser_phy.experiments.sweep.results import load_sweep
    from laser_phy.training.over_the_air import OverTheAir
    from laser_phy.training.saving import load_model
    from laser_phy.uplink import participation
    from laser_phy.uplink.aggregate import Aggregate
    from laser_phy.uplink.uplink import Uplink

__version__ = "0.1.0"

# name -> (module, attribute), or a module of this package: loaded on first use (PEP 562)
_LAZY = {
    "Aggregate": ("laser_phy.uplink.aggregate", "Aggregate"),
    "Downlink": ("laser_phy.downlink.downlink", "Downlink"),
    "OverTheAir": ("laser_phy.training.over_the_air", "OverTheAir"),
    "Uplink": ("laser_phy.uplink.uplink", "Uplink"),
    "callbacks": ("laser_phy.callbacks", None),
    "data": ("laser_phy.data", None),
    "load_model": ("laser_phy.training.saving", "load_model"),
    "load_run": ("laser_phy.experiments.run.results", "load_run"),
    "load_sweep": ("laser_phy.experiments.sweep.results", "load_sweep"),
    "models": ("laser_phy.models", None),
    "participation": ("laser_phy.uplink.participation", None),
    "run": ("laser_phy.experiments.run.runner", "run"),
    "sweep": ("laser_phy.experiments.sweep.conductor", "sweep"),
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
    "data",
    "load_model",
    "load_plugin",
    "load_run",
    "load_sweep",
    "models",
    "participation",
    "power",
    "power_control",
    "receivers",
    "register",
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


register_with_keras()
