"""Conduct a sweep: plan, lock, estimate, run what is not done yet, and gather the table."""

from __future__ import annotations

import math
import os
import signal
import time
from collections import Counter, deque
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from laser_phy.core.errors import Refusal, at_least
from laser_phy.core.numbers import clock, size
from laser_phy.experiments.run.folder_lock import holder, locked
from laser_phy.experiments.run.run_folder import RunFolder
from laser_phy.experiments.scenario import Scenario, load_scenario
from laser_phy.experiments.sweep.console import RunProgress, SweepConsole
from laser_phy.experiments.sweep.engine import Ended, Engine, Job
from laser_phy.experiments.sweep.plan import MOST_RUNS, Plan, PlannedRun, plan_of, refuse_homeless
from laser_phy.experiments.sweep.run_names import in_short, short_keys
from laser_phy.experiments.sweep.sweep_folder import (
    FAILED,
    ROUNDS,
    SweepFolder,
    finished,
    status_of,
)
from laser_phy.experiments.sweep.time_estimate import Estimate, Trial, trial_rounds

if TYPE_CHECKING:
    from laser_phy.experiments.sweep.results import Sweep

ATTEMPTS = 2
_FEW = 3
_GATHER_EVERY_S = 30.0
_REFUSED = 2


def sweep(
    scenario: Scenario | Mapping[str, Any] | str | Path,
    out: str | Path | None = None,
    jobs: int | None = None,
    scheduler: str | None = None,
    rounds: int | None = None,
    threads: int | None = None,
    estimate: bool = True,
    quiet: bool = False,
) -> Sweep:
    """Run every combination of a scenario's `sweep`, or go on where an earlier call was cut short.

    Args:
        scenario: settings, a mapping as a YAML file has it, a file, or the name of one that ships.
        out: folder to write to; `sweeps/<name>` unless given.
        jobs: runs at the same time on this machine; by default one for every two cores.
        scheduler: address of a Dask scheduler, to run on its workers instead.
        rounds: stop every run after that many rounds.
        threads: of each run; by default the cores are shared out.
        estimate: begin with a short run, to tell how long the sweep will take.
        quiet: say nothing.

    Returns:
        The sweep as `load_sweep` gives it; runs that failed are in its `failed`.

    Raises:
        Refusal: a scenario, an engine or a folder that does not fit; it says what to do.
    """
    if isinstance(scenario, str | Path):
        scenario = load_scenario(scenario)
    elif isinstance(scenario, Mapping):
        scenario = Scenario.from_config(scenario)
    for name, value in (("jobs", jobs), ("rounds", rounds), ("threads", threads)):
        if value is not None:
            at_least(f"--{name}", value)
    plan = plan_of(scenario)
    refuse_homeless(plan)
    folder = SweepFolder(Path(out) if out is not None else Path("sweeps") / scenario.name)
    folder.make()
    with SweepConsole(quiet=quiet) as board:
        crashed = holder(folder.path, "sweep")
        with locked(folder.path, "sweep"):
            if crashed is not None:
                board.say(f"An earlier sweep here (process {crashed['pid']}) was cut short.")
            engine = _engine(jobs, threads, scheduler, folder)
            try:
                _SweepRunner(plan, folder, engine, board, rounds).conduct(estimate)
            finally:
                engine.stop()
        from laser_phy.experiments.sweep.results import load_sweep

        _tell(result := load_sweep(folder.path), board)
    return result


def show_plan(scenario: Scenario) -> None:
    """Say what a sweep of the scenario would run."""
    with SweepConsole() as board:
        introduce(plan_of(scenario), board, most=MOST_RUNS)


def introduce(plan: Plan, board: SweepConsole, most: int = 20) -> None:
    """How many runs, and the table of what varies."""
    count = len(plan.runs)
    board.say(f"{plan.scenario.name}: {count} {'run' if count == 1 else 'runs'}.")
    if plan.scenario.expected:
        board.say(f"Expected: {plan.scenario.expected}.")
    paths = plan.shown_paths
    keys = short_keys(paths)
    rows = [
        {
            keys.get(column, column): in_short(value)
            for column, value in plan.values(run, paths).items()
        }
        for run in plan.runs
    ]
    board.plan_table([keys.get(column, column) for column in paths], rows, most)


