"""Draw a sweep's study into its folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from laser_phy.core.files import write_whole
from laser_phy.experiments.report.figures import pictures
from laser_phy.experiments.report.page import page, score_text
from laser_phy.experiments.report.power_needed import (
    ScoreTable,
    TargetRow,
    power_to_reach,
    score_table,
)
from laser_phy.experiments.report.study import Score, Study, study_of
from laser_phy.experiments.run.run_folder import FolderError
from laser_phy.experiments.sweep.results import load_sweep, write_tables
from laser_phy.experiments.sweep.sweep_folder import SweepFolder


@dataclass(frozen=True)
class Report:
    """What was written.

    Attributes:
        page: the file to open.
        figures: files, PNG and SVG.
        needs: the power that targets take.
        scores: of every scheme at every power.
    """

    study: Study
    page: Path
    figures: list[Path]
    needs: list[TargetRow]
    scores: ScoreTable | None

    def in_words(self) -> list[str]:
        """What came out, a line each."""
        lines: list[str] = []
        table = self.scores.in_lines() if self.scores else []
        for row in self.needs:
            needs = "; ".join(
                f"{name} {need.text('')} (ratio {row.ratios[name]})"
                for name, need in row.needs.items()
            )
            lines.append(f"To reach {score_text(self.study, row.target)}: {needs}")
        if lines and self.study.power:
            lines.insert(0, f"Power needed, in {self.study.label(self.study.power)}:")
        lines = [*table, *lines, *self.study.remarks()]
        lines += [f"Page: {self.page}", f"Figures: {self.page.parent / 'figures'}, PNG and SVG"]
        return lines


def study_report(
    path: str | Path,
    *more: str | Path,
    targets: Sequence[float] = (),
    score: Score = "final",
    tune: Sequence[str] = (),
) -> Report:
    """Write figures and `report.html` to the folder of a sweep, from what is there now.

    Args:
        path: of the sweep; the report goes here.
        more: sweeps to draw together with it.
        targets: of the test metric, to tell the power they take (0.9 for 90 %).
        score: which value of the test metric counts.
        tune: settings of which every scheme gets its best value.

    Raises:
        Refusal: no sweep there, or nothing to draw.
    """
    folder = SweepFolder(Path(path))
    sweep = load_sweep(path, *more)
    study = study_of(sweep, score, tune)
    needs, scores = power_to_reach(study, targets), score_table(study)
    drawn = list(pictures(study))
    for picture in drawn:
        picture.write(folder.figures)
    if not more:
        write_tables(sweep.results, folder)
    try:
        write_whole(folder.report, page(study, drawn, needs, scores))
    except OSError as error:
        raise FolderError(f"{folder.report}: cannot be written: {error.strerror}.") from None
    files = [folder.figures / f"{one.name}{suffix}" for one in drawn for suffix in (".png", ".svg")]
    return Report(study, folder.report, files, needs, scores)
