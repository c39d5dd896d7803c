"""`laser-phy sweep`: every combination of a scenario's sweep."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from laser_phy.cli.options import FAILED, Overrides, Plugins, ScenarioName, app, read_scenario


@app.command()
def sweep(
    scenario: ScenarioName,
    overrides: Overrides = None,
    plugins: Plugins = None,
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
    from laser_phy.experiments.sweep import conductor as sweeps

    settings = read_scenario(scenario, overrides, plugins)
    if plan:
        sweeps.show_plan(settings)
        return
    result = sweeps.sweep(settings, out, jobs, scheduler, rounds, threads, estimate)
    if result.failed:
        raise typer.Exit(FAILED)
