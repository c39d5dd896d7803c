"""`LinkMetrics` over an epoch and over a run."""

import math

import numpy as np
import tensorflow as tf

from laser_phy.training.metrics import LinkMetrics
from laser_phy.uplink.diagnostics import MAXIMA, RATIOS_DB

NAMES = ("uplink_nmse_db", "energy_max_worker", "energy_mean_worker")
ENERGIES = RATIOS_DB["uplink_nmse_db"]


def row(error: float, energy: float) -> dict:
    values = {"uplink_nmse_db": 0.0, "energy_max_worker": energy, "energy_mean_worker": energy / 2}
    values |= dict(zip(ENERGIES, (error, 2.0), strict=True))
    return {name: tf.constant(value) for name, value in values.items()}


def test_a_run_of_two_epochs_is_all_rounds_at_once() -> None:
    run, epoch = LinkMetrics(NAMES, dtype="float64"), LinkMetrics(NAMES)
    assert run.means() == {}
    for rounds in (((1.0, 4.0), (3.0, 8.0)), ((0.5, 6.0),)):
        for values in rounds:
            epoch.update_state(row(*values))
        run.add(epoch)
        epoch.reset_state()
    means = run.means()
    assert math.isclose(means["energy_mean_worker"], 3.0)
    assert means["energy_max_worker"] == 8.0
    assert math.isclose(means["uplink_nmse_db"], 10 * math.log10(4.5 / 6), rel_tol=1e-12)


def test_sums_of_a_long_run_do_not_stand_still() -> None:
    run, epoch = LinkMetrics(NAMES, dtype="float64"), LinkMetrics(NAMES)
    run.restore({"rounds": 2.0**26, "energy_mean_worker": 2.0**26})
    epoch.update_state(row(1.0, 2.0))
    run.add(epoch)
    assert run.totals()["rounds"] == 2.0**26 + 1  # float32 has no such number
    assert run.totals()["energy_mean_worker"] == 2.0**26 + 1
    assert np.float32(2.0**26) + np.float32(1) == np.float32(2.0**26)


def test_totals_come_back() -> None:
    one, other = (LinkMetrics(NAMES, dtype="float64") for _ in range(2))
    one.update_state(row(1.0, 4.0))
    totals = one.totals()
    assert set(totals) == {*NAMES, *ENERGIES, "rounds", *(f"max_{name}" for name in MAXIMA)}
    other.restore(totals)
    assert other.means() == one.means()
    other.restore({})
    assert other.means() == {}
