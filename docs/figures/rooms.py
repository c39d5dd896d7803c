"""Draws the rooms of the package and the arrows between them: `python docs/figures/rooms.py`."""

import argparse
import ast
from collections import Counter
from pathlib import Path

from laser_phy.core.figures import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILION, new_figure

ROOT = Path(__file__).resolve().parents[2]
LAYERS = (
    (("core",), GREY),
    (("channels", "models", "compressors", "power", "power_control", "data", "theory"), SKY),
    (("phy",), BLUE),
    (("receivers",), BLUE),
    (("uplink", "downlink"), GREEN),
    (("training",), ORANGE),
    (("testing",), ORANGE),
    (("callbacks",), ORANGE),
    (("experiments",), VERMILION),
    (("cli",), PURPLE),
)


def rooms() -> list[str]:
    """All of them, from the ground up."""
    return [room for names, _ in LAYERS for room in names]


def files(room: str) -> list[Path]:
    """The files of a room."""
    top = ROOT / room if room in ("channels", "models") else ROOT / "laser_phy" / room
    return sorted(top.rglob("*.py"))


def imported(file: Path) -> set[str]:
    """Rooms that a file imports from."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    parts = (name.split(".") for name in names if name.startswith("laser_phy."))
    return {part[1] for part in parts} & set(rooms())


def arrows() -> Counter[tuple[str, str]]:
    """(room, room below) -> files of the first that import the second."""
    found: Counter[tuple[str, str]] = Counter()
    for room in rooms():
        for file in files(room):
            found.update((room, goal) for goal in imported(file) - {room})
    return found


def draw(path: Path) -> None:
    """The rooms from the ground up, an arrow's width by the files that it stands for."""
    figure = new_figure(10, 9.5)
    axis = figure.subplots()
    places = {}
    for height, (names, colour) in enumerate(LAYERS):
        for index, room in enumerate(names):
            x = (index + 0.5) / len(names) * 10
            places[room] = (x, height)
            lines = sum(len(file.read_text(encoding="utf-8").splitlines()) for file in files(room))
            axis.text(
                x, height, f"{room}\n{len(files(room))} files, {lines:,} lines",
                ha="center", va="center", fontsize=8.5, zorder=3,
                bbox={"boxstyle": "round", "facecolor": "white", "edgecolor": colour, "lw": 2},
            )  # fmt: skip
    for (room, goal), count in arrows().items():
        if goal == "core":  # everybody stands on it
            continue
        axis.annotate(
            "", places[goal], places[room], zorder=1,
            arrowprops={
                "arrowstyle": "->", "color": GREY, "alpha": 0.55, "lw": 0.6 + 0.22 * count**0.7,
                "shrinkA": 16, "shrinkB": 16, "connectionstyle": "arc3,rad=0.08",
            },
        )  # fmt: skip
    axis.set(xlim=(-0.6, 10.6), ylim=(-0.6, len(LAYERS) - 0.4))
    axis.set_axis_off()
    figure.savefig(path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images" / "rooms.png")
    draw(parser.parse_args().out)
