"""One run of a sweep, in a process of its own that ends with whoever started it.

    python -m laser_phy.experiments.sweep.child_process [--plugin=FILE] PARENT_PID FOLDER [ROUNDS]

The folder holds the scenario; files of kinds are those that the sweep was given. Exit status as
that of `laser-phy run`.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from pathlib import Path

_PR_SET_PDEATHSIG = 1  # linux/prctl.h

PLUGIN = "--plugin="
FAILED, REFUSED, INTERRUPTED = 1, 2, 130
WAIT_FOR_ANOTHER_S = 90.0
"""A killed sweep's run may take a moment to end, and so may one that was taken up elsewhere."""


def main(arguments: list[str]) -> int:
    """Run what is in the folder; the exit status."""
    files = [text.removeprefix(PLUGIN) for text in arguments if text.startswith(PLUGIN)]
    parent, folder, *rounds = [text for text in arguments if not text.startswith(PLUGIN)]
    # Shells start what is put into the background with SIGINT ignored, and that is inherited.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    die_with_parent(int(parent))
    from laser_phy.core.errors import Refusal
    from laser_phy.core.files import DiskError
    from laser_phy.core.plugins import load_plugin
    from laser_phy.experiments.run.run_folder import RunFolder
    from laser_phy.experiments.run.runner import run
    from laser_phy.experiments.scenario import load_scenario

    path = Path(folder)
    most = int(rounds[0]) if rounds else None
    try:
        for file in files:
            load_plugin(file)
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


def die_with_parent(parent: int) -> None:
    """End this process when the process `parent`, which started it, ends; SIGKILL included.

    Two ways at once: on Linux the kernel sends SIGKILL as the starting thread ends; everywhere the
    parent holds the other end of standard input, which reads as ended when the parent is gone.

    Args:
        parent: its process id, as it gave it; it may have died before this call.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if hasattr(os, "getppid") and os.getppid() != parent:
        os._exit(1)
    threading.Thread(target=_wait_for_the_end, daemon=True, name="parent watch").start()


def _wait_for_the_end() -> None:
    try:
        while os.read(0, 1024):
            pass
    finally:
        os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
