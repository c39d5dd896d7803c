"""docs/callbacks.md: its script runs, and what it promises of a killed one holds."""

import os
import re
import signal
import subprocess
import sys

import pytest
from paths import ROOT

import laser_phy as lp

PAGE = (ROOT / "docs" / "callbacks.md").read_text("utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)


def test_the_page_has_every_callback():
    assert re.findall(r"^\| \[`(\w+)`\]", PAGE, flags=re.MULTILINE) == [
        "LinkMonitor", "PowerScheduler", "ChannelScheduler", "GradientSpectrum", "RoundBudget"
    ]  # fmt: skip
    assert sorted(re.findall(r"^## (\w+)$", PAGE, flags=re.MULTILINE)) == sorted(
        [*lp.callbacks.__all__, "Scenarios"]
    )


def test_the_pictures_are_there():
    for name in re.findall(r"\]\((images/.*?)\)", PAGE):
        assert (ROOT / "docs" / name).is_file()


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_the_script_of_the_page_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {}
    for number, block in enumerate(BLOCKS):
        exec(compile(block, f"callbacks.md, block {number}", "exec"), names)
    said = capsys.readouterr().out
    assert said.count("RoundBudget: stopped after") == 2
    rows = {row["epoch"]: row for row in names["monitor"].rows}
    before, first = rows[13], rows[0]
    assert before["uplink_nmse_db"] - first["uplink_nmse_db"] > 20
    assert before["val_accuracy"] > 0.75  # the page: it breaks down in the last epoch
    for name in ("driving_away.png", "gradient_spectrum.png", "run/rounds.csv", "run/rounds.png"):
        assert (tmp_path / name).stat().st_size > 0
    assert not (tmp_path / "run" / "backup").exists()  # the last script came to its end


KILLED = """
import sys
{blocks}
class Where(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        print("round", int(model.uplink.round), flush=True)
model.fit(data, steps_per_epoch=5, epochs=4, verbose=0, callbacks=[backup, Where()])
import hashlib
print("weights", hashlib.sha256(b"".join(w.tobytes() for w in model.get_weights())).hexdigest())
"""


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_script_that_is_killed_within_epochs_ends_as_if_it_was_not(tmp_path):
    """SIGKILL in the second and in the third epoch, not at their ends."""
    last = BLOCKS[-1].replace("model.fit(", "_ = lambda: model.fit(")
    (tmp_path / "script.py").write_text(KILLED.format(blocks=BLOCKS[0] + last))

    def run(folder, until=None):
        folder.mkdir(exist_ok=True)
        process = subprocess.Popen(
            [sys.executable, tmp_path / "script.py"], cwd=folder, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        lines = []
        for line in process.stdout:
            lines.append(line.strip())
            if line.strip() == until:
                os.kill(process.pid, signal.SIGKILL)
        code = process.wait()
        return code, lines

    code, whole = run(tmp_path / "straight")
    assert code == 0
    assert [line for line in whole if "round" in line] == [f"round {t}" for t in range(1, 21)]
    for until, first in (("round 8", 1), ("round 12", 6)):
        code, lines = run(tmp_path / "killed", until)
        assert code == -signal.SIGKILL
        assert lines[0] == f"round {first}"
    code, resumed = run(tmp_path / "killed")
    assert code == 0
    assert resumed[0] == "round 11"
    assert resumed[-1] == whole[-1]
