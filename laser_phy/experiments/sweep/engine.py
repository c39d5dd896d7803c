"""What does the runs of a sweep: one contract, whether they run here or on a cluster."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Protocol

from laser_phy.core.plugins import loaded_files

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)


@dataclass(frozen=True)
class Job:
    """A run to do: its name, its folder, which holds the scenario, and where it stops."""

    name: str
    folder: Path
    rounds: int | None = None


@dataclass(frozen=True)
class Ended:
    """A job that is over.

    Attributes:
        exit_status: of its process, None where there was none to have one.
        why: what is wrong, where the engine knows more than the run's own output.
        seconds: from the start of its process to its end.
    """

    job: Job
    exit_status: int | None
    why: str = ""
    seconds: float = 0.0


class Engine(Protocol):
    """Runs jobs, each in a process of its own; their files say what came out.

    A job that was started is reported by `ended` once. A job killed with the machine it ran on may
    be taken up elsewhere by the engine, and is then reported when it ended there.
    """

    @property
    def slots(self) -> int:
        """Jobs that run at the same time."""
        ...

    def describe(self) -> str:
        """Where the jobs run, in words."""
        ...

    def has_room(self) -> bool:
        """Whether to start another job now."""
        ...

    def start(self, job: Job) -> None:
        """Begin with a job, or put it in the engine's queue."""
        ...

    def ended(self, wait_s: float) -> list[Ended]:
        """The jobs that ended since the last call; waits for the first, `wait_s` at most."""
        ...

    def stop(self) -> None:
        """Interrupt what runs, and wait until it has written what it has."""
        ...


def command(job: Job, plugins: Sequence[Path] | None = None) -> list[str]:
    """The process of a job, to be started by this one, with `plugins`, or those of this one."""
    rounds = [str(job.rounds)] if job.rounds is not None else []
    module = "laser_phy.experiments.sweep.child_process"
    files = loaded_files() if plugins is None else plugins
    kinds = [f"--plugin={file.resolve()}" for file in files]
    return [sys.executable, "-m", module, *kinds, str(os.getpid()), str(job.folder), *rounds]


def environment(
    threads: int, gpu: str | None = None, base: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The variables of a job's process: threads and GPU it may use, and where this package is."""
    here = dict(os.environ if base is None else base)
    package = str(Path(str(resources.files("laser_phy"))).resolve().parent)
    paths = [path for path in here.get("PYTHONPATH", "").split(os.pathsep) if path]
    if package not in paths:  # last, where it can hide nothing
        paths.append(package)
    here |= {name: str(threads) for name in THREAD_VARIABLES}
    here |= {"CUDA_VISIBLE_DEVICES": gpu} if gpu is not None else {}
    return here | {
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONUNBUFFERED": "1",
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    }


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
