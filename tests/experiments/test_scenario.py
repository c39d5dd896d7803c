"""Scenarios: reading, defaults, overrides, writing back, and what stays unloaded meanwhile."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from paths import ROOT

import laser_phy as lp
from laser_phy.core import yaml_source as source
from laser_phy.core.errors import Refusal, nearest
from laser_phy.core.kinds import Family, Kind
from laser_phy.core.settings import Settings, SettingsError, setting
from laser_phy.experiments.scenario import Scenario, ScenarioError, load_scenario, shipped, to_yaml
from laser_phy.experiments.settings_docs import kinds_by_field, shipped_descriptions

LEAST = {
    "task": {"dataset": {"name": "digits"}, "model": {"name": "linear"}},
    "uplink": {"compressor": "laser"},
}


# ---- what ships ----


@pytest.mark.parametrize("name", sorted(shipped()))
def test_shipped_scenarios_are_fine(name: str) -> None:
    scenario = load_scenario(name)
    assert scenario.name == name
    assert scenario.description
    assert shipped()[name].startswith("# ")
    assert "?" in shipped()[name].split("\n\n")[0]  # the question that it answers


def test_quick_start_and_mnist_ship() -> None:
    assert {"quickstart", "mnist_awgn"} <= set(shipped_descriptions())


def test_a_file_wins_over_a_shipped_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "quickstart").write_text(json.dumps(LEAST | {"seed": 99}))
    assert load_scenario("quickstart").seed == 99


def test_a_folder_does_not_hide_a_shipped_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "quickstart").mkdir()
    assert load_scenario("quickstart").name == "quickstart"


# ---- defaults and the way back ----


def test_everything_else_has_a_default() -> None:
    scenario = Scenario.from_config(LEAST)
    assert scenario.task.workers == 16
    assert scenario.uplink.power.energy(1.0) == 100.0
    assert scenario.sweep == {}


def test_the_name_is_that_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "my first try.yaml"
    file.write_text(json.dumps(LEAST))
    assert load_scenario(file).name == "my_first_try"


@pytest.mark.parametrize("name", [*sorted(shipped()), "sweep"])
def test_what_is_written_reads_back_equal(name: str, tmp_path: Path) -> None:
    if name == "sweep":
        values = {"uplink.compressor": ["identity", {"name": "laser", "rank": 1}], "seed": [1, 2]}
        scenario = Scenario.from_config(
            LEAST
            | {
                "sweep": values | {"task.optimizer.learning_rate": [1e-7, 0.1, 1.0]},
                "description": "100: 'quotes', # and \"more\"; 1e-3",
            }
        )
    else:
        scenario = load_scenario(name)
    file = tmp_path / "again.yaml"
    file.write_text(to_yaml(scenario))
    again = load_scenario(file)
    assert again == scenario
    assert to_yaml(again) == to_yaml(scenario)


def test_python_and_yaml_give_equal_settings() -> None:
    scenario = Scenario.from_config(
        LEAST | {"uplink": {"compressor": {"name": "laser", "rank": 2}, "power": {"snr_db": -20}}}
    )
    compressor = lp.compressors.Laser(rank=2)
    assert scenario.uplink.compressor == compressor
    assert scenario.uplink.power == lp.Power(snr_db=-20)


# ---- YAML 1.2 ----


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("100.0e-9", 1e-7),
        ("30e3", 30000.0),
        ("-.inf", float("-inf")),
        ("0x10", 16),
        ("1_000", 1000),
        ("off", "off"),
        ("no", "no"),
        ("2026-01-01", "2026-01-01"),
        ("1:30", "1:30"),
        ("'1e-3'", "1e-3"),
        ("~", None),
        ("True", True),
        ("[1, [2.0]]", [1, [2.0]]),
        ("{a: {b: c}}", {"a": {"b": "c"}}),
    ],
)
def test_values_are_those_of_yaml_1_2(text: str, value: Any) -> None:
    read = source.read(f"key: {text}", "file").tree["key"]
    assert read == value
    assert type(read) is type(value)


def test_an_alias_is_its_anchor() -> None:
    assert source.read("a: &x {b: 1}\nc: *x", "file").tree == {"a": {"b": 1}, "c": {"b": 1}}


@pytest.mark.parametrize(
    "value",
    ["1e-3", "null", "true", "", "a: b", "# x", " a ", "a\n\nb\n", "!x", "0x1f", "é", "~", "12"],
)
def test_text_that_looks_like_something_else_stays_text(value: str) -> None:
    assert source.read(source.write({"key": value}), "file").tree == {"key": value}


# ---- --set ----


def test_set_replaces_and_does_not_merge() -> None:
    scenario = load_scenario("quickstart", ["uplink.compressor={name: laser}"])
    assert scenario.uplink.compressor == lp.compressors.Laser()  # rank 4 of the file is gone
    assert load_scenario("quickstart", ["uplink.compressor.rank=1"]).uplink.compressor.rank == 1


def test_set_works_before_validation(tmp_path: Path) -> None:
    file = tmp_path / "half.yaml"
    file.write_text(json.dumps({"uplink": {"compressor": {"name": "laser", "rank": 0}}}))
    sets = ["task={dataset: digits, model: linear}", "uplink.compressor.rank=3"]
    assert load_scenario(file, sets).uplink.compressor.rank == 3


@pytest.mark.parametrize(
    ("assignment", "path", "value"),
    [
        ("uplink.compressor={name: identity}", ("uplink", "compressor", "name"), "identity"),
        ("uplink.compressor=identity", ("uplink", "compressor", "name"), "identity"),
        ("uplink.channel.delay_spread_s=1e-7", ("uplink", "channel", "delay_spread_s"), 1e-7),
        ("uplink.ofdm.guard_carriers=[10, 9]", ("uplink", "ofdm", "guard_carriers"), [10, 9]),
        ("task.ema=0.5", ("task", "ema"), 0.5),
        ("task.ema=null", ("task", "ema"), None),
        ("description=a = b", ("description",), "a = b"),
        (" seed =7", ("seed",), 7),
    ],
)
def test_set_reads_values_as_yaml(assignment: str, path: tuple[str, ...], value: Any) -> None:
    found: Any = load_scenario("quickstart", [assignment]).to_config()
    for key in path:
        found = found[key]
    assert found == value
    assert type(found) is type(value)


def test_set_below_a_short_name_expands_it(tmp_path: Path) -> None:
    file = tmp_path / "short.yaml"
    file.write_text(json.dumps(LEAST))
    assert load_scenario(file, ["uplink.compressor.rank=7"]).uplink.compressor.rank == 7


def test_later_sets_win() -> None:
    assert load_scenario("quickstart", ["seed=5", "seed=6"]).seed == 6


# ---- the Python side of refusals ----


class Ruler(Kind):
    """A family's base."""


