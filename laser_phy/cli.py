"""The command line. Only `run` and `report` load anything heavy, and they say so first."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from laser_phy.core.errors import Refusal
from laser_phy.core.files import DiskError

if TYPE_CHECKING:
    from laser_phy.experiments.scenario import Scenario

COST_COLUMNS = 126
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


@app.callback(invoke_without_command=True)
def _laser_phy(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Train any Keras model over the air: workers send their gradients as analog signals that add
    up in simulated radio channels, and the server learns from what it receives.

    \b
    Start here (minutes on a laptop, no download):
      laser-phy run quickstart

    \b
    The same without compression, at the same energy:
      laser-phy run quickstart --set 'uplink.compressor={name: identity}' --out plain

    \b
    Make a scenario of your own:
      laser-phy check quickstart > mine.yaml      every setting, filled in
      laser-phy list                              scenarios, and what each field may be
      laser-phy run mine.yaml --rounds 10         try it

    \b
    Ask a question that takes many runs, and see the answer:
      laser-phy sweep laser_vs_zsgd --out s && laser-phy report s
    """
    if version:
        from laser_phy import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.command()
def run(
    scenario: ScenarioName,
    overrides: Overrides = None,
    rounds: Annotated[
        int | None, typer.Option(metavar="N", help="Stop after N rounds in all.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder to write to; runs/NAME unless given."),
    ] = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write events for TensorBoard too.")
    ] = False,
) -> None:
    """Run a scenario, and write numbers and a figure to a folder.

    Started again on a folder that holds an unfinished run of the same scenario, it goes on from the
    last checkpoint, and ends with the numbers of a run that was never cut. Ctrl-C stops it after
    the round under way, and loses nothing; twice, at once.

    Exit status: 0; 1 for a disk that is full or fails; 2 for what has to be written otherwise; 130
    after Ctrl-C.

    \b
    laser-phy run quickstart
    laser-phy run quickstart --rounds 3 --out try
    laser-phy run mine.yaml --set seed=2 --set uplink.channel.speed_mps=30 --out fast
    laser-phy run mine.yaml --set 'uplink.compressor={name: laser, rank: 2}'
    """
    from laser_phy.experiments.run.runner import run as run_scenario
    from laser_phy.experiments.scenario import load_scenario

    settings = load_scenario(scenario, overrides or ())
    command = _command(scenario, overrides)
    try:
        result = run_scenario(
            settings, out=out, rounds=rounds, command=command, tensorboard=tensorboard
        )
    except KeyboardInterrupt:
        typer.echo(
            "Stopped at once. The same command goes on from the last checkpoint, or begins again "
            "where there is none yet.",
            err=True,
        )
        raise typer.Exit(INTERRUPTED) from None
    if result.summary["status"] == "interrupted":
        raise typer.Exit(INTERRUPTED)


