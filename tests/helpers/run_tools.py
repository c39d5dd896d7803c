"""What tests of runs share: small scenarios, the command as a process, what a run ended with."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from paths import ROOT

TIMES = {"wall_s", "rounds_per_s"}
EXTRA = {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}  # what is said before a kill is heard


def small(**changes: Any) -> dict[str, Any]:
    """Four workers, a linear model, 7 rounds an epoch, 3 epochs: seconds."""
    task = {
        "dataset": {"name": "digits", "train_examples": 240, "test_examples": 100},
        "model": {"name": "linear"},
        "workers": 4,
        "batch_size": 8,
        "epochs": 3,
        "optimizer": {"name": "sgd", "learning_rate": 0.1, "momentum": 0.9},
        "ema": 0.9,
    }
    uplink = {
        "compressor": {"name": "laser", "rank": 2},
        "power": {"energy_per_round": 100},
        "channel": {"name": "tdl"},
    }
    tree = {"name": "small", "seed": 3, "task": task, "uplink": uplink}
    for path, value in changes.items():
        *above, last = path.split("__")
        branch = tree
        for key in above:
            branch = branch.setdefault(key, {})
        branch[last] = value
    return tree


def quick(**changes: Any) -> dict[str, Any]:
    """The same behind noise alone, which is traced in less time."""
    plain = {"uplink__channel": {"name": "awgn"}, "uplink__power_control": {"name": "none"}}
    return small(**(plain | changes))


def fingerprint(path: Path) -> dict[str, str]:
    """Digests of all that a run ended with: tables, summary but for its times, every variable."""
    found = {name: (path / name).read_bytes() for name in ("history.csv", "rounds.csv")}
    summary = json.loads((path / "summary.json").read_text())
    found |= {k: json.dumps(v).encode() for k, v in summary.items() if k not in TIMES}
    with np.load(max((path / "checkpoints").glob("round_*.npz"))) as stored:
        found |= {name[:5]: stored[name].tobytes() for name in stored.files}
        assert any("momentum" in name or "velocity" in name for name in stored.files)
        assert any(name.endswith("uplink/memory") for name in stored.files)
    return {name: hashlib.sha256(value).hexdigest() for name, value in found.items()}


def start(tree: dict[str, Any], out: Path, *options: str, **how: Any) -> subprocess.Popen[str]:
    """`laser-phy run` as a process of its own, its output and errors piped."""
    scenario = out.with_suffix(".yaml")
    scenario.write_text(json.dumps(tree))
    command = ["-m", "laser_phy.cli", "run", str(scenario), "--out", str(out), *options]
    return subprocess.Popen(
        [sys.executable, *command], cwd=ROOT, text=True, env=os.environ | EXTRA,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, **how,
    )  # fmt: skip


def rows(path: Path) -> int:
    """Rounds whose rows are written."""
    table = path / "rounds.csv"
    return max(0, table.read_bytes().count(b"\n") - 1) if table.is_file() else 0


def kill(process: subprocess.Popen[str]) -> None:
    """SIGKILL, whatever it is doing; nothing if it has ended."""
    process.kill()
    process.wait()
