"""What the figures of a study say in words."""

from __future__ import annotations

from laser_phy.experiments.report.drawing import sentence
from laser_phy.experiments.report.study import Study

MOST_LINES = 12


def score(value: float, study: Study) -> str:
    """In the figure's scale."""
    return f"{value:.1f}" if study.unit else f"{value:.3g}"


def tick(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def seeds(study: Study, spread: str = "") -> str:
    """What was averaged over, and what shows the spread."""
    if study.seeds < 2:
        return "One seed."
    shown = f"; the {spread} goes from the lowest to the highest" if spread else ""
    return f"Mean over {study.seeds} seeds{shown}."


def told(
    what: str, said: list[tuple[str, list[tuple[str, float]]]], unit: str, where: str = "at"
) -> str:
    """The numbers of a figure in words."""
    parts = []
    for name, points in said[:MOST_LINES]:
        numbers = ", ".join(f"{y:.3g}{unit} {where} {x}" for x, y in points)
        parts.append(f"{name}: {numbers}")
    more = f"; and {len(said) - MOST_LINES} more lines" if len(said) > MOST_LINES else ""
    return f"{sentence(what)}. {'; '.join(parts)}{more}."
