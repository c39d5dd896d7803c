"""Runs on the workers of a Dask scheduler: a workstation's GPUs, Slurm, Kubernetes.

A job is a Dask task that starts the run's own process on the worker, which ends with the worker. A
worker that is lost gives its tasks back to the scheduler; the run goes on elsewhere from its last
checkpoint, which is in the sweep's folder, so that the folder must be one that every worker sees.

The sweep touches a file in that folder again and again. Where it stops doing so, because it was
killed or told to stop, the workers end their runs.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from laser_phy.core.errors import Refusal
from laser_phy.core.files import replace_whole
from laser_phy.core.plugins import loaded_files
from laser_phy.experiments.sweep.engine import Ended, Job, command, cores, environment
from laser_phy.experiments.sweep.gpus import Gpus
from laser_phy.experiments.sweep.local_engine import LOG

GPU = "GPU"
_BEAT_S = 5.0
_SILENT_S = 60.0
_CONNECT_S = 15
_PATIENCE_S = 40.0
_POLL_S = 0.3
_REFUSED = 2


class ClusterEngine:
    """Hands jobs to a Dask scheduler, two for every slot so that it always has one waiting.

    Args:
        address: of the scheduler, such as tcp://10.0.0.1:8786.
        folder: of the sweep.
        threads: of each run; by default a worker's cores over its slots.

    Raises:
        Refusal: Dask is not installed, or no scheduler answers.
    """

    def __init__(self, address: str, folder: Path, threads: int | None = None) -> None:
        self.address, self.threads = address, threads
        self._client = _connect(address)
        self._jobs: dict[Any, Job] = {}
        self._pulse = _Pulse(folder.resolve() / f".alive-{uuid.uuid4().hex[:8]}")

    @property
    def slots(self) -> int:
        workers = self._workers()
        gpus = sum(int(worker["resources"].get(GPU, 0)) for worker in workers)
        return gpus or sum(int(worker["nthreads"]) for worker in workers)

    def describe(self) -> str:
        count = len(self._workers())
        workers = "1 worker" if count == 1 else f"{count} workers"
        return f"{workers} of the Dask scheduler {self.address}, {self.slots} runs at a time"

    def has_room(self) -> bool:
        return len(self._jobs) < max(2, 2 * self.slots)

    def start(self, job: Job) -> None:
        on_gpus = any(worker["resources"].get(GPU) for worker in self._workers())
        future = self._client.submit(
            run_there,
            str(job.folder.resolve()),
            job.rounds,
            self.threads,
            os.getcwd(),
            str(self._pulse.file),
            {file.name: file.read_bytes() for file in loaded_files()},
            key=f"{job.name}-{uuid.uuid4().hex[:8]}",
            resources={GPU: 1} if on_gpus else None,
            pure=False,
        )
        self._jobs[future] = job

    def ended(self, wait_s: float) -> list[Ended]:
        from distributed import wait

        if self._jobs:
            with contextlib.suppress(TimeoutError):
                wait(list(self._jobs), timeout=wait_s, return_when="FIRST_COMPLETED")
        over = [future for future in self._jobs if future.done()]
        return [_outcome(self._jobs.pop(future), future) for future in over]

    def stop(self) -> None:
        if self._client.status != "running":
            return
        self._pulse.stop()
        until = time.monotonic() + _PATIENCE_S
        while self._jobs and time.monotonic() < until:
            self.ended(1.0)
        self._client.cancel(list(self._jobs))
        self._jobs.clear()
        self._client.close()

    def _workers(self) -> list[dict[str, Any]]:
        try:
            return list(self._client.scheduler_info(n_workers=-1)["workers"].values())
        except (OSError, ValueError):
            return []


def run_there(
    folder: str,
    rounds: int | None,
    threads: int | None,
    cwd: str,
    alive: str,
    plugins: Mapping[str, bytes],
) -> tuple[int | None, str, float]:
    """The task: a run's process on the worker; its exit status, what is wrong if it has none, time.

    Args:
        folder: of the run, as every machine names it.
        rounds: where the run stops.
        threads: of the run.
        cwd: where the sweep was started, for relative paths in the scenario.
        alive: the file that the sweep touches as long as it goes on.
        plugins: files of kinds that the sweep was given, by name, and what is in them.
    """
    path = Path(folder)
    if not path.is_dir():
        return _REFUSED, f"{_here()} does not see {folder}: put it where every worker does.", 0.0
    slots = _gpus_here()
    with _gpus(slots).one() if slots else contextlib.nullcontext() as gpu:
        watch = _Watch(Path(alive))
        if watch.over():
            return None, "the sweep was stopped.", 0.0
        began = time.monotonic()
        process = _child(path, rounds, threads, cwd, gpu, _placed(path, plugins))
        while process.poll() is None:
            time.sleep(_POLL_S)
            if watch.over():
                _interrupt(process)
        return process.returncode, "", time.monotonic() - began


def _child(
    path: Path,
    rounds: int | None,
    threads: int | None,
    cwd: str,
    gpu: str | None,
    plugins: Sequence[Path],
) -> subprocess.Popen[bytes]:
    with (path / LOG).open("ab") as log:
        return subprocess.Popen(
            command(Job(path.name, path, rounds), plugins),
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment(threads or max(1, cores() // _slots_here()), gpu),
            cwd=cwd if os.path.isdir(cwd) else None,
            start_new_session=True,
        )


def _placed(path: Path, plugins: Mapping[str, bytes]) -> list[Path]:
    """The sweep's files of kinds, put into the run's folder: this machine may not see them."""
    placed = []
    for name, content in plugins.items():
        file = path / "plugins" / name
        file.parent.mkdir(exist_ok=True)
        replace_whole(file, partial(_fill, content))
        placed.append(file)
    return placed


def _fill(content: bytes, file: Path) -> None:
    file.write_bytes(content)


class _Pulse:
    """Touches a file until it is stopped, and then removes it."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._done = threading.Event()
        file.touch()
        self._thread = threading.Thread(target=self._beat, daemon=True, name="sweep pulse")
        self._thread.start()

    def _beat(self) -> None:
        while not self._done.wait(_BEAT_S):
            with contextlib.suppress(OSError):
                os.utime(self.file)

    def stop(self) -> None:
        self._done.set()
        self._thread.join()
        self.file.unlink(missing_ok=True)


