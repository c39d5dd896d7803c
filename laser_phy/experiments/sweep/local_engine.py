"""Runs on this machine: a subprocess each, with its share of the threads and of the GPUs."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from dataclasses import dataclass

from laser_phy.experiments.sweep.engine import Ended, Job, command, cores, environment
from laser_phy.experiments.sweep.gpus import Gpus

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
        self.gpus = Gpus()
        self._running: dict[str, _Running] = {}

    @property
    def slots(self) -> int:
        return self._slots

    def describe(self) -> str:
        jobs = "one run at a time" if self._slots == 1 else f"{self._slots} runs at a time"
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        shared = f", on {len(self.gpus.names)} GPU(s)" if self.gpus.names else ""
        return f"{jobs} on this machine, {threads} each{shared}"

    def has_room(self) -> bool:
        return len(self._running) < self._slots

    def start(self, job: Job) -> None:
        gpu = self.gpus.take()
        variables = environment(self.threads, gpu)
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
        self.gpus.give_back(one.gpu)
        if one.process.stdin is not None:
            one.process.stdin.close()
        return Ended(one.job, status, seconds=time.monotonic() - one.began)
