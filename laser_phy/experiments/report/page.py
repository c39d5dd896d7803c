"""`report.html`: a study on one page that needs no other file and no network."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from importlib.metadata import version
from typing import Any

import pandas as pd
from jinja2 import Environment, StrictUndefined

from laser_phy.experiments.report.drawing import Picture
from laser_phy.experiments.report.power_needed import ScoreTable, TargetRow
from laser_phy.experiments.report.study import Study
from laser_phy.experiments.report.units import name_and_unit
from laser_phy.experiments.sweep.results import RUN, STATUS, SWEEP
from laser_phy.experiments.sweep.run_names import in_short
from laser_phy.experiments.sweep_axes import LABEL

_LINK = ("uplink_snr_db", "uplink_nmse_db", "air_time_ms", "symbols_per_round")


@dataclass(frozen=True)
class Cell:
    """Of the table of runs: its text, and the number to sort by where it is one."""

    text: str
    number: float | None = None


def page(
    study: Study,
    figures: Sequence[Picture],
    needs: Sequence[TargetRow],
    scores: ScoreTable | None = None,
) -> str:
    """The whole page."""

    text = resources.files("laser_phy.experiments.report").joinpath("page.html").read_text("utf-8")
    template = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    ).from_string(text)
    columns, rows = _runs(study)
    return template.render(
        title=study.title,
        descriptions=[s.description for s in study.sweep.scenarios if s.description],
        summary=_summary(study),
        metric=study.metric_label,
        power=study.label(study.power) if study.power else "",
        targets=[score_text(study, row.target) for row in needs],
        needs=_need_rows(study, needs),
        scores=scores,
        figures=[
            {
                "title": one.title,
                "caption": one.caption,
                "alt": one.alt,
                "source": _inline(one),
                "widths": one.widths_rem,
            }
            for one in figures
        ],
        columns=columns,
        rows=rows,
        version=version("laser-phy"),
    )


def score_text(study: Study, value: float) -> str:
    """A score as people read it."""
    return f"{value * study.scale:.1f}{study.unit}" if study.unit else f"{value:.4g}"


def _need_rows(study: Study, targets: Sequence[TargetRow]) -> list[dict[str, Any]]:
    """A row a scheme, a cell a target."""
    unit = " dB" if study.power and study.power.endswith("_db") else ""
    return [
        {
            "scheme": name,
            "cells": [
                {"need": row.needs[name].text(unit), "ratio": row.ratios[name]} for row in targets
            ],
        }
        for name in (targets[0].needs if targets else ())
    ]


def _summary(study: Study) -> str:
    settings = [
        f"{name_and_unit(study.key(column))[0]} ({study.runs[column].nunique(dropna=False)} values)"
        for column in study.varying
    ]
    count = len(study.runs)
    runs = "1 run" if count == 1 else f"{count} runs"
    differ = f" that differ in {', '.join(settings)}" if settings else ""
    return " ".join([f"{runs}{differ}.", *study.remarks()])


def _runs(study: Study) -> tuple[list[str], list[list[Cell]]]:
    runs = study.sweep.runs
    several = [SWEEP] if runs[SWEEP].nunique() > 1 else []
    scores = [c for c in ("final", "best", "ema_final", "ema_best") if c in runs]
    link = [c for c in _LINK if c in runs]
    columns = [*several, *study.varying, STATUS, *scores, *link, RUN]
    names = [_heading(study, c) for c in columns]
    rows = [
        [_cell(study, column, row[column], column in scores) for column in columns]
        for row in runs.to_dict("records")
    ]
    return names, rows


def _heading(study: Study, column: str) -> str:
    if column in _LINK:
        return study.label(column)
    return column if column in (LABEL, SWEEP) else study.heading(column)


def _cell(study: Study, column: str, value: Any, is_score: bool) -> Cell:
    if value is None or (isinstance(value, float) and math.isnan(value)) or value is pd.NA:
        return Cell("", -math.inf if is_score else None)
    if isinstance(value, int | float):
        text = (
            score_text(study, value)
            if is_score
            else f"{value:.4g}"
            if isinstance(value, float)
            else str(value)
        )
        return Cell(text, float(value))
    return Cell(in_short(value))


def _inline(picture: Picture) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(picture.svg.encode()).decode()
