"""What tests of sweeps share: a small scenario, the command as a process, and what is alive."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import psutil

SMALL: dict[str, Any] = {
    "name": "small",
    "task": {
        "dataset": {"name": "digits"},
        "model": {"name": "linear"},
        "workers": 4,
        "batch_size": 16,
        "epochs": 4,
        "checkpoint_s": 0,
    },
    "uplink": {"compressor": {"name": "laser", "rank": 2}, "channel": "rayleigh"},
    "sweep": {"uplink.power.energy_per_round": [1, 10]},
}


def scenario_file(folder: Path, **changes: Any) -> Path:
    """SMALL with changes, as a file (JSON is YAML)."""
    import json

    file = folder / "small.yaml"
    file.write_text(json.dumps(SMALL | changes))
    return file


def start(*arguments: str | Path, log: Path, quick: bool = True) -> subprocess.Popen[bytes]:
    """`laser-phy sweep` as a process of its own; its output goes to `log`."""
    extra = ["--no-estimate"] if quick else []
    with log.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "laser_phy.cli", "sweep", *map(str, arguments), *extra],
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # as on a terminal
        )


def wait_for(what: Callable[[], object], seconds: float = 120.0) -> None:
    """Until `what()` is true."""
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.05)


def descendants(pid: int) -> list[psutil.Process]:
    """Every process below this one."""
    return psutil.Process(pid).children(recursive=True)


def kill(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL: nothing is left for it to do."""
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def all_gone(processes: list[psutil.Process]) -> bool:
    """Whether none of them runs any more."""
    return not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in processes)


def table(folder: Path) -> pd.DataFrame:
    """The table that a sweep wrote."""
    return pd.read_parquet(folder / "results.parquet")
