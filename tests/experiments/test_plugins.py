"""Kinds from files and from installed packages, on the command line and in every process."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from paths import ROOT
from run_tools import fingerprint, kill, quick, rows, start

import laser_phy as lp
from laser_phy.core.errors import Refusal

COMPRESSOR = '''
"""Kinds of a user's."""
import laser_phy as lp


class Mine(lp.compressors.VectorCompressor):
    """Each worker's largest entries."""

    keep: float = 0.1

    def compress(self, vector):
        import tensorflow as tf

        count = max(1, round(self.keep * vector.shape[0]))
        smallest = tf.math.top_k(tf.abs(vector), count).values[-1]
        return tf.where(tf.abs(vector) >= smallest, vector, tf.zeros_like(vector))
'''

PACKAGE = {
    "pyproject.toml": """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "their-kinds"
version = "2.5"
[project.entry-points."laser_phy.kinds"]
theirs = "their_kinds"
[tool.setuptools]
py-modules = ["their_kinds"]
""",
    "their_kinds.py": COMPRESSOR.replace("class Mine", "class TheirTopK")
    + '''

class Calm(lp.power_control.PowerControl):
    """Inversion that gives up below a floor, gradually."""

    floor: float = 0.3

    def factor(self, gain):
        import tensorflow as tf

        magnitude = tf.maximum(tf.abs(gain), self.floor)
        return tf.math.conj(gain) / tf.cast(magnitude**2, gain.dtype)


class LoudCalm(Calm):
    """Overspends."""

    def precode(self, gain, statistics):
        return 2.0 * super().precode(gain, statistics)
