"""`laser-phy check`, `list`, `schema`, `channel`, `cost`: to look before anything runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from laser_phy.cli.options import (
    Overrides,
    Plugins,
    ScenarioName,
    app,
    load_plugins,
    read_scenario,
)
from laser_phy.core.errors import Refusal

if TYPE_CHECKING:
    from laser_phy.experiments.scenario import Scenario

COST_COLUMNS = 126


@app.command()
def check(scenario: ScenarioName, overrides: Overrides = None, plugins: Plugins = None) -> None:
    """Check a scenario without running it, and print it with every default filled in.

    Takes less than a second. What is wrong is said with file, line, the value seen and what is
    allowed, and the exit status is 2.

    \b
    laser-phy check mine.yaml
    laser-phy check quickstart > mine.yaml
    laser-phy check quickstart --set uplink.channel.profile=C
    """
    from laser_phy.experiments.scenario import to_yaml

    settings = read_scenario(scenario, overrides, plugins)
    typer.echo(to_yaml(settings), nl=False)
    _show_split(settings)
    typer.echo(f"{scenario}: fine.", err=True)


@app.command(name="list")
def list_(plugins: Plugins = None) -> None:
    """List the scenarios that ship, and what may stand in each field that has kinds.

    Kinds of installed packages and of --plugin files stand below, with where they come from.

    \b
    laser-phy list
    laser-phy list --plugin mine.py
    """
    from laser_phy.core.plugins import failures, origins
    from laser_phy.experiments.settings_docs import kinds_by_field, shipped_descriptions

    load_plugins(plugins)
    brought = origins()
    typer.echo("Scenarios (laser-phy run NAME):")
    _table(shipped_descriptions())
    typer.echo("\nKinds (`field: {name: KIND, ...}` in a scenario):")
    _table({field: ", ".join(names) for field, names in kinds_by_field().items()})
    if brought:
        typer.echo("\nOf them, not laser_phy's own:")
        _table(
            {
                f"{word} {name}": who
                for word, kinds in brought.items()
                for name, who in kinds.items()
            }
        )
    for who, why in failures().items():
        typer.echo(f"\nwarning: the kinds of {who} could not be loaded: {why}", err=True)
    typer.echo("\nEvery setting with its default: laser-phy check NAME. Bounds and units: schema.")


@app.command()
def schema(
    markdown: Annotated[
        bool, typer.Option("--markdown", help="The page of every setting instead.")
    ] = False,
    plugins: Plugins = None,
) -> None:
    """Print the JSON Schema of scenarios, for editors that complete and check YAML; or, for people,
    every setting with its default, unit and bounds.

    \b
    laser-phy schema > scenario.schema.json
    laser-phy schema --markdown > settings.md
    """
    from laser_phy.core.plugins import load_packages
    from laser_phy.experiments.scenario import Scenario
    from laser_phy.experiments.settings_docs import settings_page

    load_plugins(plugins)
    load_packages()
    if markdown:
        typer.echo(settings_page(), nl=False)
        return
    typer.echo(json.dumps(Scenario.model_json_schema(), indent=2))


@app.command()
def channel(
    scenario: ScenarioName,
    overrides: Overrides = None,
    plugins: Plugins = None,
    out: Annotated[
        Path, typer.Option("--out", help="Picture to write: .png, .svg or .pdf.")
    ] = Path("channel.png"),
) -> None:
    """Draw a scenario's channel: gains over time and subcarrier, the power that every rule puts
    there, what stays silent, and a constellation before and after the air.

    \b
    laser-phy channel slow_fading
    laser-phy channel fast_fading --set uplink.channel.speed_mps=60 --out fast.svg
    """
    from laser_phy.experiments.channel_figure import channel_pictures
    from laser_phy.experiments.run import libraries
    from laser_phy.experiments.run.console import Progress

    settings = read_scenario(scenario, overrides, plugins)
    if out.suffix not in (".png", ".svg", ".pdf"):
        raise Refusal(f"--out must be a .png, .svg or .pdf file; got {out}.")
    progress = Progress()
    progress.say("Loading TensorFlow and Sionna, about 10 s ...")
    libraries.load()
    progress.say(f"Figure: {channel_pictures(settings, out)}")


@app.command()
def cost(scenario: ScenarioName, overrides: Overrides = None, plugins: Plugins = None) -> None:
    """What every scheme costs a round on a scenario's model: floats, symbols, energy, air time,
    control channel.

    \b
    laser-phy cost cifar10_resnet18
    laser-phy cost wikitext103_gpt2
    """
    from rich.console import Console

    from laser_phy.experiments.run import libraries
    from laser_phy.experiments.scheme_cost import cost as costs
    from laser_phy.experiments.scheme_cost import cost_table

    settings = read_scenario(scenario, overrides, plugins)
    typer.echo("Loading TensorFlow and Sionna, about 10 s ...", err=True)
    libraries.load()
    console = Console()
    console.width = max(console.width, COST_COLUMNS)  # numbers cut short say nothing
    console.print(cost_table(costs(settings)))


def _show_split(settings: Scenario) -> None:
    """Who has which examples, on standard error, where workers differ."""
    from rich.console import Console

    from laser_phy.data import DataError, partition_view
    from laser_phy.experiments.run.experiment import load_data

    if settings.task.partition.equal:
        return
    if settings.task.dataset.with_keras:
        typer.echo("The split over the workers is shown by `run`, which loads the data.", err=True)
        return
    try:
        dealt = load_data(settings)
        Console(stderr=True).print(partition_view.table(dealt.data, dealt.feed.shards))
    except DataError as error:
        typer.echo(f"The split over the workers cannot be shown yet: {error}", err=True)


def _table(rows: dict[str, str]) -> None:
    width = max(map(len, rows), default=0)
    for key, text in rows.items():
        typer.echo(f"  {key:{width}}  {text}")
