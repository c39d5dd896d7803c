"""What a wheel, a checkout and a reader of the imports must find."""

import ast
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SETUPTOOLS = PYPROJECT["tool"]["setuptools"]
LINKED = ("channels", "models", "scenarios")

LAYERS: tuple[set[str], ...] = (
    {"core"},
    {"channels", "models", "scenarios", "compressors", "power", "power_control", "data", "theory"},
    {"phy"},
    {"receivers"},
    {"uplink", "downlink"},
    {"training"},
    {"testing"},
    {"callbacks"},
    {"experiments"},
    {"cli"},
    {"__main__"},
)
"""The rooms of the house, from the ground up: each imports lower layers alone, and neighbours on a
layer do not know each other. Every folder has its place here; there is no rest."""

INSIDE_EXPERIMENTS: tuple[set[str], ...] = ({""}, {"run"}, {"sweep"}, {"report"})
"""Layers below `experiments`, the files beside the folders first."""

ROOMS = set().union(*LAYERS)

ROOT_ENTRIES = 17
"""At the root of `laser_phy`, links and `py.typed` aside."""


def folders() -> dict[str, Path]:
    """Every folder with Python in it that is a package of ours, by import name."""
    found = {"laser_phy": ROOT / "laser_phy"}
    for top in LINKED:
        found[f"laser_phy.{top}"] = ROOT / top
    for name, folder in list(found.items()):
        for child in sorted(folder.rglob("*")):
            inside = child.is_dir() and not child.is_symlink() and any(child.glob("*.py"))
            if inside and child.name != "__pycache__":
                parts = child.relative_to(folder).parts
                found[".".join((name, *parts))] = child
    return found


def modules() -> Iterator[tuple[str, Path]]:
    """Every module of the package: its import name and its file."""
    for package, folder in folders().items():
        for file in sorted(folder.glob("*.py")):
            stem = file.stem
            yield (package if stem == "__init__" else f"{package}.{stem}"), file


def imports(file: Path) -> set[str]:
    """Names a file imports, those for type checkers left out."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    skipped: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            for part in node.body:
                skipped.update(ast.walk(part))
    names: set[str] = set()
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative imports confuse type checkers here"
            names.add(node.module or "")
            if node.module == "laser_phy":
                names.update(f"laser_phy.{alias.name}" for alias in node.names)
    return names


def concept(module: str) -> str:
    """The part of a module's name below laser_phy, empty for the package itself and for others."""
    first, *below = module.split(".")
    return below[0] if first == "laser_phy" and below else ""


def test_packages_are_the_folders_on_disk() -> None:
    assert sorted(SETUPTOOLS["packages"]) == sorted(folders())


def test_packages_outside_the_main_folder_are_mapped() -> None:
    assert SETUPTOOLS["package-dir"] == {f"laser_phy.{top}": top for top in LINKED}


@pytest.mark.parametrize("top", LINKED)
def test_links_lead_to_the_folders(top: str) -> None:
    link = ROOT / "laser_phy" / top
    assert link.is_symlink()
    assert os.readlink(link) == f"../{top}"


def test_scenarios_are_package_data() -> None:
    assert SETUPTOOLS["package-data"]["laser_phy.scenarios"] == ["*.yaml", "*.json"]
    assert SETUPTOOLS["package-data"]["laser_phy"] == ["py.typed"]


def entries() -> set[str]:
    """What lies at the root of the package, links and marks of tools aside."""
    here = (ROOT / "laser_phy").iterdir()
    return {
        entry.name
        for entry in here
        if not entry.is_symlink() and entry.name not in ("py.typed", "__pycache__")
    }


def level(name: str, layers: tuple[set[str], ...]) -> int:
    """The layer that a room is on; a room without a place is an error."""
    (found,) = [number for number, rooms in enumerate(layers) if name in rooms] or [None]
    assert found is not None, f"{name!r} has no layer: give it one in LAYERS"
    return found


def inside_experiments(module: str) -> str:
    """`run`, `sweep`, `report`, or empty for the files beside them."""
    parts = module.split(".")
    return parts[2] if len(parts) > 2 and parts[2] in ("run", "sweep", "report") else ""


def test_every_room_has_a_layer() -> None:
    rooms = {entry.removesuffix(".py") for entry in entries()} - {"__init__"}
    assert rooms | set(LINKED) == set().union(*LAYERS)


def test_the_root_is_read_at_a_glance() -> None:
    assert len(entries()) <= ROOT_ENTRIES


def test_imports_go_one_way() -> None:
    wrong = []
    for module, file in modules():
        here = concept(module)
        if not here:  # the package gathers what users see
            continue
        for name in imports(file):
            there = concept(name)
            if not name.startswith("laser_phy.") or there == here or there not in ROOMS:
                continue
            if level(there, LAYERS) >= level(here, LAYERS):
                wrong.append(f"{module} imports {name}")
    assert wrong == []


