"""`laser-phy run`: one run of a scenario."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from laser_phy.cli.options import (
    INTERRUPTED,
    Overrides,
    Plugins,
    ScenarioName,
    app,
    read_scenario,
    typed_again,
)


@app.command()
def run(
    scenario: ScenarioName,
    overrides: Overrides = None,
    plugins: Plugins = None,
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
    laser-phy run quickstart --plugin mine.py --set uplink.compressor=my_top_k
    """
    from laser_phy.experiments.run.runner import run as run_scenario

    settings = read_scenario(scenario, overrides, plugins)
    command = typed_again(scenario, overrides, plugins)
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
