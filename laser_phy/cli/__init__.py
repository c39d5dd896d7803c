"""The command line: `laser-phy` and `python -m laser_phy`.

Only `run`, `sweep`, `report`, `channel` and `cost` load anything heavy, and they say so first.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from laser_phy.cli import look, report, run, sweep  # noqa: F401, each adds its commands
from laser_phy.cli.options import FAILED, INTERRUPTED, app
from laser_phy.core.errors import Refusal
from laser_phy.core.files import DiskError


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
