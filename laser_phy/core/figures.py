"""How all figures look, and how one begins: colours, spines, no pyplot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's colours, told apart by every kind of colour vision.
BLUE, VERMILION, GREEN, ORANGE = "#0072B2", "#D55E00", "#009E73", "#E69F00"
PURPLE, SKY, GREY = "#CC79A7", "#56B4E9", "#777777"
COLOURS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, GREY)


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches. Not pyplot: it has state, and looks for a screen."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", dpi=110)
    FigureCanvasAgg(figure)
    return figure


def plain(axis: Any) -> None:
    """Axes with a faint grid, open above and to the right."""
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
