"""The pages about studies: what is generated is up to date, and what is shown works."""

import json
import re
import runpy
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from paths import ROOT

from laser_phy.core.yaml_source import read
from laser_phy.experiments.scenario import Scenario, load_scenario, shipped
from laser_phy.experiments.settings_docs import settings_page
from laser_phy.experiments.sweep.plan import plan_of

QUESTIONS = (
    "csi_sensitivity", "laser_vs_zsgd", "rank_tradeoff", "slow_vs_fast", "snr_sensitivity",
)  # fmt: skip

EDITOR = Draft202012Validator(
    json.loads((ROOT / "scenarios" / "scenario.schema.json").read_text(encoding="utf-8"))
)
"""What an editor with the YAML language server does with the schema, in Python."""


def blocks(page: str, language: str) -> list[str]:
    """The code of a page, in order."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


def test_the_settings_page_is_up_to_date() -> None:
    written = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert written == settings_page(), "run: laser-phy schema --markdown > docs/settings.md"


def test_the_schema_beside_the_scenarios_is_up_to_date() -> None:
    file = ROOT / "scenarios" / "scenario.schema.json"
    written = json.loads(file.read_text(encoding="utf-8"))
    assert written == Scenario.model_json_schema(), (
        "run: laser-phy schema > scenarios/scenario.schema.json"
    )


def test_the_settings_page_has_every_field() -> None:
    page = settings_page()
    for heading in ("## uplink.power\n", "## uplink.channel: tdl\n", "## task.model: resnet18\n"):
        assert heading in page
    assert "| `energy_per_round` | `null` | energy a " in page
    assert "| `speed_mps` | `1` | m/s, ≥ 0" in page


@pytest.mark.parametrize("name", sorted(shipped()))
def test_editors_find_the_schema_and_agree_with_it(name: str) -> None:
    text = shipped()[name]
    assert text.splitlines()[0] == "# yaml-language-server: $schema=scenario.schema.json"
    faults = [fault.message for fault in EDITOR.iter_errors(read(text, name).tree)]
    assert faults == []


def test_editors_see_a_misspelt_key_and_a_value_out_of_bounds() -> None:
    tree = read(shipped()["quickstart"], "quickstart").tree
    tree["uplink"]["compresor"] = "laser"
    tree["seed"] = -1
    faults = {fault.json_path for fault in EDITOR.iter_errors(tree)}
    assert faults == {"$.uplink", "$.seed"}


def commands(name: str) -> list[list[str]]:
    """The `laser-phy sweep` commands in the comments of a scenario, as shells would split them."""
    comments = [line[1:] for line in shipped()[name].splitlines() if line.startswith("#")]
    text = re.sub(r"\\\n", " ", "\n".join(comments))
    return [
        shlex.split(line.split("&&")[0])
        for line in text.splitlines()
        if line.strip().startswith("laser-phy sweep")
    ]


@pytest.mark.parametrize("name", QUESTIONS)
def test_scenarios_say_their_question_and_their_runs(name: str) -> None:
    text = shipped()[name]
    said = " ".join(line.lstrip("# ") for line in text.splitlines() if line.startswith("#"))
    assert "?" in said
    assert f"{len(plan_of(load_scenario(name)).runs)} runs" in said
    found = commands(name)
    assert found
    for command in found:
        settings = [command[i + 1] for i, word in enumerate(command) if word == "--set"]
        count = len(plan_of(load_scenario(name, settings)).runs)
        assert f"{count} runs" in said
        assert count <= 20  # a version for ten minutes on two cores


def shown(text: str) -> list[list[str]]:
    """The `laser-phy run` and `sweep` commands of a text, as shells would split them."""
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    commands = [part.strip() for line in lines for part in line.split("&&")]
    wanted = ("laser-phy run ", "laser-phy sweep ")
    return [shlex.split(c, comments=True) for c in commands if c.startswith(wanted)]


@pytest.mark.parametrize("page", ["models.md"])
def test_the_commands_of_the_results_are_valid(page: str) -> None:
    found = shown("\n".join(blocks(page, "bash")))
    assert found
    for _, _, name, *options in found:
        settings = [options[i + 1] for i, word in enumerate(options) if word == "--set"]
        assert load_scenario(name, settings).name == name


def test_the_saved_model_of_the_page_fits_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (block,), ((_, _, name, *options),) = (
        blocks("models.md", "python"),
        shown("\n".join(blocks("models.md", "bash"))),
    )
    exec(block, {})
    task = load_scenario(name, [options[options.index("--set") + 1]]).task
    assert task.model.build(task.dataset.load(), seed=0).count_params() == 65 * 32 + 33 * 10


def test_the_yaml_of_the_page_is_a_sweep() -> None:
    base: dict[str, Any] = {
        "name": "page",
        "task": {"dataset": "digits", "model": "linear"},
        "uplink": {"compressor": "laser"},
    }
    counts = [
        len(plan_of(Scenario.from_config(base | read(text, "studies.md").tree)).runs)
        for text in blocks("studies.md", "yaml")
    ]
    assert counts == [18, 8]


def test_the_python_of_the_pages_compiles() -> None:
    for page in ("studies.md", "study_in_python.md"):
        for number, block in enumerate(blocks(page, "python")):
            compile(block, f"{page}, block {number}", "exec")


@pytest.mark.long
def test_the_study_in_python_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for block in blocks("study_in_python.md", "python"):
        exec(block, names)
    assert (tmp_path / "fading" / "report.html").is_file()
    assert len(names["both"].runs) == 8
    assert "To reach 70.0 %" in capsys.readouterr().out


def test_the_mnist_page_has_the_tables_that_its_runs_give(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["mnist_table.py"])
    runpy.run_path(str(ROOT / "docs" / "mnist_table.py"), run_name="__main__")
    page = (ROOT / "docs" / "mnist_table.md").read_text(encoding="utf-8")
    tables = capsys.readouterr().out.strip().split("\n\n")
    assert len(tables) == 2
    assert all(table in page for table in tables), "run: python docs/mnist_table.py"
    commands = blocks("mnist_table.md", "bash")
    for command in re.findall(r"laser-phy sweep (.*?)(?=\nlaser|\n$)", commands[0]):
        assert shlex.split(command)[0] in shipped()
