"""The figures of a study, each drawn where the sweep varied what it needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from laser_phy.experiments.report.drawing import (
    Picture,
    band,
    canvas,
    legend,
    scale_x,
    sentence,
    style,
)
from laser_phy.experiments.report.study import Scheme, Study, spread
from laser_phy.experiments.sweep.results import RUN, SWEEP

_MOST_AXES = 4
_MOST_PANELS = 4
_MOST_ALT = 12
_MANY = 5
_MOST_ROWS = 40


def pictures(study: Study) -> Iterator[Picture]:
    """Every figure that the sweep has something for."""
    for axis in study.numeric[:_MOST_AXES]:
        yield metric_against(study, axis)
    if not study.numeric or len(study.lines(study.numeric[0])) >= _MANY:
        yield metric_by_scheme(study)
    if study.epochs["air_time_ms"].gt(0).any():
        yield metric_against_air_time(study)
    if {"uplink_snr_db", "uplink_nmse_db"} <= set(study.runs):
        yield nmse_against_snr(study)
    if len(study.numeric) + bool(study.named) >= 2:
        yield heat_map(study)


def metric_against(study: Study, axis: str) -> Picture:
    """Score against an axis, a line a scheme, a band from the lowest to the highest seed."""
    figure, (plot,) = canvas()
    said = []
    for index, line in enumerate(study.lines(axis)):
        table = line.runs.groupby(axis)["score"].agg(["mean", "min", "max"]).sort_index()
        table *= study.scale
        plot.plot(table.index, table["mean"], label=line.name, **style(index))
        band(plot, index, table.index, table["min"], table["max"])
        said.append((line.name, [(f"{x:g}", y) for x, y in table["mean"].items()]))
    scale_x(plot, axis, study.runs[axis])
    plot.set_xlabel(study.label(axis))
    plot.set_ylabel(study.metric_label)
    legend(figure, plot)
    key = study.key(axis)
    return Picture(
        f"metric_against_{key.replace('.', '_')}",
        sentence(f"{study.metric_name} against {study.title_of(axis)}"),
        _seeds(study, "band") + study.missing_lines(axis),
        _told(f"{study.metric_label} against {study.label(axis)}", said, study.unit),
        figure,
    )


def metric_by_scheme(study: Study) -> Picture:
    """Score of every scheme, a mark a value of the first axis, from the lowest to the highest."""
    axis = study.numeric[0] if study.numeric else None
    lines = study.schemes(axis)[:_MOST_ROWS]
    figure, (plot,) = canvas(height=1.2 + 0.32 * len(lines))
    said: list[tuple[str, list[tuple[str, float]]]] = [(line.name, []) for line in lines]
    values = spread(sorted(study.runs[axis].unique()), _MOST_PANELS) if axis else [None]
    for index, value in enumerate(values):
        name = study.said(axis, value) if axis else ""
        if name:
            plot.plot([], [], label=name, **style(index) | {"linestyle": "none"})
        for row, line in enumerate(lines):
            part = line.runs if axis is None else line.runs[line.runs[axis] == value]
            scores = part["score"] * study.scale
            if scores.empty:
                continue
            look = style(index) | {"linestyle": "none", "markersize": 7}
            plot.plot(scores.mean(), row, **look)
            if axis is None:
                at = {"xytext": (0, 6), "textcoords": "offset points", "ha": "center", "size": 7.5}
                plot.annotate(_score(scores.mean(), study), (scores.mean(), row), **at)
            plot.hlines(row, scores.min(), scores.max(), color=look["color"], lw=1.5)
            said[row][1].append((name or "one setting", float(scores.mean())))
    plot.set_yticks(range(len(lines)), [line.name for line in lines])
    plot.invert_yaxis()
    plot.set_xlabel(study.metric_label)
    legend(figure, plot)
    count = len(study.schemes(axis))
    more = f" {len(lines)} of {count} schemes are drawn." if len(lines) < count else ""
    return Picture(
        "metric_by_scheme",
        sentence(f"{study.metric_name} of every scheme"),
        _seeds(study, "line") + more,
        _told(f"{study.metric_label} of every scheme", said, study.unit),
        figure,
    )


def metric_against_air_time(study: Study) -> Picture:
    """Test metric after every epoch against the time on the air until then."""
    epochs = _with_air_time(study)
    metric = study.metric if not study.score.startswith("ema_") else f"ema_{study.metric}"
    axis = study.numeric[0] if study.numeric else None
    panels = _panels(study, epochs, axis)
    figure, plots = canvas(len(panels))
    said: list[tuple[str, list[tuple[str, float]]]] = []
    longest = epochs.groupby([SWEEP, RUN])["air_time_s"].max()
    for plot, (title, part) in zip(plots, panels, strict=True):
        for index, line in enumerate(study.lines(axis, part)):
            grouped = line.runs.groupby("epoch")
            x, y = grouped["air_time_s"].mean(), grouped[metric].mean() * study.scale
            look = style(index) | {"markersize": 2.5}
            plot.plot(x, y, label=line.name, **look)
            band(
                plot, index, x, grouped[metric].min() * study.scale,
                grouped[metric].max() * study.scale,
            )  # fmt: skip
            name = f"{line.name} {title}".strip()
            said.append((name, [(f"{x.iloc[-1]:.3g} s", float(y.iloc[-1]))]))
        if longest.max() / longest.min() >= 8:
            plot.set_xscale("log")
        plot.set_title(title, fontsize=10)
        plot.set_xlabel("time on the air (s)")
    _label_rows(plots, study.metric_label.replace(", best epoch", ""))
    legend(figure, plots[0])
    return Picture(
        "metric_against_air_time",
        sentence(f"{study.metric_name.replace(', best epoch', '')} against time on the air"),
        f"A mark an epoch. {_seeds(study, 'band')}{study.missing_lines(axis)}",
        _told(f"{study.metric_label} against the time on the air", said, study.unit, "at the end"),
        figure,
    )


def nmse_against_snr(study: Study) -> Picture:
    """Error of the decoded sum, and of the gradient, against the measured SNR of the uplink."""
    figure, plots = canvas(2)
    axis = study.numeric[0] if study.numeric else None
    lines = study.lines(axis)
    said = []
    for plot, (column, title) in zip(
        plots,
        (
            ("uplink_nmse_db", "decoded against what was sent"),
            ("gradient_nmse_db", "decoded against the true mean gradient"),
        ),
        strict=True,
    ):
        for index, line in enumerate(lines):
            means = _means(line, study, column)
            plot.plot(means["uplink_snr_db"], means[column], label=line.name, **style(index))
            pairs = zip(means["uplink_snr_db"], means[column], strict=True)
            if plot is plots[0]:
                said.append((line.name, [(f"{x:.1f} dB", float(y)) for x, y in pairs]))
        plot.axhline(0, color="#777777", lw=0.8)
        plot.set_title(title, fontsize=10)
        plot.set_xlabel("measured SNR of the uplink (dB)")
    plots[0].set_ylabel("NMSE (dB)")
    legend(figure, plots[0])
    return Picture(
        "nmse_against_snr",
        "Error of the link against its SNR",
        "Means over a run and over seeds. Above 0 dB one round's estimate is further from the "
        "truth than nothing at all would be; training goes well all the same where errors average "
        f"out over rounds, and where error feedback sends later what was left out now."
        f"{study.missing_lines(axis)}",
        _told("NMSE of what was sent against the measured uplink SNR", said, " dB"),
        figure,
    )


def heat_map(study: Study) -> Picture:
    """Mean score over two axes: two with numbers if there are, else one of them and the schemes."""
    runs, across = study.runs.copy(), study.numeric[0] if study.numeric else study.named[0]
    rest = [c for c in (*study.numeric, *study.named) if c != across]
    if len(study.numeric) >= 2:
        down = study.numeric[1]
        groups = list(study.groups(runs, study.named))
        panels = [(line.name if len(groups) > 1 else "", line.runs) for line in groups]
    else:
        down = "scheme"
        lines = study.lines(across)
        names = pd.concat([pd.Series(line.name, index=line.runs.index) for line in lines])
        runs = runs.loc[names.index].assign(scheme=names)
        panels = [("", runs)]
    missing = len(panels) - _MOST_PANELS
    panels = panels[:_MOST_PANELS]
    rows = runs[down].nunique()
    figure, plots = canvas(len(panels), height=1.3 + 0.42 * max(rows, 3))
    low, high = runs["score"].min() * study.scale, runs["score"].max() * study.scale
    said: list[tuple[str, list[tuple[str, float]]]] = []
    image: Any = None
    for plot, (title, part) in zip(plots, panels, strict=True):
        grid = part.pivot_table(index=down, columns=across, values="score", sort=down != "scheme")
        grid = grid[sorted(grid.columns)] * study.scale
        image = plot.imshow(
            grid,
            aspect="auto",
            origin="upper" if down == "scheme" else "lower",
            vmin=low,
            vmax=high,
        )
        plot.grid(visible=False)
        plot.set_xticks(range(len(grid.columns)), [_tick(value) for value in grid.columns])
        plot.set_yticks(range(len(grid.index)), [_tick(value) for value in grid.index])
        plot.set_title(title, fontsize=10)
        plot.set_xlabel(study.label(across))
        _numbers(plot, grid, (low + high) / 2, study)
        for row in grid.index:
            name = f"{title} {'' if down == 'scheme' else study.key(down)} {_tick(row)}".strip()
            said.append((name, [(_tick(x), float(y)) for x, y in grid.loc[row].items()]))
    _label_rows(plots, "" if down == "scheme" else study.label(down))
    figure.colorbar(image, ax=plots, label=study.metric_label)
    other = "scheme" if down == "scheme" else study.title_of(down)
    more = [study.key(c) for c in rest if c != down and c not in study.named]
    over = f" Mean over {', '.join(more)}." if more else ""
    left = f" {len(panels)} of {len(panels) + missing} schemes are drawn." if missing > 0 else ""
    return Picture(
        "metric_map",
        sentence(f"{study.metric_name} over {study.title_of(across)} and {other}"),
        f"{_seeds(study)}{over}{left}",
        _told(f"Map of the {study.metric_label}", said, study.unit),
        figure,
    )


def _label_rows(plots: Sequence[Any], label: str) -> None:
    """The label of the axis up, at the first panel of every row of two."""
    for plot in plots[::2]:
        plot.set_ylabel(label)


def _numbers(plot: Any, grid: pd.DataFrame, middle: float, study: Study) -> None:
    for i, row in enumerate(grid.to_numpy(dtype=float)):
        for j, value in enumerate(row):
            if np.isfinite(value):
                colour = "black" if value > middle else "white"
                text = _score(value, study)
                plot.text(j, i, text, ha="center", va="center", color=colour, size=8)


def _score(value: float, study: Study) -> str:
    """In the figure's scale."""
    return f"{value:.1f}" if study.unit else f"{value:.3g}"


