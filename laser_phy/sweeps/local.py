"""Runs on this machine: a subprocess each, with its share of the threads and of the GPUs."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections import Counter
from dataclasses import dataclass

from laser_phy.sweeps.engines import Ended, Job, command, cores, environment

LOG = "output.log"
_PATIENCE_S = 30.0
_POLL_S = 0.1


@dataclass(frozen=True)
class _Running:
    job: Job
    process: subprocess.Popen[bytes]
    gpu: str | None
    began: float


class LocalEngine:
    """Starts `jobs` runs at a time. They end when this process does, however it ends.

    Args:
        jobs: runs at the same time; by default one for every two cores.
        threads: of each run; by default the cores over the jobs.
    """

    def __init__(self, jobs: int | None = None, threads: int | None = None) -> None:
        self._slots = jobs or max(1, cores() // 2)
        self.threads = threads or max(1, cores() // self._slots)
        self.gpus = gpus()
        self._running: dict[str, _Running] = {}

    @property
    def slots(self) -> int:
        return self._slots

    def describe(self) -> str:
        jobs = "one run at a time" if self._slots == 1 else f"{self._slots} runs at a time"
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        shared = f", on {len(self.gpus)} GPU(s)" if self.gpus else ""
        return f"{jobs} on this machine, {threads} each{shared}"

    def has_room(self) -> bool:
        return len(self._running) < self._slots

    def start(self, job: Job) -> None:
        gpu = self._freest_gpu()
        variables = environment(self.threads)
        if gpu is not None:
            variables["CUDA_VISIBLE_DEVICES"] = gpu
        with (job.folder / LOG).open("ab") as log:
            process = subprocess.Popen(
                command(job),
                stdin=subprocess.PIPE,  # held open: it reads as ended when this process is gone
                stdout=log,
                stderr=subprocess.STDOUT,
                env=variables,
                start_new_session=True,  # Ctrl-C is for this process, which passes it on
            )
        self._running[job.name] = _Running(job, process, gpu, time.monotonic())

    def ended(self, wait_s: float) -> list[Ended]:
        until = time.monotonic() + wait_s
        while True:
            over = [n for n, one in self._running.items() if one.process.poll() is not None]
            if over or time.monotonic() >= until:
                return [self._reap(name) for name in over]
            time.sleep(min(_POLL_S, max(0.0, until - time.monotonic())))

    def stop(self) -> None:
        for one in self._running.values():
            with contextlib.suppress(OSError):
                one.process.send_signal(signal.SIGINT if os.name == "posix" else signal.SIGTERM)
        until = time.monotonic() + _PATIENCE_S
        for name in list(self._running):
            process = self._running[name].process
            try:
                process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
            self._reap(name)

    def _reap(self, name: str) -> Ended:
        one = self._running.pop(name)
        status = one.process.wait()
        if one.process.stdin is not None:
            one.process.stdin.close()
        return Ended(one.job, status, seconds=time.monotonic() - one.began)

    def _freest_gpu(self) -> str | None:
        used = Counter(one.gpu for one in self._running.values())
        return min(self.gpus, key=lambda gpu: used[gpu], default=None)


def gpus() -> list[str]:
    """The GPUs that TensorFlow would see here, as CUDA_VISIBLE_DEVICES names them."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [name for name in chosen.split(",") if name and name != "-1"]
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return []
    lines = [line for line in listed.stdout.splitlines() if line.startswith("GPU ")]
    return [str(index) for index in range(len(lines))]
