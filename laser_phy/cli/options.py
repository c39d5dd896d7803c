"""What the commands have in common: the program, its options, and what they load first."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from laser_phy.experiments.scenario import Scenario

FAILED = 1
INTERRUPTED = 130  # what shells give for Ctrl-C

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

ScenarioName = Annotated[
    str,
    typer.Argument(
        metavar="SCENARIO", help="A YAML file, or the name of a scenario that ships (see `list`)."
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Replace one setting, such as uplink.power.energy_per_round=1. VALUE is YAML and "
        "replaces what was there. May be given many times.",
    ),
]
Plugins = Annotated[
    list[Path] | None,
    typer.Option(
        "--plugin",
        metavar="FILE",
        help="Execute a Python file of yours, whose kinds a scenario may then name. May be given "
        "many times. Kinds of installed packages are known without it.",
    ),
]


def load_plugins(plugins: Sequence[Path] | None) -> None:
    """Execute the files that `--plugin` names."""
    if plugins:
        from laser_phy.core.plugins import load_plugin

        for file in plugins:
            load_plugin(file)


def read_scenario(
    scenario: str, overrides: Sequence[str] | None, plugins: Sequence[Path] | None
) -> Scenario:
    """The scenario that a command is about, its plugins loaded before."""
    from laser_phy.experiments.scenario import load_scenario

    load_plugins(plugins)
    return load_scenario(scenario, overrides or ())


def typed_again(
    scenario: str, overrides: Sequence[str] | None, plugins: Sequence[Path] | None
) -> str:
    """The arguments as they would be typed again."""
    options = [part for text in overrides or () for part in ("--set", text)]
    options += [part for file in plugins or () for part in ("--plugin", str(file))]
    return shlex.join([scenario, *options])