def _tick(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def _means(line: Scheme, study: Study, column: str) -> pd.DataFrame:
    """Means over seeds, in rising SNR."""
    columns = ["uplink_snr_db", column]
    if not study.numeric:
        return line.runs[columns].mean().to_frame().T
    return line.runs.groupby(study.numeric[0])[columns].mean().sort_values("uplink_snr_db")


def _with_air_time(study: Study) -> pd.DataFrame:
    epochs = study.epochs.sort_values([SWEEP, RUN, "epoch"], kind="stable").copy()
    per_run = epochs.groupby([SWEEP, RUN])
    rounds = per_run["rounds"].diff().fillna(epochs["rounds"])
    epochs["air_time_s"] = rounds * epochs["air_time_ms"] / 1000
    epochs["air_time_s"] = epochs.groupby([SWEEP, RUN])["air_time_s"].cumsum()
    return epochs.sort_index()


def _panels(study: Study, epochs: pd.DataFrame, axis: str | None) -> list[tuple[str, pd.DataFrame]]:
    """A part a value of the first axis, some of them where there are many."""
    if axis is None:
        return [("", epochs)]
    values = spread(sorted(epochs[axis].unique()), _MOST_PANELS)
    return [(study.said(axis, value), epochs[epochs[axis] == value]) for value in values]


def _seeds(study: Study, spread: str = "") -> str:
    """What was averaged over, and what shows the spread."""
    if study.seeds < 2:
        return "One seed."
    shown = f"; the {spread} goes from the lowest to the highest" if spread else ""
    return f"Mean over {study.seeds} seeds{shown}."


def _told(
    what: str, said: list[tuple[str, list[tuple[str, float]]]], unit: str, where: str = "at"
) -> str:
    """The numbers of a figure in words."""
    parts = []
    for name, points in said[:_MOST_ALT]:
        numbers = ", ".join(f"{y:.3g}{unit} {where} {x}" for x, y in points)
        parts.append(f"{name}: {numbers}")
    more = f"; and {len(said) - _MOST_ALT} more lines" if len(said) > _MOST_ALT else ""
    return f"{sentence(what)}. {'; '.join(parts)}{more}."
