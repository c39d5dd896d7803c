"""Whatever is wrong is said in a sentence, with its place, on standard error, and status 2."""

import subprocess
import sys
from pathlib import Path

import pytest
from paths import ROOT

from laser_phy.cli import main

GOOD = """\
name: trial
seed: 1
task:
  dataset: {name: digits}
  model: {name: linear}
  workers: 4
  batch_size: 8
  epochs: 1
uplink:
  compressor: {name: laser, rank: 2}
  power: {energy_per_round: 10}
  channel: {name: tdl, delay_spread_s: 1e-7}
  power_control: {name: truncated_inversion, threshold: 0.1}
"""


def refusal(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Standard error of a command that must end with status 2 and no traceback."""
    with pytest.raises(SystemExit) as end:
        main(arguments)
    output = capsys.readouterr()
    assert end.value.code == 2, output
    assert "Traceback" not in output.err
    return output.err


def write(tmp_path: Path, text: str | bytes) -> Path:
    file = tmp_path / "trial.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


# what is replaced in GOOD, by what, the line, and the sentence
EDITS = {
    "misspelt_key": (
        "threshold: 0.1", "treshold: 0.1", 13,
        "uplink.power_control: treshold is not a known key; did you mean 'threshold'? "
        "Allowed here: name, threshold.",
    ),
    "misspelt_section": (
        "uplink:", "uplnik:", 9,
        "uplnik is not a known key; did you mean 'uplink'? Allowed here: name, description, ",
    ),
    "missing_section": (
        "uplink:", "uplnik:", 1,
        "uplink is missing (from the workers to the server); write for example "
        "`uplink: {compressor: {name: laser, rank: 4}}`.",
    ),
    "missing_compressor": (
        "  compressor: {name: laser, rank: 2}\n", "", 9,
        "uplink: compressor is missing (what a worker sends of its gradient); write for example "
        "`compressor: {name: laser}`.",
    ),
    "missing_dataset": (
        "  dataset: {name: digits}\n", "", 3,
        "task: dataset is missing (examples to learn from); write for example "
        "`dataset: {name: digits}`.",
    ),
    "wrong_unit": (
        "delay_spread_s: 1e-7", "delay_spread_s: 100 ns", 12,
        "uplink.channel: delay_spread_s must be a number (s); got '100 ns' (text): write 1e-07 "
        "(units stand in the names of keys, not in values).",
    ),
    "frequency_with_unit": (
        "delay_spread_s: 1e-7", "carrier_hz: 3.5 GHz", 12,
        "uplink.channel: carrier_hz must be a number (Hz); got '3.5 GHz' (text): write "
        "3500000000.0 (units stand in the names of keys, not in values).",
    ),
    "both_budgets": (
        "{energy_per_round: 10}", "{energy_per_round: 10, snr_db: -20}", 11,
        "uplink: power must have either energy_per_round or snr_db, not both; got "
        "energy_per_round=10 and snr_db=-20. Remove one: the other is reported.",
    ),
    "negative_threshold": (
        "threshold: 0.1", "threshold: -1.0", 13,
        "uplink.power_control: threshold must be >= 0 (power gain, linear); got -1.0.",
    ),
    "rank_zero": (
        "rank: 2", "rank: 0", 10,
        "uplink.compressor: rank must be >= 1 (columns of a factor); got 0.",
    ),
    "key_of_another_kind": (
        "name: laser, rank: 2", "name: identity, rank: 2", 10,
        "uplink.compressor: rank is a key of 'laser', not of 'identity'. Allowed here: name.",
    ),
    "unknown_channel": (
        "name: tdl", "name: tld", 12,
        "uplink: channel cannot be 'tld'; did you mean 'tdl'? Known: ideal, awgn, ",
    ),
    "channel_without_name": (
        "{name: tdl, delay_spread_s: 1e-7}", "{delay_spread_s: 1e-7}", 12,
        "uplink: channel needs a name, one of ideal, awgn, ",
    ),
    "unknown_profile": (
        "delay_spread_s: 1e-7", "profile: F", 12,
        "uplink.channel: profile must be 'A', 'B', 'C', 'D' or 'E'; got 'F' (text).",
    ),
    "misspelt_literal": (
        "{energy_per_round: 10}", "{allocation: unifrom}", 11,
        " cannot be 'unifrom'; did you mean 'uniform'?",
    ),
    "unknown_downlink": (
        "seed: 1", "downlink: {name: perfect}", 2, "downlink cannot be 'perfect'. Known: ideal, ",
    ),
    "huge_float": (
        "energy_per_round: 10", "energy_per_round: 1e400", 11,
        "uplink.power: energy_per_round must be a finite number (",
    ),
    "huge_integer": (
        "workers: 4", "workers: 1000000000000000000000000000000", 6,
        "task: workers must be <= 65536 (workers); got 1000000000000000000000000000000.",
    ),
    "endless_integer": (
        "workers: 4", "workers: " + "9" * 5000, 6,
        "99999999999999999999... is not a usable number.",
    ),
    "integer_for_a_float_too_large": (
        "energy_per_round: 10", "energy_per_round: 1" + "0" * 400, 11,
        "energy_per_round must be a number below 1.8e308",
    ),
    "nan": (
        "threshold: 0.1", "threshold: .nan", 13,
        "threshold must be a finite number (power gain, linear); got nan.",
    ),
    "infinite": (
        "threshold: 0.1", "threshold: .inf", 13,
        "threshold must be a finite number (power gain, linear); got inf.",
    ),
    "boolean_as_number": (
        "workers: 4", "workers: true", 6,
        "task: workers must be a whole number (workers); got true (yes or no).",
    ),
    "text_as_number": (
        "workers: 4", "workers: '4'", 6,
        "task: workers must be a whole number (workers); got '4' (text): write 4 without quotes.",
    ),
    "word_as_number": (
        "workers: 4", "workers: four", 6,
        "task: workers must be a whole number (workers); got 'four' (text).",
    ),
    "fraction_as_whole_number": (
        "workers: 4", "workers: 4.0", 6,
        "task: workers must be a whole number (workers); got 4.0: write 4.",
    ),
    "date_as_number": (
        "seed: 1", "seed: 2026-01-01", 2, "seed must be a whole number; got '2026-01-01' (text).",
    ),
    "negative_seed": ("seed: 1", "seed: -1", 2, "seed must be >= 0; got -1."),
    "list_where_mapping": (
        "{energy_per_round: 10}", "[10]", 11,
        "uplink: power must be a mapping; got [10] (a list). Its keys: energy_per_round, "
        "snr_db, ",
    ),
    "null_section": (
        "{energy_per_round: 10}", "", 11,
        "uplink: power must be a mapping; got null (nothing).",
    ),
    "null_name": (
        "{name: truncated_inversion, threshold: 0.1}", "~", 13,
        "uplink: power_control must be a name, or a mapping with one",
    ),
    "name_is_a_path": (
        "name: trial", "name: ../../trial", 1,
        "name must be at most 100 letters, digits, '.', '_' and '-', as it names a folder; got "
        "'../../trial' (text).",
    ),
    "ema_of_one": ("epochs: 1", "ema: 1.0", 8, "task: ema must be < 1; got 1.0."),
    "duplicate_key": (
        "  batch_size: 8\n", "  batch_size: 8\n  workers: 5\n", 8,
        "task.workers is given twice, first at ",
    ),
    "tab": ("  workers: 4", "\tworkers: 4", 6, "is not YAML: a tab; indent with spaces."),
    "unclosed_bracket": ("{name: digits}", "{name: digits", 5, "is not YAML: "),
    "two_documents": ("uplink:", "---\nuplink:", 9, "is not YAML of one document: a second one"),
    "tag": ("workers: 4", "workers: !!python/object:os.system 4", 6, "tags such as "),
    "merge": ("workers: 4", "<<: {workers: 4}", 6, "`<<` is not part of YAML 1.2"),
    "list_as_key": ("workers: 4", "? [workers]\n  : 4", 6, "a key must be a word"),
    "alias_of_itself": ("{name: digits}", "&a {name: *a}", 4, "an alias that contains itself"),
    "sweep_of_an_unknown_path": (
        "seed: 1", "sweep: {uplink.power.energy: [1, 2]}", 2,
        "sweep.uplink.power.energy: energy is not a known key; did you mean 'energy_per_round'?",
    ),
    "sweep_of_a_wrong_value": (
        "seed: 1", "sweep: {uplink.compressor.rank: [1, 0]}", 2,
        "sweep.uplink.compressor.rank: rank must be >= 1 (columns of a factor); got 0.",
    ),
    "sweep_of_nothing": ("seed: 1", "sweep: {seed: []}", 2, "sweep: seed has no values to try."),
    "sweep_without_list": ("seed: 1", "sweep: {seed: 3}", 2, "sweep: seed must be a list; got 3."),
}  # fmt: skip


@pytest.mark.parametrize("name", EDITS)
def test_what_is_wrong_in_a_file(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new, line, sentence = EDITS[name]
    assert old in GOOD
    file = write(tmp_path, GOOD.replace(old, new, 1))
    said = refusal(["check", str(file)], capsys)
    matching = [text for text in said.splitlines() if sentence in text]
    assert matching, said
    assert matching[0].startswith(f"{file}:{line}: ")


def test_every_problem_is_listed_and_none_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = GOOD.replace("workers: 4", "workers: 0").replace("rank: 2", "rank: 0, rnak: 1")
    lines = refusal(["check", str(write(tmp_path, text))], capsys).splitlines()
    assert len(lines) == 3
    assert [line.split(": ")[0].rpartition(":")[2] for line in lines] == ["6", "10", "10"]


FILES = {
    "empty": (b"", "trial.yaml: is empty; a scenario has at least task and uplink."),
    "comments_alone": (b"# nothing yet\n", "trial.yaml: is empty"),
    "not_yaml": (b"task: [1\nuplink: }", "trial.yaml:2: is not YAML: "),
    "prose": (b"Dear all,\nplease find", "the settings must be a mapping; got 'Dear all,"),
    "list": (b"- task\n- uplink\n", "trial.yaml:1: the settings must be a mapping; got ['task',"),
    "latin_1": ("name: café".encode("latin-1"), "is not text; a scenario is a YAML file in UTF-8."),
    "binary": (bytes(range(256)) * 8, "is not text; a scenario is a YAML file in UTF-8."),
    "nul": (b"name: a\0b", "trial.yaml: is not text; a scenario is a YAML file."),
    "large": (b"# " + b"x" * 1_000_000, "is larger than 1000 kB: not a scenario."),
    "deep": (b"task: " + b"[" * 1000, "trial.yaml: lists and mappings are nested too deeply."),
    "laughs": (
        b"a: &a [1,1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
        b"c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n",
        "an alias that contains itself, or too many values.",
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_what_is_no_scenario(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content, sentence = FILES[name]
    assert sentence in refusal(["check", str(write(tmp_path, content))], capsys)


def test_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = refusal(["check", str(tmp_path)], capsys)
    assert f"{tmp_path}: is a folder; give a YAML file, or the name of a scenario." in said


def test_a_file_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "quickstrat.yaml"
    said = refusal(["run", str(file)], capsys)
    assert f"{file}: there is no such file; did you mean 'quickstart'?" in said


def test_a_name_that_is_not_shipped(capsys: pytest.CaptureFixture[str]) -> None:
    said = refusal(["check", "quickstrat"], capsys)
    assert said.startswith(
        "quickstrat: no such file or scenario; did you mean 'quickstart'? Shipped scenarios: "
    )
    assert "mnist_awgn" in said


OVERRIDES = {
    "no_value": ("uplink.power", "--set uplink.power: must be KEY=VALUE with dots between keys"),
    "no_key": ("=3", "--set =3: must be KEY=VALUE"),
    "two_dots": ("task..workers=3", "--set task..workers=3: must be KEY=VALUE"),
    "nothing_after_equals": (
        "seed=",
        "--set seed=: has no value; write seed=null to leave it out.",
    ),
    "not_yaml": ("task.dataset={name: digits", "--set task.dataset={name: digits: is not YAML: "),
    "twice": ("task.dataset={name: digits, name: mnist}", "name is given twice; keep one."),
    "unknown_path": (
        "uplink.compresor.rank=2",
        "--set uplink.compresor.rank=2: uplink: compresor is not a known key; did you mean "
        "'compressor'?",
    ),
    "unknown_key": (
        "uplink.compressor.rnk=2",
        "--set uplink.compressor.rnk=2: uplink.compressor: rnk is not a known key; did you mean "
        "'rank'?",
    ),
    "wrong_value": (
        "uplink.compressor={name: laser, rank: -1}",
        "--set uplink.compressor={name: laser, rank: -1}: uplink.compressor: rank must be >= 1 "
        "(columns of a factor); got -1.",
    ),
    "below_a_number": ("seed.a=1", "--set seed.a=1: 'a' is below 1, which has no keys."),
    "below_a_list": (
        "uplink.ofdm.pilot_symbols.0=1",
        "--set uplink.ofdm.pilot_symbols.0=1: '0' is inside a list; give the whole list.",
    ),
}


@pytest.mark.parametrize("name", OVERRIDES)
def test_what_is_wrong_with_set(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assignment, sentence = OVERRIDES[name]
    text = GOOD + "  ofdm: {pilot_symbols: [2, 11]}\n"
    said = refusal(["check", str(write(tmp_path, text)), "--set", assignment], capsys)
    assert sentence in said


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--rounds", "-3"], "--rounds must be >= 1 (rounds); got -3."),
        (["--rounds", "0"], "--rounds must be >= 1 (rounds); got 0."),
        (["--rounds", "many"], "Invalid value for '--rounds'"),
        (["--out", "FILE"], "is a file; give a folder."),
        (["--out", "FILE/below"], "cannot be written"),
    ],
)
def test_what_is_wrong_with_a_run(
    arguments: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenario = write(tmp_path, GOOD)
    (tmp_path / "there").write_text("a file")
    arguments = [text.replace("FILE", str(tmp_path / "there")) for text in arguments]
    assert sentence in refusal(["run", str(scenario), *arguments], capsys)


def test_a_shard_smaller_than_its_batch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = GOOD.replace("batch_size: 8", "batch_size: 1000")
    said = refusal(["check", str(write(tmp_path, text))], capsys)
    assert f"{tmp_path / 'trial.yaml'}:7: task: batch_size must be <= " in said
    assert "got 1000" in said


@pytest.mark.parametrize("folder", ["empty", "absent"])
def test_a_report_of_nothing(
    folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / folder
    why = "there is no such folder."
    if folder == "empty":
        path.mkdir()
        why = "holds no run: there is no summary.json."
    said = refusal(["report", str(path)], capsys)
    assert said == f"{path}: {why}\n"


def test_the_program_itself_ends_with_status_2_and_no_traceback(tmp_path: Path) -> None:
    file = write(tmp_path, GOOD.replace("rank: 2", "rank: 0"))
    done = subprocess.run(
        [sys.executable, "-m", "laser_phy.cli", "check", str(file)],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        f"{file}:10: uplink.compressor: rank must be >= 1 (columns of a factor); got 0.\n"
    )
