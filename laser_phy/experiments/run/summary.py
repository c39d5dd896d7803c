"""`summary.json`: what came out of a run."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from laser_phy.core.metric_names import higher_is_better
from laser_phy.core.plugins import used_by
from laser_phy.experiments.run.experiment import Experiment
from laser_phy.experiments.run.libraries import versions
from laser_phy.experiments.run.recorder import Recorder
from laser_phy.experiments.run.run_folder import RunFolder
from laser_phy.uplink.diagnostics import DOWNLINK_NAMES


def summarise(
    experiment: Experiment, recorder: Recorder, folder: RunFolder, status: str, planned: int
) -> dict[str, Any]:
    """The summary of a run that ended with `status`, of `planned` rounds its scenario has."""
    scenario = experiment.scenario
    history = folder.read_rows(folder.history)
    link = recorder.link_means()
    kinds = used_by(scenario)
    return {
        "name": scenario.name,
        "seed": scenario.seed,
        "status": status,
        "rounds": recorder.rounds,
        "rounds_planned": planned,
        "epochs": len(history),
        "metric": _metric(history, experiment.metric, with_ema=scenario.task.ema is not None),
        "uplink": {k: v for k, v in link.items() if k not in DOWNLINK_NAMES},
        "downlink": {k: v for k, v in link.items() if k in DOWNLINK_NAMES},
        "energy_budget": experiment.energy_budget,
        "budget_rule": scenario.uplink.power.budget,
        "workers": scenario.task.workers,
        "dropped_examples": experiment.dropped,
        "excluded_rounds": _excluded(experiment),
        "wall_s": round(recorder.wall_s, 3),
        "rounds_per_s": round(recorder.rounds_per_s, 3),
        "versions": versions(),
        **({"kinds": kinds} if kinds else {}),
    }


def _excluded(experiment: Experiment) -> dict[str, int]:
    """Rounds in which a worker was left out for its gradient, by worker."""
    counts = np.asarray(experiment.model.uplink.excluded)
    return {str(worker): int(counts[worker]) for worker in counts.nonzero()[0]}


def _metric(history: list[dict[str, float]], name: str, with_ema: bool) -> dict[str, Any]:
    """What the tests gave after the last epoch, and the best of all epochs."""
    metric: dict[str, Any] = {"name": name, **_final_and_best(history, name)}
    if with_ema:
        metric["ema"] = _final_and_best(history, f"ema_{name}")
    return metric


def _final_and_best(history: list[dict[str, float]], column: str) -> dict[str, float]:
    values = [row.get(column, math.nan) for row in history]
    finite = [value for value in values if math.isfinite(value)]
    best = max if higher_is_better(column) else min
    return {"final": values[-1] if values else math.nan, "best": best(finite, default=math.nan)}