@app.command()
def sweep(
    scenario: ScenarioName,
    overrides: Overrides = None,
    jobs: Annotated[
        int | None,
        typer.Option(metavar="N", help="Runs at the same time; one for every two cores."),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Run on the workers of this Dask scheduler instead."),
    ] = None,
    rounds: Annotated[
        int | None, typer.Option(metavar="N", help="Stop every run after N rounds.")
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(metavar="N", help="Threads of each run; the cores are shared out."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder to write to; sweeps/NAME unless given."),
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Say what would be run, and stop there.")
    ] = False,
    estimate: Annotated[
        bool, typer.Option(help="Begin with a short run, to tell how long it will take.")
    ] = True,
) -> None:
    """Run every combination of a scenario's `sweep`, each in a process and a folder of its own.

    Started again on the same folder it goes on: runs that are done are left as they are, others go
    on from their last checkpoint. The results are one table, results.parquet and results.csv. The
    exit status is 1 if a run failed twice.

    \b
    laser-phy sweep laser_vs_zsgd --plan
    laser-phy sweep laser_vs_zsgd --jobs 2 --out s && laser-phy report s
    laser-phy sweep mine.yaml --set 'sweep={uplink.power.energy_per_round: [1, 10, 100]}'
    """
    from laser_phy.experiments.scenario import load_scenario
    from laser_phy.experiments.sweep import conductor as sweeps

    settings = load_scenario(scenario, overrides or ())
    if plan:
        sweeps.show_plan(settings)
        return
    result = sweeps.sweep(settings, out, jobs, scheduler, rounds, threads, estimate)
    if result.failed:
        raise typer.Exit(FAILED)


@app.command()
def check(scenario: ScenarioName, overrides: Overrides = None) -> None:
    """Check a scenario without running it, and print it with every default filled in.

    Takes less than a second. What is wrong is said with file, line, the value seen and what is
    allowed, and the exit status is 2.

    \b
    laser-phy check mine.yaml
    laser-phy check quickstart > mine.yaml
    laser-phy check quickstart --set uplink.channel.profile=C
    """
    from laser_phy.experiments.scenario import load_scenario, to_yaml

    settings = load_scenario(scenario, overrides or ())
    typer.echo(to_yaml(settings), nl=False)
    _show_split(settings)
    typer.echo(f"{scenario}: fine.", err=True)


@app.command(name="list")
def list_() -> None:
    """List the scenarios that ship, and what may stand in each field that has kinds.

    \b
    laser-phy list
    """
    from laser_phy.experiments.catalogue import kinds_by_field, shipped_descriptions

    typer.echo("Scenarios (laser-phy run NAME):")
    _table(shipped_descriptions())
    typer.echo("\nKinds (`field: {name: KIND, ...}` in a scenario):")
    _table({field: ", ".join(names) for field, names in kinds_by_field().items()})
    typer.echo("\nEvery setting with its default: laser-phy check NAME. Bounds and units: schema.")


@app.command()
def schema(
    markdown: Annotated[
        bool, typer.Option("--markdown", help="The page of every setting instead.")
    ] = False,
) -> None:
    """Print the JSON Schema of scenarios, for editors that complete and check YAML; or, for people,
    every setting with its default, unit and bounds.

    \b
    laser-phy schema > scenario.schema.json
    laser-phy schema --markdown > settings.md
    """
    from laser_phy.experiments.scenario import Scenario
    from laser_phy.experiments.settings_docs import settings_page

    if markdown:
        typer.echo(settings_page(), nl=False)
        return
    typer.echo(json.dumps(Scenario.model_json_schema(), indent=2))


@app.command()
def report(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="DIR...", help="Folder of a run or a sweep, or of several sweeps."),
    ],
    target: Annotated[
        list[float] | None,
        typer.Option(help="Of the test metric, to tell the power it takes: 0.9 for 90 %."),
    ] = None,
    score: Annotated[
        Literal["final", "best", "ema_final", "ema_best"],
        typer.Option(help="Which value of the test metric counts."),
    ] = "final",
    tune: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY", help="A swept setting of which each scheme gets its best."),
    ] = None,
) -> None:
    """Say again what came out of a run and draw its overview.png anew, or write the report of a
    sweep: figures as PNG and SVG, and report.html, one page that needs no network.

    Several sweeps are drawn together, in the folder of the first.

    \b
    laser-phy report runs/quickstart
    laser-phy report sweeps/laser_vs_zsgd --target 0.9 --target 0.95
    laser-phy report sweeps/mnist_table --score ema_best --tune task.optimizer.learning_rate
    """
    from laser_phy.experiments.run.console import Progress
    from laser_phy.experiments.run.overview_figure import overview
    from laser_phy.experiments.run.results import load_run
    from laser_phy.experiments.run.summary_text import in_words
    from laser_phy.experiments.sweep.sweep_folder import SweepFolder

    progress = Progress()
    if len(folders) > 1 or SweepFolder(folders[0]).scenario.is_file():
        from laser_phy.experiments.report.write import study_report

        written = study_report(*folders, targets=target or (), score=score, tune=tune or ())
        for line in written.in_words():
            progress.say(line)
        return
    for paragraph in in_words(load_run(folders[0]).summary):
        progress.paragraph(paragraph)
    progress.say(f"Figure: {overview(folders[0])}")


@app.command()
def channel(
    scenario: ScenarioName,
    overrides: Overrides = None,
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
    from laser_phy.experiments.scenario import load_scenario

    settings = load_scenario(scenario, overrides or ())
    if out.suffix not in (".png", ".svg", ".pdf"):
        raise Refusal(f"--out must be a .png, .svg or .pdf file; got {out}.")
    progress = Progress()
    progress.say("Loading TensorFlow and Sionna, about 10 s ...")
    libraries.load()
    progress.say(f"Figure: {channel_pictures(settings, out)}")


@app.command()
def cost(scenario: ScenarioName, overrides: Overrides = None) -> None:
    """What every scheme costs a round on a scenario's model: floats, symbols, energy, air time,
    control channel.

    \b
    laser-phy cost cifar10_resnet18
    laser-phy cost wikitext103_gpt2
    """
    from rich.console import Console

    from laser_phy.experiments.run import libraries
    from laser_phy.experiments.scenario import load_scenario
    from laser_phy.experiments.scheme_cost import cost as costs
    from laser_phy.experiments.scheme_cost import cost_table

    settings = load_scenario(scenario, overrides or ())
    typer.echo("Loading TensorFlow and Sionna, about 10 s ...", err=True)
    libraries.load()
    console = Console()
    console.width = max(console.width, COST_COLUMNS)  # numbers cut short say nothing
    console.print(cost_table(costs(settings)))


def _show_split(settings: Scenario) -> None:
    """Who has which examples, on standard error, where workers differ."""
    from rich.console import Console

    from laser_phy.data import DataError, split
    from laser_phy.experiments.run.experiment import load_data

    if not split.is_worth_a_look(settings):
        return
    if not split.needs_no_download(settings):
        typer.echo("The split over the workers is shown by `run`, which loads the data.", err=True)
        return
    try:
        Console(stderr=True).print(split.table(load_data(settings)))
    except DataError as error:
        typer.echo(f"The split over the workers cannot be shown yet: {error}", err=True)


def _command(scenario: str, overrides: list[str] | None) -> str:
    """The arguments as they would be typed again."""
    import shlex

    return shlex.join([scenario, *(part for text in overrides or () for part in ("--set", text))])


def _table(rows: dict[str, str]) -> None:
    width = max(map(len, rows), default=0)
    for key, text in rows.items():
        typer.echo(f"  {key:{width}}  {text}")


def main(arguments: list[str] | None = None) -> None:
    """Entry point: what is refused goes to standard error, with exit status 2 and no traceback, and
    what a disk does not take with 1."""
    try:
        app(args=arguments)
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        sys.exit(2)
    except DiskError as error:
        print(error, file=sys.stderr)
        sys.exit(FAILED)
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
