"""The uplink: K workers' gradients in, one out; its face, as users and Keras see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf

from laser_phy.uplink.aggregate import Aggregate
from laser_phy.uplink.chain import Chain
from laser_phy.uplink.settings import UplinkSettings
from laser_phy.uplink.snapshot import snapshot


@keras.saving.register_keras_serializable("laser_phy")
class Uplink(Chain):
    """K workers' gradients over the air, to an estimate of their mean.

    Use `build(shapes, workers, seed)` and then call the link on a list of stacked gradients, or,
    with one gradient in memory at a time, `encode` for every worker and `receive` for all.

    Every variable is tracked: error-feedback memories, the compressor's shared state, the round,
    and what schedules may change without retracing: energy, speed, and the age of outdated CSI.

    Args:
        **fields: fields of a scenario's `uplink:`, as settings objects
            (`compressor=lp.compressors.Laser(rank=4)`). Only `compressor` has no default.
    """

    def __init__(self, **fields: Any) -> None:
        base = {key: fields.pop(key) for key in ("name", "dtype", "trainable") if key in fields}
        name, trainable = base.get("name", "uplink"), base.get("trainable", True)
        super().__init__(UplinkSettings(**fields), name, trainable)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The link a scenario describes under `uplink:`; keys left out have their defaults."""
        config = dict(config)
        base = {key: config.pop(key) for key in ("name", "dtype", "trainable") if key in config}
        settings = UplinkSettings.from_config(config)
        return cls(
            **{name: getattr(settings, name) for name in UplinkSettings.model_fields}, **base
        )

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, **self.settings.to_config()}

    def get_build_config(self) -> dict[str, Any]:
        return {"shapes": self.shapes, "workers": self.workers, "seed": self.seed}

    def build_from_config(self, config: dict[str, Any]) -> None:
        self.build(**config)

    @property
    def rounds(self) -> int:
        """Rounds done."""
        return int(self.round.numpy())

    def snapshot(self, round: int = 0, workers: int | None = None) -> dict[str, np.ndarray]:
        """Channel and power over the subcarriers in a round: `laser_phy.uplink.snapshot`."""
        return snapshot(self.links[round % len(self.links)], round, self.mobility, workers)

    def call(self, stacked: Sequence[Any]) -> Aggregate:
        """`encode` for every worker, then `receive`.

        Args:
            stacked: list of float32 tensors [worker, *shape].
        """
        stacked = [tf.convert_to_tensor(tensor, tf.float32) for tensor in stacked]
        expected = [(self.workers, *shape) for shape in self.shapes]
        if [tuple(tensor.shape) for tensor in stacked] != expected:
            raise ValueError(
                f"stacked must be tensors of shapes {expected} (worker axis first); "
                f"got {[tuple(tensor.shape) for tensor in stacked]}."
            )
        participants = self.participants()

        def step(worker: Any, carry: Any) -> Any:
            gradients = [tensor[worker] for tensor in stacked]
            return self.encode(worker, gradients, participants=participants), carry

        messages, _ = self.collect(step, [])
        means = [tf.reduce_mean(tensor, axis=0) for tensor in stacked]
        return self.receive(messages, means, participants=participants)