def test_experiments_import_one_way() -> None:
    wrong = []
    for module, file in modules():
        if concept(module) != "experiments":
            continue
        here = inside_experiments(module)
        for name in imports(file):
            there = inside_experiments(name)
            if concept(name) != "experiments" or there == here:
                continue
            if level(there, INSIDE_EXPERIMENTS) >= level(here, INSIDE_EXPERIMENTS):
                wrong.append(f"{module} imports {name}")
    assert wrong == []


def arrows() -> dict[str, set[str]]:
    """Module -> modules it imports, wherever the import stands and whatever it is for.

    What a package's face gives on is imported from the module that has it.
    """
    every = dict(modules())
    trees = {name: ast.parse(file.read_text(encoding="utf-8")) for name, file in every.items()}
    given = {
        (name, alias.asname or alias.name): (node.module, alias.name)
        for name, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }

    def home(module: str, name: str) -> str:
        if f"{module}.{name}" in every:
            return f"{module}.{name}"
        face = module in every and every[module].name == "__init__.py"
        further = given.get((module, name)) if face else None
        return home(*further) if further else module

    found: dict[str, set[str]] = {}
    for module, tree in trees.items():
        if every[module].name == "__init__.py":  # faces gather what is below them
            continue
        goals = found.setdefault(module, set())
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                goals |= {home(node.module or "", alias.name) for alias in node.names}
            elif isinstance(node, ast.Import):
                goals |= {alias.name for alias in node.names}
    return {module: goals & set(every) - {module} for module, goals in found.items()}


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Modules of one circle, in order; empty where there is none."""
    done: set[str] = set()

    def walk(module: str, way: list[str]) -> list[str]:
        if module in way:
            return way[way.index(module) :]
        if module in done:
            return []
        for goal in sorted(graph.get(module, ())):
            if found := walk(goal, [*way, module]):
                return found
        done.add(module)
        return []

    return next((found for module in sorted(graph) if (found := walk(module, []))), [])


def test_no_circle_of_files() -> None:
    assert circle(arrows()) == []


def test_no_circle_of_packages() -> None:
    folders_of: dict[str, set[str]] = {}
    for module, goals in arrows().items():
        here = module.rpartition(".")[0]
        there = {goal.rpartition(".")[0] for goal in goals}
        # a folder below another is a part of it
        folders_of.setdefault(here, set()).update(
            goal for goal in there if not f"{goal}.".startswith(f"{here}.") and goal != "laser_phy"
        )
    parts = {
        here: {goal for goal in goals if not f"{here}.".startswith(f"{goal}.")}
        for here, goals in folders_of.items()
    }
    assert circle(parts) == []


LINES, BODY = 300, 40


def test_a_file_is_read_in_one_sitting() -> None:
    long = {
        module: count
        for module, file in modules()
        if (count := len(file.read_text(encoding="utf-8").splitlines())) > LINES
    }
    assert long == {}


def test_a_body_fits_on_a_screen() -> None:
    """Lines of a function's body, its docstring aside."""
    long = {}
    for module, file in modules():
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                count = body[-1].end_lineno - body[0].lineno + 1 if body else 0
                if count > BODY:
                    long[f"{module}.{node.name}"] = count
    assert long == {}


def test_sionna_is_imported_in_channels_alone() -> None:
    users = {
        concept(module)
        for module, file in modules()
        if any(name.split(".")[0] == "sionna" for name in imports(file))
    }
    assert users == {"channels"}


def test_models_import_keras_alone() -> None:
    allowed = {"keras", "lazy_loader", "laser_phy", "numpy"}
    for module, file in modules():
        if concept(module) == "models":
            third_party = {name.split(".")[0] for name in imports(file)}
            assert third_party - allowed <= set(sys.stdlib_module_names), module
            ours = {name for name in imports(file) if name.startswith("laser_phy")}
            assert all(name.startswith("laser_phy.models") for name in ours), module


def test_every_page_is_in_the_site() -> None:
    """The strict build of the pages in CI refuses one that is not."""
    site = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")}
    assert {page for page in pages if f" {page}\n" not in site} == set()


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_wheel_away_from_the_checkout_runs_the_quick_start(tmp_path: Path) -> None:
    def call(*command: str | Path, cwd: Path = tmp_path) -> str:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        done = subprocess.run(
            list(map(str, command)), cwd=cwd, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    call(sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path, ROOT)
    (wheel,) = tmp_path.glob("*.whl")
    call(sys.executable, "-m", "venv", tmp_path / "empty")
    python = tmp_path / "empty" / "bin" / "python"
    call(python, "-m", "pip", "install", "--quiet", wheel)
    command = tmp_path / "empty" / "bin" / "laser-phy"
    assert "quickstart" in call(command, "list")
    call(command, "run", "quickstart", "--rounds", "3", "--out", "q")
    assert (tmp_path / "q" / "summary.json").is_file()
    assert (tmp_path / "q" / "overview.png").is_file()