class _Watch:
    """Tells when a file is gone, or was not touched for a minute of this machine's clock."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._seen: float | None = None
        self._at = time.monotonic()

    def over(self) -> bool:
        try:
            touched = self.file.stat().st_mtime
        except OSError:
            return True
        if touched != self._seen:
            self._seen, self._at = touched, time.monotonic()
        return time.monotonic() - self._at > _SILENT_S


def _connect(address: str) -> Any:
    try:
        from distributed import Client
    except ImportError:
        raise Refusal(
            "--scheduler needs Dask distributed: pip install 'laser-phy[cluster]'."
        ) from None
    try:
        return Client(address, timeout=_CONNECT_S)
    except (OSError, ValueError) as error:
        raise Refusal(
            f"--scheduler {address}: no Dask scheduler answered within {_CONNECT_S} s ({error}). "
            "Give the address that `dask scheduler` prints, such as tcp://10.0.0.1:8786."
        ) from None


def _outcome(job: Job, future: Any) -> Ended:
    if future.status == "finished":
        status, why, seconds = future.result()
        return Ended(job, status, why, seconds)
    error = future.exception() if future.status == "error" else None
    why = f"{type(error).__name__}: {error}" if error else "the scheduler lost it."
    return Ended(job, None, why)


def _interrupt(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT if os.name == "posix" else signal.SIGTERM)
    try:
        process.wait(_PATIENCE_S - 10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@functools.cache
def _gpus(slots: int) -> Gpus:
    """Those of this machine, which the runs of this worker share.

    They wait for one another here too: a run that was handed in before any worker was there did not
    ask the scheduler for a GPU.
    """
    return Gpus(most=slots)


def _gpus_here() -> int:
    """How many runs with a GPU this worker takes at a time."""
    from distributed import get_worker

    return int(get_worker().state.total_resources.get(GPU, 0))


def _slots_here() -> int:
    from distributed import get_worker

    return _gpus_here() or int(get_worker().state.nthreads)


def _here() -> str:
    import socket

    return f"the worker on {socket.gethostname()}"
