"""The link's diagnostics as one Keras metric: means over an epoch, and a trace of single rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from laser_phy.uplink.diagnostics import MAXIMA, NAMES, RATIOS_DB, ratio_db
from laser_phy.uplink.worker_devices import own_copy


class LinkMetrics(keras.metrics.Metric):
    """Mean of every diagnostic since the last reset; maximum and ratio where that is what it is.

    One vector variable holds all of them: a metric each would cost more than a small round.

    Serves an epoch, in the graph; and a run, which adds its epochs up on the host and keeps them in
    checkpoints: `LinkMetrics(names, dtype="float64")` with `add`, `totals` and `restore`.

    Args:
        names: diagnostics to report.
        name: of the metric.
        dtype: of the sums; a float32 loses the rounds of a long run.

    Attributes:
        energies: behind the ratios in dB, summed over rounds before the logarithm.
    """

    def __init__(
        self, names: Sequence[str] = NAMES, name: str = "link", dtype: str = "float32"
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.names = tuple(names)
        self.energies = tuple(e for n in self.names for e in RATIOS_DB.get(n, ()))
        sums = len(self.names) + len(self.energies)
        self.rounds, self.sums, self.maxima = (
            # Every replica of a strategy sees the whole round.
            self.add_variable(
                shape, "zeros", aggregation="only_first_replica", name=name, dtype=dtype
            )
            for name, shape in (("rounds", ()), ("sums", (sums,)), ("maxima", (len(MAXIMA),)))
        )

    def update_state(self, diagnostics: dict[str, Any]) -> None:
        self.rounds.assign_add(1.0)
        values = tf.stack([diagnostics[name] for name in self.names + self.energies])
        self.sums.assign_add(tf.cast(values, self.dtype))
        maxima = tf.cast(tf.stack([diagnostics[name] for name in MAXIMA]), self.dtype)
        self.maxima.assign(tf.maximum(self.maxima, maxima))

    def result(self) -> dict[str, Any]:
        sums = dict(zip(self.names + self.energies, tf.unstack(self.sums.value), strict=True))
        values = {n: tf.math.divide_no_nan(sums[n], self.rounds.value) for n in self.names}
        values |= {name: self.maxima[i] for i, name in enumerate(MAXIMA)}
        for name in self.names:
            if name not in RATIOS_DB:
                continue
            numerator, denominator = RATIOS_DB[name]
            values[name] = ratio_db(sums[numerator], sums[denominator])
        return values

    # ---- over a run ----

    def add(self, other: LinkMetrics) -> None:
        """Add the rounds that another one of the same names has seen, such as an epoch's."""
        rounds, sums, maxima = (
            tf.cast(variable.value, self.dtype)
            for variable in (other.rounds, other.sums, other.maxima)
        )
        self.rounds.assign_add(rounds)
        self.sums.assign_add(sums)
        self.maxima.assign(tf.maximum(self.maxima, maxima))

    def totals(self) -> dict[str, float]:
        """What `restore` takes: sums by name, `max_...` of the maxima, and `rounds`."""
        sums = dict(zip(self.names + self.energies, self.sums.numpy().tolist(), strict=True))
        maxima = dict(zip(MAXIMA, self.maxima.numpy().tolist(), strict=True))
        maxima = {f"max_{name}": value for name, value in maxima.items()}
        return {**sums, **maxima, "rounds": float(self.rounds.numpy())}

    def restore(self, totals: Mapping[str, float]) -> None:
        """Go on from `totals`; from nothing where they are empty."""
        self.rounds.assign(totals.get("rounds", 0.0))
        self.sums.assign([totals.get(name, 0.0) for name in self.names + self.energies])
        self.maxima.assign([totals.get(f"max_{name}", 0.0) for name in MAXIMA])

    def means(self) -> dict[str, float]:
        """`result` as Python numbers; empty before the first round."""
        if not float(self.rounds.numpy()):
            return {}
        return {name: float(value) for name, value in self.result().items()}


TRACE_ROUNDS = 256
"""Rounds that the trace holds."""

TOTALS = ("energy", "energy_total", "air_time_s", "control_bytes")
"""What is counted over all rounds: energy of all workers' data, and with pilots; air time and bytes
of the control channel, up and down."""

PER_WORKER = ("worker_energy", "message_norm")
"""Numbers of each worker in the last round: energy spent, and norm of the message before power."""


BYTES = "control_bytes_per_round"


class RoundTrace(keras.layers.Layer):
    """The last rounds' numbers, written in the graph, so that callbacks may read them seldom.

    Reading logs once a round would not do: with `steps_per_execution` callbacks see every tenth.

    Args:
        names: diagnostics to hold.
        workers: K.

    Attributes:
        columns: of a row, and of a run's `rounds.csv`.
    """

    def __init__(self, names: Sequence[str] = NAMES, workers: int = 1) -> None:
        super().__init__(name="round_trace", dtype="float32", trainable=False)
        self.columns = ("round", "loss", *names)
        self.rows = self.add_weight(
            shape=(TRACE_ROUNDS, len(self.columns)),
            initializer="zeros",
            trainable=False,
            name="rows",
        )
        self._workers = self.add_weight(
            shape=(len(PER_WORKER), workers), initializer="zeros", trainable=False, name="workers"
        )
        self._totals = self.add_weight(  # a float32 would stand still after 10^7 rounds
            shape=(len(TOTALS),), dtype="float64", initializer="zeros", trainable=False,
            name="totals",
        )  # fmt: skip
        self.built = True

    def write(
        self, round_: Any, loss: Any, diagnostics: dict[str, Any], workers: dict[str, Any]
    ) -> None:
        """Write the row of round `round_` (int64 scalar); `workers` has [worker] of each."""
        values = [
            tf.cast(round_, tf.float32),
            loss,
            *[diagnostics[name] for name in self.columns[2:]],
        ]
        index = tf.reshape(tf.cast(round_ % TRACE_ROUNDS, tf.int32), [1, 1])
        own_copy(self.rows).scatter_nd_update(index, tf.stack(values)[tf.newaxis])
        self._workers.assign(tf.stack([workers[name] for name in PER_WORKER]))
        down = {name: diagnostics.get(f"downlink_{name}", 0.0) for name in ("air_time_ms", BYTES)}
        cost = tf.stack(
            [
                tf.reduce_sum(workers["worker_energy"]),
                diagnostics["energy_total"],
                1e-3 * (diagnostics["air_time_ms"] + down["air_time_ms"]),
                diagnostics[BYTES] + down[BYTES],
            ]
        )
        cost = tf.where(tf.math.is_finite(cost), cost, 0.0)  # a run that diverged has cost some
        self._totals.assign_add(tf.cast(cost, tf.float64))

    def totals(self) -> dict[str, float]:
        """What all rounds have cost: the names of `TOTALS`."""
        return dict(zip(TOTALS, self._totals.numpy().tolist(), strict=True))

    def workers(self) -> dict[str, np.ndarray]:
        """[worker] numbers of the last round: the names of `PER_WORKER`."""
        return dict(zip(PER_WORKER, self._workers.numpy(), strict=True))

    def since(self, first: int, rounds: int) -> list[dict[str, float]]:
        """Rows of the rounds `first` to `rounds` - 1, as far as they are still held."""
        held = range(max(first, rounds - TRACE_ROUNDS, 0), rounds)
        table = self.rows.numpy()
        return [
            dict(zip(self.columns, map(float, table[t % TRACE_ROUNDS]), strict=True)) | {"round": t}
            for t in held
        ]
