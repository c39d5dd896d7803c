"""Every scenario that ships: checked, and where its data is at hand, run for three rounds."""

import pytest

import laser_phy as lp
from laser_phy.experiments.scenario import load_scenario
from laser_phy.experiments.settings_docs import shipped_descriptions

SHIPPED = sorted(shipped_descriptions())
OFFLINE = ("digits", "pydocs")
QUICK_MODELS = ("linear", "mlp")  # the others, and dropping a cell, take ten seconds and more


def case(name):
    scenario = load_scenario(name)
    slow = scenario.task.model.name not in QUICK_MODELS or scenario.uplink.channel.name == "umi"
    return pytest.param(name, marks=pytest.mark.long if slow else [])


RUNNABLE = [case(name) for name in SHIPPED if load_scenario(name).task.dataset.name in OFFLINE]


@pytest.mark.parametrize("name", SHIPPED)
def test_a_scenario_that_ships_is_valid_and_says_what_it_is(name):
    scenario = load_scenario(name)
    assert scenario.name == name
    assert len(shipped_descriptions()[name]) > 20


@pytest.mark.parametrize("name", RUNNABLE)
def test_a_scenario_that_ships_runs_for_three_rounds(name, tmp_path):
    result = lp.run(load_scenario(name), out=tmp_path / name, rounds=3, quiet=True)
    assert result.summary["rounds"] == 3
    assert list(result.rounds["round"]) == [0, 1, 2]
    assert result.summary["uplink"]["energy_max_worker"] > 0
    assert (tmp_path / name / "overview.png").stat().st_size > 10_000