''',
}


def call(*arguments, path="", cwd=None):
    """`laser-phy ARGUMENTS` as a process; `path` is looked for packages in too."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [str(path), str(ROOT)]))}
    command = [sys.executable, "-m", "laser_phy", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=cwd)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder in which the package of somebody else is installed."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("site")
    for name, text in PACKAGE.items():
        (source / name).write_text(text)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    done = subprocess.run(
        [*pip, "--no-build-isolation", "--target", str(target), str(source)],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture
def mine(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(COMPRESSOR)
    return file


def small(folder: Path, **changes) -> Path:
    file = folder / "small.yaml"
    file.write_text(json.dumps(quick(**changes)))
    return file


class TestPackages:
    def test_list_names_them_and_their_package(self, installed):
        listed = call("list", path=installed).stdout
        assert "laser, identity, random_k, sketch, signum, a_dsgd, digital, their_top_k" in listed
        assert "compressor their_top_k" in listed
        assert listed.count("their-kinds 2.5") == 3
        assert "their" not in call("list").stdout

    def test_check_and_schema_know_them(self, installed, tmp_path):
        scenario = small(tmp_path, uplink__compressor={"name": "their_top_k", "keep": 0.2})
        checked = call("check", scenario, path=installed)
        assert checked.returncode == 0, checked.stderr
        assert "keep: 0.2" in checked.stdout
        schema = json.loads(call("schema", path=installed).stdout)
        assert schema["$defs"]["TheirTopK"]["properties"]["keep"]["default"] == 0.1
        unknown = call("check", scenario)
        assert unknown.returncode == 2
        assert "compressor cannot be 'their_top_k'" in unknown.stderr
        assert "--plugin FILE" in unknown.stderr

    def test_it_runs(self, installed, tmp_path):
        scenario = small(tmp_path)
        done = call(
            "run", scenario, "--rounds", 2, "--out", tmp_path / "out",
            "--set", "uplink.compressor=their_top_k", path=installed,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        summary = json.loads((tmp_path / "out" / "summary.json").read_text())
        (kind,) = summary["kinds"]
        assert (kind["kind"], kind["origin"]) == ("compressor their_top_k", "their-kinds 2.5")
        assert json.loads((tmp_path / "out" / "kinds.json").read_text()) == [kind]

    def test_the_contract_suites(self, installed):
        code = (
            "import their_kinds as t\n"
            "from laser_phy.testing import check_compressor, check_power_control\n"
            "check_compressor(t.TheirTopK()); check_power_control(t.Calm())\n"
            "check_power_control(t.LoudCalm())"
        )
        path = os.pathsep.join([str(installed), str(ROOT)])
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True,
            env=os.environ | {"PYTHONPATH": path},
        )  # fmt: skip
        assert "power_control 'loud_calm' must keep E|b|^2 = 1" in done.stderr

    def test_one_that_fails_is_an_error_only_where_it_is_used(self, installed, tmp_path):
        broken = tmp_path / "broken"
        broken.mkdir()
        for part in installed.iterdir():
            if part.name.endswith(".dist-info"):
                (broken / part.name).symlink_to(part)
        (broken / "their_kinds.py").write_text("import not_there_at_all")
        listed = call("list", path=broken)
        assert listed.returncode == 0
        assert "warning: the kinds of their-kinds 2.5 could not be loaded" in listed.stderr
        assert call("check", "quickstart", path=broken).returncode == 0
        used = call("check", small(tmp_path, uplink__compressor="their_top_k"), path=broken)
        assert used.returncode == 2
        assert "their-kinds 2.5 (ModuleNotFoundError: No module named 'not_there_at" in used.stderr


class TestFiles:
    def test_it_is_known_where_it_is_named_and_nowhere_else(self, mine, tmp_path):
        scenario = small(tmp_path, uplink__compressor={"name": "mine", "keep": 0.2})
        assert "keep: 0.2" in call("check", scenario, "--plugin", mine).stdout
        assert "compressor mine" in call("list", "--plugin", mine).stdout
        assert "Mine" in call("schema", "--plugin", mine).stdout
        assert "mine" in call("cost", scenario, "--plugin", mine).stdout
        assert call("check", scenario).returncode == 2

    def test_no_scenario_can_have_code_executed(self, mine, tmp_path):
        proof = tmp_path / "proof"
        mine.write_text(COMPRESSOR + f"\nopen({str(proof)!r}, 'w')\n")
        scenario = small(tmp_path, plugin=str(mine))
        assert "plugin is not a known key" in call("check", scenario, cwd=tmp_path).stderr
        scenario = small(tmp_path, uplink__compressor="mine")
        assert call("check", scenario, cwd=tmp_path).returncode == 2
        assert not proof.exists()

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("def f(:\n", ", line 1: SyntaxError"),
            ("x = 1\nimport nowhere_at_all\n", ", line 2: ModuleNotFoundError"),
            ("x = 1\n", "defines no kind"),
            (COMPRESSOR.replace("class Mine", "class Laser"), "the name of one that ships"),
        ],
    )
    def test_what_is_wrong_with_a_file(self, mine, text, said):
        mine.write_text(text)
        done = call("check", "quickstart", "--plugin", mine)
        assert done.returncode == 2
        assert said in done.stderr
        assert "Traceback" not in done.stderr

    def test_two_of_one_name(self, mine, tmp_path):
        other = tmp_path / "other.py"
        other.write_text(COMPRESSOR)
        done = call("check", "quickstart", "--plugin", mine, "--plugin", other)
        assert done.returncode == 2
        assert "two kinds of compressor are called 'mine': one of mine.py, one of other.py" in (
            done.stderr
        )
        assert "there is no such file" in call("list", "--plugin", tmp_path / "no.py").stderr

    def test_killed_it_goes_on_bit_for_bit_and_not_with_another_file(self, mine, tmp_path):
        tree = quick(uplink__compressor={"name": "mine", "keep": 0.1}, task__checkpoint_s=0)
        whole, cut = tmp_path / "whole", tmp_path / "cut"
        assert start(tree, whole, "--plugin", str(mine)).wait(300) == 0
        process = start(tree, cut, "--plugin", str(mine))
        until = time.monotonic() + 200
        while rows(cut) < 8 and process.poll() is None:
            assert time.monotonic() < until
            time.sleep(0.02)
        kill(process)
        assert 8 <= rows(cut) < 21
        original = mine.read_text()
        mine.write_text(original.replace("[-1]", "[0]"))
        refused = start(tree, cut, "--plugin", str(mine))
        assert refused.wait(120) == 2
        said = refused.stderr.read()
        assert "was begun with compressor mine of mine.py, which has changed" in said
        mine.write_text(original)
        assert start(tree, cut, "--plugin", str(mine)).wait(300) == 0
        assert fingerprint(cut) == fingerprint(whole)

    def test_a_sweep_hands_it_to_its_runs(self, mine, tmp_path):
        scenario = small(
            tmp_path, sweep={"uplink.compressor": ["mine", {"name": "mine", "keep": 0.5}]}
        )
        out = tmp_path / "s"
        done = call(
            "sweep", scenario, "--plugin", mine, "--rounds", 2, "--no-estimate", "--out", out
        )
        assert done.returncode == 0, done.stdout + done.stderr
        runs = sorted((out / "runs").iterdir())
        kinds = [json.loads((run / "summary.json").read_text())["kinds"] for run in runs]
        assert [[one["kind"] for one in each] for each in kinds] == [["compressor mine"]] * 2
        mine.write_text(COMPRESSOR + "\n# otherwise\n")
        again = call("sweep", scenario, "--plugin", mine, "--no-estimate", "--out", out)
        assert again.returncode == 2
        assert "mine of mine.py, which has changed" in again.stderr


def test_a_sweep_refuses_what_its_runs_would_not_know(tmp_path):
    class Here(lp.compressors.VectorCompressor):
        """Of this process."""

        def compress(self, vector):
            return vector

    tree = quick(uplink__compressor=Here()) | {"sweep": {"seed": [1, 2]}}
    with pytest.raises(Refusal, match="compressor here is known to this process alone"):
        lp.sweep(tree, out=tmp_path / "s", quiet=True)


@pytest.mark.long
def test_the_quick_start(installed, tmp_path):
    done = call(
        "run", "quickstart", "--rounds", 3, "--set", "uplink.compressor=their_top_k",
        "--out", tmp_path / "q", path=installed,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
