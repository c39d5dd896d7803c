"""Checkpoints: the last two, whole or not at all, and damage is seen."""

import errno
import json
import math
from pathlib import Path
from typing import Any

import pytest

from laser_phy.core.files import DiskError, write_whole
from laser_phy.experiments.run.checkpoints import Checkpoints
from laser_phy.experiments.run.run_folder import RunFolder

STATE = {"epoch": 1, "sums": [0.1, 1 / 3, math.pi, 1e-310, 2.0**-149, -0.0]}


def write(folder: Path, *rounds: int) -> Checkpoints:
    """Checkpoints after these rounds; of the weights it is only known that they are bytes."""
    checkpoints = Checkpoints(folder)
    for number in rounds:
        content = bytes([number]) * 10_000
        checkpoints.write(STATE | {"rounds": number}, lambda file, c=content: file.write_bytes(c))
    return checkpoints


def newest(checkpoints: Checkpoints) -> tuple[int | None, list[str]]:
    """Rounds of the newest whole checkpoint, and what was said."""
    said: list[str] = []
    found = checkpoints.newest(said.append, lambda state: "")
    if found is None:
        return None, said
    assert found.variables.read_bytes() == bytes([found.state["rounds"]]) * 10_000
    return found.state["rounds"], said


def test_the_last_two_are_kept(tmp_path: Path) -> None:
    checkpoints = write(tmp_path, 3, 9, 12, 101)
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "round_000000012.json", "round_000000012.npz",
        "round_000000101.json", "round_000000101.npz",
    ]  # fmt: skip
    assert newest(checkpoints) == (101, [])


def test_every_digit_comes_back(tmp_path: Path) -> None:
    found = write(tmp_path, 3).newest(print, lambda state: "")
    assert found is not None
    assert found.state == STATE | {"rounds": 3}
    assert math.copysign(1, found.state["sums"][-1]) == -1


def test_none_where_there_is_none(tmp_path: Path) -> None:
    assert newest(Checkpoints(tmp_path)) == (None, [])


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def flip(file: Path) -> None:
    """One bit, in the middle."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))


def another_digit(file: Path) -> None:
    """A state that reads well, and says something else."""
    text = file.read_text()
    assert text.count('"epoch": 1,') == 1
    file.write_text(text.replace('"epoch": 1,', '"epoch": 2,'))


DAMAGES = {
    "weights truncated": ("round_000000012.npz", truncate, "SHA-256 of round_000000012.npz"),
    "weights bit": ("round_000000012.npz", flip, "SHA-256 of round_000000012.npz"),
    "weights gone": ("round_000000012.npz", Path.unlink, "No such file"),
    "state truncated": ("round_000000012.json", lambda f: f.write_bytes(f.read_bytes()[:99]), ""),
    "state empty": ("round_000000012.json", lambda f: f.write_bytes(b""), "Expecting value"),
    "state bit": ("round_000000012.json", flip, ""),
    "state digit": ("round_000000012.json", another_digit, "its SHA-256 is"),
    "state of another kind": ("round_000000012.json", lambda f: f.write_text("[1]"), ""),
}


@pytest.mark.parametrize("name", sorted(DAMAGES))
def test_damage_is_named_and_the_one_before_is_used(name: str, tmp_path: Path) -> None:
    file, damage, words = DAMAGES[name]
    checkpoints = write(tmp_path, 9, 12)
    damage(tmp_path / file)
    rounds, (said,) = newest(checkpoints)
    assert rounds == 9
    assert said.startswith(f"{tmp_path / 'round_000000012.json'}: this checkpoint is damaged (")
    assert words in said
    assert said.endswith("Going back to the one before.")
    # It is gone, and so is not found again by the next start, nor one of the last two.
    assert newest(checkpoints) == (9, [])
    assert len(list(tmp_path.iterdir())) == 2


def test_both_damaged_is_said_and_nothing_is_left(tmp_path: Path) -> None:
    checkpoints = write(tmp_path, 9, 12)
    for file in tmp_path.glob("*.npz"):
        flip(file)
    rounds, said = newest(checkpoints)
    assert (rounds, len(said)) == (None, 2)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_half_written_is_removed(tmp_path: Path) -> None:
    checkpoints = write(tmp_path, 9)
    (tmp_path / ".123.part.round_000000012.npz").write_bytes(b"half")
    (tmp_path / "round_000000012.npz").write_bytes(b"weights whose state was not written")
    assert newest(checkpoints) == (9, [])
    write(tmp_path, 13)
    names = sorted(file.name[:15] for file in tmp_path.iterdir())
    assert names == ["round_000000009"] * 2 + ["round_000000013"] * 2


def test_a_disk_that_is_full_leaves_those_before(tmp_path: Path) -> None:
    checkpoints = write(tmp_path, 9, 12)
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}

    def fail(file: Path) -> None:
        file.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "as the library words it")

    with pytest.raises(DiskError, match=r"round_000000013.json: cannot be written: No space left"):
        checkpoints.write(STATE | {"rounds": 13}, fail)
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before
    assert newest(checkpoints) == (12, [])


def test_rows_that_a_checkpoint_has_seen_must_be_there(tmp_path: Path) -> None:
    """A power cut may take rows that were never on the disk: then the checkpoint is of no use."""
    folder = RunFolder(tmp_path)
    folder.make()

    def row(number: int) -> dict[str, Any]:
        return {"round": number, "loss": number / 3}

    for rounds in (4, 8):
        folder.append(folder.rounds, [row(number) for number in range(rounds - 4, rounds)])
        folder.keep({"epoch": 0, "rounds": rounds}, lambda file: file.write_bytes(b"weights"))
    found = folder.checkpoint(print)
    assert found is not None
    assert found.state["rounds"] == 8
    lines = folder.rounds.read_text().splitlines()
    folder.rounds.write_text("\n".join(lines[:6]) + "\n")
    said: list[str] = []
    found = folder.checkpoint(said.append)
    assert found is not None
    assert found.state["rounds"] == 4
    assert "(rounds.csv lacks rows of what it has seen)" in said[0]


def test_a_file_is_the_old_one_until_the_new_one_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "summary.json"
    write_whole(file, json.dumps({"old": 1}))
    with pytest.raises(UnicodeEncodeError):
        write_whole(file, "new, and then half a character: \ud800")
    assert json.loads(file.read_text()) == {"old": 1}
    assert list(tmp_path.iterdir()) == [file]