class _SweepRunner:
    """Keeps an engine busy with the runs of a plan until none is left."""

    def __init__(
        self,
        plan: Plan,
        folder: SweepFolder,
        engine: Engine,
        board: SweepConsole,
        rounds: int | None,
    ) -> None:
        self.plan, self.folder, self.engine, self.board = plan, folder, engine, board
        self.rounds = rounds
        self.runs = {run.name: run for run in plan.runs}
        self.attempts = dict.fromkeys(self.runs, 0)
        self.running: dict[str, PlannedRun] = {}
        self.failed: dict[str, str] = {}
        self.took: list[float] = []
        self.cost: Estimate | None = None
        self.done = 0
        self._gathered_at = time.monotonic()
        self._gather_every_s = _GATHER_EVERY_S

    def conduct(self, estimate: bool) -> None:
        introduce(self.plan, self.board)
        self.folder.prepare(self.plan)
        self._summarise("running")
        todo = deque(run for run in self.plan.runs if not finished(self._at(run), self.rounds))
        self.board.total = len(self.plan.runs)
        self.done = self.board.total - len(todo)
        if self.done:
            self.board.say(f"{self.done} are done already, and are left as they are.")
        self.board.say(f"Writing to {self.folder.path}: {self.engine.describe()}.")
        began = time.monotonic()
        status = "interrupted"
        try:
            if estimate and len(todo) >= _FEW:
                self._try_first(todo)
            self._work(todo)
            status = "ended"
        except KeyboardInterrupt:
            self.board.say("Stopping the runs; started again, each goes on from where it was.")
            raise
        finally:
            self.engine.stop()  # interrupted runs write what they have, before it is gathered
            self._gather(status, time.monotonic() - began)

    # ---- the estimate ----

    def _try_first(self, todo: deque[PlannedRun]) -> None:
        first = todo[0]
        rounds = min(trial_rounds(first.scenario), self.rounds or math.inf)
        self.board.say(f"A first short run of {rounds} rounds tells how long they will take ...")
        self.engine.start(Job(first.name, self._at(first).path, int(rounds)))
        trial = Trial(self._at(first))
        while not (ended := self.engine.ended(0.1)):
            trial.look()
        self.cost = trial.estimate(ended[0].seconds, self.rounds)
        if self.cost is None:
            self.board.say("It failed; the runs are tried all the same.")
            return
        seconds = self.cost.sweep_s(len(todo), max(1, self.engine.slots))
        space = size(self.cost.bytes * len(todo))
        self.board.say(
            f"About {clock(self.cost.run_s)} (min:s) a run, {clock(seconds)} for {len(todo)} runs, "
            f"and {space} of disk. Press Ctrl-C to stop; the same command goes on later."
        )

    # ---- the work ----

    def _work(self, todo: deque[PlannedRun]) -> None:
        while todo or self.running:
            while todo and self.engine.has_room():
                self._start(todo.popleft())
            for ended in self.engine.ended(1.0):
                again = self._end(ended)
                if again is not None:
                    todo.appendleft(again)
            self._show(todo)
            if time.monotonic() - self._gathered_at > self._gather_every_s:
                self._gather("running")

    def _start(self, run: PlannedRun) -> None:
        self.attempts[run.name] += 1
        self.running[run.name] = run
        self.engine.start(Job(run.name, self._at(run).path, self.rounds))
        self.board.started(run.name)

    def _end(self, ended: Ended) -> PlannedRun | None:
        """Note how a run ended; the run, if it is to be tried again."""
        run = self.running.pop(ended.job.name)
        took = ended.seconds
        folder = self._at(run)
        self.board.soon()
        if finished(folder, self.rounds):
            self.done += 1
            self.took.append(took)
            self.board.ended(run.name, status_of(folder, self.rounds), folder, took)
            return None
        why = ended.why or _last_words(folder.path / "output.log", ended.exit_status)
        if self.attempts[run.name] < ATTEMPTS and ended.exit_status != _REFUSED:
            self.board.ended(run.name, "again", folder, took, f"it failed: {why}")
            return run
        self.failed[run.name] = why
        self.board.ended(run.name, "FAILED", folder, took, f"{why} See {folder.path}/output.log")
        return None

    # ---- what is told and kept ----

    def _show(self, todo: deque[PlannedRun]) -> None:
        glimpses = {
            name: (RunProgress.of(self._at(run)), run.scenario.task.epochs)
            for name, run in self.running.items()
        }
        self.board.whole(self.done, glimpses, len(todo), self._seconds_left(glimpses, len(todo)))

    def _seconds_left(self, running: dict[str, tuple[RunProgress, int]], waiting: int) -> float:
        known = self.took or ([self.cost.run_s] if self.cost else [])
        if not known:
            return math.nan
        rest = waiting + sum(1 - glimpse.epoch / epochs for glimpse, epochs in running.values())
        return rest * sum(known) / len(known) / max(1, self.engine.slots)

    def _gather(self, status: str, wall_s: float = math.nan) -> None:
        from laser_phy.experiments.sweep.results import gather, write_tables

        began = time.monotonic()
        self._summarise(status, wall_s)
        write_tables(gather(self.plan, self.folder), self.folder)
        self._gathered_at = time.monotonic()
        # A tenth of the time at most, however many runs there are.
        self._gather_every_s = max(_GATHER_EVERY_S, 10 * (self._gathered_at - began))

    def _summarise(self, status: str, wall_s: float = math.nan) -> None:
        known = {FAILED: self.failed, ROUNDS: self.rounds}
        counts = Counter(self.folder.status(run, known) for run in self.plan.runs)
        summary = {"name": self.plan.scenario.name, "status": status, "runs": len(self.runs)}
        summary |= {"by_status": dict(sorted(counts.items())), **known}
        if math.isfinite(wall_s):
            summary["wall_s"] = round(wall_s, 1)
        self.folder.write_summary(summary)

    def _at(self, run: PlannedRun) -> RunFolder:
        return self.folder.run(run)


def _engine(
    jobs: int | None, threads: int | None, scheduler: str | None, folder: SweepFolder
) -> Engine:
    if scheduler is None:
        from laser_phy.experiments.sweep.local_engine import LocalEngine

        return LocalEngine(jobs, threads)
    if jobs is not None:
        raise Refusal("--jobs and --scheduler exclude each other: the cluster's workers count.")
    from laser_phy.experiments.sweep.dask_engine import ClusterEngine

    return ClusterEngine(scheduler, folder.path, threads)


def _last_words(log: Path, status: int | None) -> str:
    """The last line that a run wrote, and how its process ended."""
    how = (
        f"exit status {status}" if status is None or status >= 0 else f"killed by signal {-status}"
    )
    if status == -signal.SIGKILL:
        how += "; where nobody did that, memory ran out: take fewer --jobs"
    try:
        with log.open("rb") as file:
            file.seek(max(0, os.path.getsize(log) - 4000))
            lines = file.read().decode("utf-8", "replace").split("\n")
    except OSError:
        lines = []
    said = next((line.strip() for line in reversed(lines) if line.strip()), "nothing was said")
    return f"{said} ({how})."


def _tell(result: Sweep, board: SweepConsole) -> None:
    board.say()
    for line in result.in_words():
        board.say(line)
