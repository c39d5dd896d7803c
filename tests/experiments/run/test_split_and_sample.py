"""What a run shows besides numbers: who has which examples, and what a language model writes."""

from pathlib import Path
from typing import Any

import pytest

import laser_phy as lp
from laser_phy.cli import main
from laser_phy.core.settings import SettingsError
from laser_phy.experiments.scenario import Scenario, load_scenario, shipped

UPLINK = {"compressor": "identity", "channel": "awgn", "power_control": "none"}


def digits(**changes: Any) -> dict[str, Any]:
    task = {
        "dataset": {"name": "digits", "train_examples": 240, "test_examples": 50},
        "model": {"name": "linear"},
        "partition": {"name": "dirichlet", "alpha": 0.1},
        "workers": 4,
        "batch_size": 8,
        "epochs": 1,
    }
    return {"name": "split", "task": task | changes, "uplink": UPLINK}


def text(path: Path) -> dict[str, Any]:
    path.write_text("to be or not to be, that is the question. " * 20)
    task = {
        "dataset": {"name": "text", "path": str(path), "context": 8},
        "model": {"name": "gpt", "layers": 1, "heads": 1, "embedding": 8},
        "workers": 2,
        "batch_size": 4,
        "epochs": 1,
        "sample": {"tokens": 20, "prompt": "to "},
    }
    return {"name": "writer", "expected": "no time at all", "task": task, "uplink": UPLINK}


def code_of(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    return int(end.value.code or 0)


def test_check_prints_the_split(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On standard error: standard output is the scenario."""
    overrides = ["task.partition={name: dirichlet, alpha: 0.1}", "task.workers=5"]
    assert code_of("check", "quickstart", *(p for o in overrides for p in ("--set", o))) == 0
    said = capsys.readouterr()
    assert "training examples over 5 workers" in said.err
    assert [line.split()[0] for line in said.err.splitlines() if line[1:2].isdigit()][:5]
    assert "training examples over" not in said.out
    assert code_of("check", "quickstart") == 0
    assert "training examples over" not in capsys.readouterr().err


def test_check_downloads_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert code_of("check", "mnist_awgn", "--set", "task.partition=shards") == 0
    assert "is shown by `run`" in capsys.readouterr().err


def test_check_says_what_keeps_it_from_showing(capsys: pytest.CaptureFixture[str]) -> None:
    dataset = "task.dataset={name: npz, path: nowhere.npz}"
    assert code_of("check", "quickstart", "--set", dataset, "--set", "task.partition=shards") == 0
    said = capsys.readouterr().err
    assert "cannot be shown yet: path 'nowhere.npz' does not exist" in said


def test_run_prints_and_draws_the_split(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = lp.run(digits(), out=tmp_path / "run")
    assert "240 training examples over 4 workers; 0 left out" in capsys.readouterr().out
    assert (run.path / "split.png").read_bytes().startswith(b"\x89PNG")


def test_a_language_model_writes_and_the_text_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = lp.run(text(tmp_path / "text.txt"), out=tmp_path / "run")
    said = capsys.readouterr().out
    written = (run.path / "sample.txt").read_text()
    assert written.startswith("to ")
    assert 4 <= len(written) <= 23  # bytes that are no UTF-8 may join into one mark
    assert written in said
    assert "Expected: no time at all." in said
    assert "Memory, besides activations:" in said
    assert not (run.path / "split.png").exists()  # all workers alike


def test_images_are_not_written_about() -> None:
    with pytest.raises(SettingsError, match="sample must be null with image data"):
        Scenario.from_config(digits(sample={"tokens": 5}))


@pytest.mark.parametrize("name", [n for n in shipped() if any(k in n for k in ("cifar", "gpt"))])
def test_large_scenarios_say_what_to_expect(name: str) -> None:
    scenario = load_scenario(name)
    assert "GB" in scenario.expected
    assert any(word in scenario.expected for word in ("minutes", "hours", "days"))


def test_the_papers_settings() -> None:
    """The table of settings of the LASER paper."""
    cifar10, cifar100, gpt2 = (
        load_scenario(name).task
        for name in ("cifar10_resnet18", "cifar100_resnet18", "wikitext103_gpt2")
    )
    for task, epochs in ((cifar10, 150), (cifar100, 200)):
        assert (task.workers, task.batch_size, task.epochs) == (16, 128, epochs)
        assert (task.optimizer.momentum, task.optimizer.weight_decay) == (0.9, 1e-4)
        assert task.ema == 0.99
    assert cifar100.optimizer.schedule.epochs == (150,)
    assert (gpt2.workers, gpt2.batch_size, gpt2.micro_batches) == (4, 45, 3)
    assert (gpt2.dataset.context, gpt2.model.vocabulary, gpt2.rounds) == (512, 50304, 20_000)
    schedule = gpt2.optimizer.schedule
    assert (schedule.name, schedule.warm_up, schedule.final_ratio) == ("one_cycle", 0.02, 5)
    # 118 million tokens of GPT-2's in the training text, give or take: the rounds end the training
    per_epoch = 100_000_000 // 512 // 4 // 45
    assert gpt2.length(per_epoch) == 20_000
