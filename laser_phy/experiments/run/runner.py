"""Run a scenario: from its settings to a folder with numbers, weights and a figure."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from laser_phy.core.errors import Refusal, at_least
from laser_phy.core.files import write_whole, writing
from laser_phy.core.lazy_imports import require
from laser_phy.core.plugins import adopt
from laser_phy.data import partition_view
from laser_phy.experiments.run import libraries
from laser_phy.experiments.run.console import Progress
from laser_phy.experiments.run.folder_lock import locked
from laser_phy.experiments.run.interrupt import Interruption
from laser_phy.experiments.run.run_folder import RunFolder, finite
from laser_phy.experiments.run.summary_text import in_words, next_steps
from laser_phy.experiments.scenario import Scenario, load_scenario

if TYPE_CHECKING:
    from laser_phy.experiments.run.experiment import Experiment
    from laser_phy.experiments.run.recorder import Recorder
    from laser_phy.experiments.run.results import Run


def run(
    scenario: Scenario | Mapping[str, Any] | str | Path,
    out: str | Path | None = None,
    rounds: int | None = None,
    quiet: bool = False,
    command: str | None = None,
    wait_s: float = 0.0,
    tensorboard: bool = False,
) -> Run:
    """Run a scenario, or go on with an unfinished run of it.

    Args:
        scenario: settings, a mapping as a YAML file has it, a file, or the name of one that ships.
        out: folder to write to; `runs/<name>` unless given.
        rounds: stop after that many rounds in all, those before a resume included.
        quiet: say nothing.
        command: the scenario as the command line named it, for hints.
        wait_s: seconds to wait for another process that is at work in the folder.
        tensorboard: write events for TensorBoard too, to a folder of that name in the run's.

    Returns:
        The run as `load_run` gives it. Its status is `done`, `diverged` or `interrupted`.

    Raises:
        Refusal: a scenario, data or a folder that does not fit; the message says what to do.
        DiskError: a disk that is full or fails; the checkpoints before are as they were.
        KeyboardInterrupt: Ctrl-C outside training, or twice. Once, training stops after the round
            under way, keeps it, and the run is `interrupted`.
    """
    if isinstance(scenario, str | Path):
        command = command or str(scenario)
        scenario = load_scenario(scenario)
    elif isinstance(scenario, Mapping):
        scenario = Scenario.from_config(scenario)
    if rounds is not None:
        at_least("--rounds", rounds, unit="rounds")
    if tensorboard:
        require("tensorboard", "tensorboard", "--tensorboard")
    adopt(scenario)
    folder = RunFolder(Path(out) if out is not None else Path("runs") / scenario.name)
    command = command or str(folder.scenario)
    folder.make()
    with (
        Progress(quiet=quiet) as progress,
        Interruption(quiet=quiet) as interruption,
        locked(folder.path, "run", wait_s),
    ):
        folder.prepare(scenario)
        if _is_finished(folder, rounds):
            progress.say(
                f"{folder.path} holds this run, and it is finished. To run it again, give another "
                f"folder with --out, or remove this one: rm -r {folder.path}"
            )
        else:
            _train(scenario, folder, rounds, progress, interruption, tensorboard)
        from laser_phy.experiments.run.results import load_run

        result = load_run(folder.path)
        with writing(folder.overview):
            _tell(result, command, progress)
    return result


def _is_finished(folder: RunFolder, rounds: int | None) -> bool:
    summary = folder.read_summary()
    if summary is None or summary["status"] == "interrupted":
        return False
    wanted = min(rounds or math.inf, summary["rounds_planned"])
    return summary["status"] == "diverged" or summary["rounds"] >= wanted


def _train(
    scenario: Scenario,
    folder: RunFolder,
    rounds: int | None,
    progress: Progress,
    interruption: Interruption,
    tensorboard: bool,
) -> None:
    from laser_phy.experiments.run.experiment import assemble, load_data

    progress.say(f"{scenario.name}: writing to {folder.path}")
    if scenario.expected:
        progress.paragraph(f"Expected: {scenario.expected}.")
    if scenario.task.dataset.with_keras:  # Keras' own, which loads TensorFlow
        _load_libraries(progress)
    dealt = load_data(scenario)
    if not scenario.task.partition.equal:
        progress.table(partition_view.table(dealt.data, dealt.feed.shards))
        with writing(folder.split):
            partition_view.draw(dealt.data, dealt.feed.shards, folder.split)
    _load_libraries(progress)
    from laser_phy.experiments.run.recorder import Recorder
    from laser_phy.training.nonfinite_gradients import BadGradientsError

    whole = scenario.task.length(dealt.feed.rounds_per_epoch)
    planned = min(rounds or whole, whole)
    experiment = assemble(scenario, dealt)
    state = _resumed(experiment, folder, progress)
    recorder = Recorder(experiment, folder, progress, interruption, planned, state)
    others = [*_schedulers(scenario, whole), *(_monitors(folder) if tensorboard else [])]
    with interruption.between_rounds():
        for line in experiment.introduction(planned):
            progress.say(line)
        try:
            experiment.fit(recorder.rounds, planned, [recorder, *others])
        except BadGradientsError as error:
            progress.paragraph(str(error))
            recorder.stopped()
    _conclude(experiment, recorder, folder, progress, whole)


def _resumed(experiment: Experiment, folder: RunFolder, progress: Progress) -> dict[str, Any]:
    """The state of the checkpoint that the model and the tables are put back to; empty for none.

    Raises:
        Refusal: the checkpoint is of another version of the package.
    """
    found = folder.checkpoint(progress.paragraph)
    state = found.state if found else {}
    epoch, done = state.get("epoch", 0), state.get("rounds", 0)
    if found:
        try:
            experiment.load(found.variables)
        except ValueError as error:
            raise Refusal(
                f"{found.variables}: does not fit this version of laser_phy ({error}). Give "
                f"another folder with --out, or begin again: rm -r {found.variables.parent}"
            ) from error
        progress.say(f"Going on after epoch {epoch}, round {done}.")
    elif folder.rounds.is_file():
        progress.say("No checkpoint was kept yet of the run that is here: beginning again.")
    folder.forget_after(epoch, done)
    return state


def _conclude(
    experiment: Experiment, recorder: Recorder, folder: RunFolder, progress: Progress, planned: int
) -> None:
    """What is written when training has ended, the summary last."""
    import numpy as np

    from laser_phy.experiments.run.summary import summarise
    from laser_phy.experiments.run.text_sampling import written_text

    status = "interrupted" if recorder.cut_short else "done"
    status = "diverged" if recorder.diverged else status
    sample = experiment.scenario.task.sample
    snapshot: Any = experiment.model.uplink.snapshot(round=0)
    summary = summarise(experiment, recorder, folder, status, planned)
    with writing(folder.path):
        if sample is not None and status == "done":
            progress.say("Writing a sample ...")
            write_whole(folder.sample, written_text(sample, experiment))
        np.savez(folder.snapshot, **snapshot)
        write_whole(folder.summary, json.dumps(finite(summary), indent=2) + "\n")


def _monitors(folder: RunFolder) -> list[Any]:
    """Those that write events, of rounds and of epochs: a folder each, as TensorBoard wants it."""
    from laser_phy.callbacks import LinkMonitor

    return [
        LinkMonitor(lambda rows: None, per=per, tensorboard=folder.tensorboard / f"{per}s")
        for per in ("round", "epoch")
    ]


def _schedulers(scenario: Scenario, rounds: int) -> list[Any]:
    """What moves settings along the run's `rounds`; the whole length, so that a part is a part."""
    from laser_phy.callbacks import PowerScheduler

    schedule = scenario.uplink.power.schedule
    return [PowerScheduler(schedule, rounds)] if schedule.moves else []


def _load_libraries(progress: Progress) -> None:
    if not libraries.loaded():
        progress.say("Loading TensorFlow and Sionna, about 10 s ...")
        libraries.load()


def _tell(result: Run, command: str, progress: Progress) -> None:
    """What came out, where it is, and what to try next."""
    from laser_phy.experiments.run.overview_figure import overview

    progress.say()
    for paragraph in in_words(result.summary):
        progress.paragraph(paragraph)
    sample = RunFolder(result.path).sample
    if sample.is_file():
        progress.say(f"What the model writes ({sample}):")
        progress.say(sample.read_text(encoding="utf-8"))
    progress.say(f"Figure: {overview(result.path)}")
    if result.summary["status"] == "interrupted":
        rounds = result.summary["rounds"]
        progress.say(f"To go on from round {rounds}: laser-phy run {command} --out {result.path}")
        return
    progress.say("What to try next:")
    for step in next_steps(result.summary, result.scenario.to_config(), command, result.path):
        progress.say(f"  {step}")