class Short(Ruler):
    """A kind."""

    name: Literal["short"] = "short"
    length: float = setting(1.0, gt=0, unit="m")
    """Its length."""


class Long(Ruler):
    """Another kind."""

    name: Literal["long"] = "long"
    turns: int = setting(3, ge=1, le=10)
    """Its turns."""


RULERS, ONE_RULER = Family("ruler", Ruler, Short, Long), Family("ruler", Ruler, Short)


class Owner(Settings):
    """Holds kinds."""

    first: RULERS.field  # type: ignore[valid-type]
    """The first."""
    pair: tuple[float, float] = (1.0, 2.0)
    second: RULERS.field | None = None  # type: ignore[valid-type]
    flag: bool = False
    only: ONE_RULER.field = Short()  # type: ignore[valid-type]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "bound": (
        {"first": {"name": "short", "length": -1.0}},
        "first: length must be > 0 (m); got -1.0.",
    ),
    "upper": ({"first": {"name": "long", "turns": 11}}, "first: turns must be <= 10; got 11."),
    "inside_an_optional": (
        {"first": "long", "second": {"name": "long", "turns": 0}},
        "second: turns must be >= 1; got 0.",
    ),
    "entry": (
        {"first": "long", "pair": [1.0, "x"]},
        "pair: pair[1] must be a number; got 'x' (text).",
    ),
    "short_list": (
        {"first": "long", "pair": [1.0]},
        "pair: pair[1] is missing: the list is too short",
    ),
    "long_list": (
        {"first": "long", "pair": [1.0, 2, 3]},
        "pair must have at most 2 entries; got [1.0, 2, 3] (a list).",
    ),
    "flag": ({"first": "long", "flag": 1}, "flag must be true or false; got 1."),
    "missing": ({}, "first is missing (the first); write for example `first: {name: short}`."),
    "not_a_kind": (
        {"first": 3},
        "first must be a name, or a mapping with one, such as {name: short}; got 3.",
    ),
    "only_kind": (
        {"first": "long", "only": "shrt"},
        "only: name must be 'short'; got 'shrt' (text); did you mean 'short'?",
    ),
    "unit": (
        {"first": {"name": "short", "length": "3 mm"}},
        "length must be a number (m); got '3 mm' (text): write 0.003 "
        "(units stand in the names of keys, not in values).",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_mappings_are_refused_in_a_sentence(case: str) -> None:
    mapping, sentence = REFUSED[case]
    with pytest.raises(SettingsError) as error:
        Owner.from_config(mapping)
    assert sentence in str(error.value)
    assert "pydantic" not in str(error.value)


def test_constructors_refuse_in_the_same_sentence() -> None:
    with pytest.raises(SettingsError) as error:
        lp.compressors.Laser(rank=0)
    assert str(error.value) == "Laser: rank must be >= 1 (columns of a factor); got 0."
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__ or error.value.__context__ is None
    assert isinstance(error.value, ValueError)


def test_a_mistake_deep_inside_a_constructor_is_one_sentence() -> None:
    with pytest.raises(SettingsError) as error:
        Owner(first={"name": "long", "turns": 0})
    assert str(error.value) == "Owner: first: turns must be >= 1; got 0."


def test_constructors_take_lists_and_numbers_of_numpy() -> None:
    assert Owner(first="short", pair=[1, 2]).pair == (1, 2)
    assert Short(length=np.float32(0.5)).length == 0.5
    assert type(Long(turns=np.int64(2)).turns) is int


def test_settings_are_frozen_and_hashable() -> None:
    settings = Owner.from_config({"first": "short", "pair": [3, 4]})
    assert hash(settings) == hash(Owner(first=Short(), pair=(3, 4)))
    with pytest.raises(ValueError, match="frozen"):
        settings.flag = True  # type: ignore[misc]


def test_every_problem_has_its_path() -> None:
    with pytest.raises(SettingsError) as error:
        Owner.from_config({"first": {"name": "long", "turns": 0}, "flg": True})
    paths = [problem.path for problem in error.value.problems]
    assert paths == [("first", "turns"), ("flg",)]


def test_a_scenario_error_is_a_refusal() -> None:
    with pytest.raises(ScenarioError) as error:
        load_scenario("nowhere")
    assert isinstance(error.value, Refusal)


@pytest.mark.parametrize(
    ("word", "known", "found"),
    [
        ("treshold", ["threshold", "name"], "threshold"),
        ("TDL", ["tdl", "cdl"], "tdl"),
        ("energy", ["energy_per_round", "snr_db"], "energy_per_round"),
        ("xyz", ["tdl", "awgn"], ""),
    ],
)
def test_nearest_spelling(word: str, known: list[str], found: str) -> None:
    assert nearest(word, known) == (f"; did you mean {found!r}?" if found else "")


# ---- catalogue and schema ----


def test_kinds_by_field() -> None:
    kinds = kinds_by_field()
    assert {"laser", "identity"} <= set(kinds["uplink.compressor"])
    assert {"ideal", "awgn", "rayleigh", "tdl"} <= set(kinds["uplink.channel"])
    assert kinds["uplink.power.budget"] == ["mean", "round"]
    assert {"digits", "npz"} <= set(kinds["task.dataset"])


def test_schema_has_units_defaults_bounds_and_short_names() -> None:
    schema = Scenario.model_json_schema()
    rule = schema["$defs"]["TruncatedInversion"]["properties"]["threshold"]
    assert (rule["unit"], rule["minimum"], rule["default"]) == ("power gain, linear", 0, 0.1)
    assert rule["description"]
    kinds = schema["$defs"]["UplinkSettings"]["properties"]["compressor"]["anyOf"]
    assert any("laser" in kind.get("enum", ()) for kind in kinds)
    assert schema["required"] == ["task", "uplink"]


# ---- nothing heavy ----


COMMAND = "from laser_phy.cli import main\ntry: main({})\nexcept SystemExit: pass"


@pytest.mark.parametrize(
    "code",
    [
        "import laser_phy.experiments.scenario as s; s.load_scenario('quickstart')",
        COMMAND.format(["--help"]),
        COMMAND.format(["check", "quickstart"]),
        COMMAND.format(["check", "mnist_awgn", "--set", "seed=x"]),
        COMMAND.format(["list"]),
        COMMAND.format(["schema"]),
    ],
    ids=["scenario", "help", "check", "refusal", "list", "schema"],
)
def test_nothing_heavy_is_imported(code: str) -> None:
    code += (
        "\nimport sys\n"
        "heavy = {'tensorflow', 'keras', 'sionna', 'matplotlib', 'pandas', 'sklearn', 'scipy'}\n"
        "loaded = heavy & {name.split('.')[0] for name in sys.modules}\n"
        "sys.exit(f'loaded: {loaded}' if loaded else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
