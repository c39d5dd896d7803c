"""`report.html`: a study on one page that needs no other file and no network."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import pandas as pd
from jinja2 import Environment, StrictUndefined

from laser_phy.study_report.drawing import Picture
from laser_phy.study_report.study import Study
from laser_phy.study_report.targets import TargetRow
from laser_phy.sweeps.axes import LABEL
from laser_phy.sweeps.naming import in_short
from laser_phy.sweeps.results import RUN, STATUS, SWEEP

_LINK = ("uplink_snr_db", "uplink_nmse_db", "air_time_ms", "symbols_per_round")


@dataclass(frozen=True)
class Cell:
    """Of the table of runs: its text, and the number to sort by where it is one."""

    text: str
    number: float | None = None


def page(study: Study, figures: Sequence[Picture], needs: Sequence[TargetRow]) -> str:
    """The whole page."""
    from laser_phy import __version__

    text = resources.files("laser_phy.study_report").joinpath("page.html").read_text("utf-8")
    template = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    ).from_string(text)
    columns, rows = _runs(study)
    schemes = list(needs[0].needs) if needs else []
    return template.render(
        title=study.title,
        descriptions=[s.description for s in study.sweep.scenarios if s.description],
        summary=_summary(study),
        metric=study.metric_label,
        power=study.label(study.power) if study.power else "",
        schemes=schemes,
        needs=[_need_row(study, row) for row in needs],
        figures=[
            {
                "title": one.title,
                "caption": one.caption,
                "alt": one.alt,
                "source": _inline(one),
                "width_rem": one.width_rem,
            }
            for one in figures
        ],
        columns=columns,
        rows=rows,
        version=__version__,
    )


def score_text(study: Study, value: float) -> str:
    """A score as people read it."""
    return f"{value * study.scale:.1f}{study.unit}" if study.unit else f"{value:.4g}"


def _need_row(study: Study, row: TargetRow) -> dict[str, Any]:
    unit = " dB" if study.power and study.power.endswith("_db") else ""
    cells = [
        {"need": need.text(unit), "ratio": row.ratios[name]} for name, need in row.needs.items()
    ]
    return {"target": score_text(study, row.target), "cells": cells}


def _summary(study: Study) -> str:
    settings = [
        f"{study.key(column)} ({study.runs[column].nunique(dropna=False)} values)"
        for column in study.varying
    ]
    left = f" {study.left_out} more have no score." if study.left_out else ""
    return f"{len(study.runs)} runs that differ in {', '.join(settings) or 'nothing'}.{left}"


def _runs(study: Study) -> tuple[list[str], list[list[Cell]]]:
    runs = study.sweep.runs
    several = [SWEEP] if runs[SWEEP].nunique() > 1 else []
    scores = [c for c in ("final", "best", "ema_final", "ema_best") if c in runs]
    link = [c for c in _LINK if c in runs]
    columns = [*several, *study.varying, STATUS, *scores, *link, RUN]
    names = [c if c in (LABEL, *several) else study.key(c).replace("_", " ") for c in columns]
    rows = [
        [_cell(study, column, row[column], column in scores) for column in columns]
        for row in runs.to_dict("records")
    ]
    return names, rows


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
