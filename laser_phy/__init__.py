"""laser_phy: train any Keras model over the air.

K workers compute gradients, a compressor turns each into a short analog message, the messages add
up in the air through Sionna's channel models, and an ordinary Keras optimizer applies what the
server decodes.

    import laser_phy as lp

Settings import at once; what needs TensorFlow (`OverTheAir`, `Uplink`, `callbacks`, `models`) loads
it on first use.
"""

from typing import TYPE_CHECKING, Any

import lazy_loader

from laser_phy import channels, compressors, power, power_control, receivers
from laser_phy.core.keras_hook import register_with_keras
from laser_phy.core.kinds import register
from laser_phy.core.plugins import load_plugin
from laser_phy.core.settings import SettingsError
from laser_phy.phy.csi import Csi
from laser_phy.phy.ofdm import Ofdm
from laser_phy.power import Power
from laser_phy.uplink import participation

if TYPE_CHECKING:
    from laser_phy import callbacks, data, models
    from laser_phy.downlink.downlink import Downlink
    from laser_phy.experiments.run.results import load_run
    from laser_phy.experiments.run.runner import run
    from laser_phy.experiments.sweep.conductor import sweep
    from laser_phy.experiments.sweep.results import load_sweep
    from laser_phy.training.over_the_air import OverTheAir
    from laser_phy.training.saving import load_model
    from laser_phy.uplink.aggregate import Aggregate
    from laser_phy.uplink.uplink import Uplink

__version__ = "0.1.0"

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


_attach, _, _ = lazy_loader.attach(  # on first use (PEP 562)
    __name__,
    submodules=["callbacks", "data", "models"],
    submod_attrs={
        "downlink.downlink": ["Downlink"],
        "experiments.run.results": ["load_run"],
        "experiments.run.runner": ["run"],
        "experiments.sweep.conductor": ["sweep"],
        "experiments.sweep.results": ["load_sweep"],
        "training.over_the_air": ["OverTheAir"],
        "training.saving": ["load_model"],
        "uplink.aggregate": ["Aggregate"],
        "uplink.uplink": ["Uplink"],
    },
)


def __getattr__(name: str) -> Any:
    return _attach(name)


def __dir__() -> list[str]:
    return sorted(__all__)


register_with_keras()
