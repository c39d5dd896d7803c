"""`laser-phy report`: what came out of runs and sweeps."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from laser_phy.cli.options import Plugins, app, load_plugins


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
    plugins: Plugins = None,
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

    load_plugins(plugins)
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
