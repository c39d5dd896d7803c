"""The figures of a study, each drawn where the sweep varied what it needs."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from laser_phy.experiments.report.drawing import (
    Picture,
    band,
    canvas,
    label_rows,
    legend,
    scale_x,
    sentence,
    style,
)
from laser_phy.experiments.report.heat_map import heat_map
from laser_phy.experiments.report.study import Scheme, Study, spread
from laser_phy.experiments.report.words import score, seeds, told
from laser_phy.experiments.sweep.results import RUN, SWEEP

_MOST_AXES = 4
_MOST_PANELS = 4
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
        seeds(study, "band") + study.missing_lines(axis),
        told(f"{study.metric_label} against {study.label(axis)}", said, study.unit),
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
                plot.annotate(score(scores.mean(), study), (scores.mean(), row), **at)
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
        seeds(study, "line") + more,
        told(f"{study.metric_label} of every scheme", said, study.unit),
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
    label_rows(plots, study.metric_label.replace(", best epoch", ""))
    legend(figure, plots[0])
    return Picture(
        "metric_against_air_time",
        sentence(f"{study.metric_name.replace(', best epoch', '')} against time on the air"),
        f"A mark an epoch. {seeds(study, 'band')}{study.missing_lines(axis)}",
        told(f"{study.metric_label} against the time on the air", said, study.unit, "at the end"),
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
        told("NMSE of what was sent against the measured uplink SNR", said, " dB"),
        figure,
    )


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
