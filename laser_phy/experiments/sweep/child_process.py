"""One run of a sweep, in a process of its own that ends with whoever started it.

    python -m laser_phy.experiments.sweep.child_process PARENT_PID FOLDER [ROUNDS]

The folder holds the scenario. Exit status as that of `laser-phy run`.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from laser_phy.experiments.sweep.guard import die_with_parent

FAILED, REFUSED, INTERRUPTED = 1, 2, 130
WAIT_FOR_ANOTHER_S = 90.0
"""A killed sweep's run may take a moment to end, and so may one that was taken up elsewhere."""


def main(arguments: list[str]) -> int:
    """Run what is in the folder; the exit status."""
    parent, folder, *rounds = arguments
    # Shells start what is put into the background with SIGINT ignored, and that is inherited.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    die_with_parent(int(parent))
    from laser_phy.core.errors import Refusal
    from laser_phy.core.files import DiskError
    from laser_phy.experiments.run.run_folder import RunFolder
    from laser_phy.experiments.run.runner import run
    from laser_phy.experiments.scenario import load_scenario

    path = Path(folder)
    most = int(rounds[0]) if rounds else None
    try:
        scenario = load_scenario(RunFolder(path).scenario)
        result = run(scenario, out=path, rounds=most, wait_s=WAIT_FOR_ANOTHER_S)
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return REFUSED
    except DiskError as error:
        print(error, file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    return INTERRUPTED if result.summary["status"] == "interrupted" else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
