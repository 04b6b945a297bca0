"""What Python users call: run a study, open its folder, get frames, figures and a report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from fallline.errors import StoreError, UnknownName
from fallline.store import Run
from fallline.store import open_run as open_records
from fallline.store.files import PARQUET_FAILURES
from fallline.study import Study, load_study
from fallline.study.said import told

if TYPE_CHECKING:
    from fallline.executors.progress import Listener


@dataclass(frozen=True)
class Result:
    """The records of a run, and what can be made of them."""

    records: Run

    @property
    def folder(self) -> Path:
        return self.records.folder

    @property
    def study(self) -> Study:
        return self.records.study

    @property
    def trials(self) -> pl.DataFrame:
        """One row a trial: its recipe, seed, status, best and final values."""
        return self.records.trials

    @property
    def curves(self) -> pl.DataFrame:
        """One row a (trial, step)."""
        try:
            return self.records.curves.collect()
        except PARQUET_FAILURES as failure:
            raise StoreError(f"a file in {self.records.layout.root / 'curves'} was damaged after it was written: "
                             f"{told(failure)}") from None

    def summary(self) -> pl.DataFrame:
        """One row a configuration: mean, sd, n and 95 % interval over its seeds, best first."""
        from fallline.stats import summary

        return summary(self.records)

    def figure(self, name: str) -> Any:
        """A figure of the report by name, an altair chart; in a notebook it shows itself."""
        from fallline.report import figure

        return figure(self.records, name)

    def report(self, path: str | Path | None = None) -> Path:
        """Write the report page, its figures and tables; the path of the page."""
        from fallline.report import write_report

        return write_report(self.records, None if path is None else Path(path))


def run(study: Study | str | Path, out: str | Path | None = None, *, preset: str | None = None, resume: bool = False,
        data: str | Path | None = None, listen: Listener | None = None, command: str = "") -> Result:
    """Train every trial of ``study`` (a Study, a built-in study's name or a TOML file) that has no records in ``out``.

    ``out`` defaults to ``runs/NAME``; ``data`` is a folder with full data sets. StudyError, DataError, ModelError and
    StoreError say what is wrong before anything is trained.
    """
    from fallline.executors import run_here

    study = study if isinstance(study, Study) else load_study(study)
    study = study.preset(preset) if preset else study
    _check_figures(study)
    out = Path(out) if out is not None else default_folder(study, preset)
    return Result(Run(run_here(study, out, resume, None if data is None else Path(data), listen, command)))


def default_folder(study: Study, preset: str | None = None) -> Path:
    """Where a run goes when no folder is named."""
    return Path("runs") / "-".join(filter(None, [study.name.replace("/", "-"), preset]))


def _check_figures(study: Study) -> None:
    """A figure that there is not is an error before the training, not after it."""
    if study.figures:
        from fallline.report.kinds import figure_kinds

        for number, figure in enumerate(study.figures):
            if figure.kind not in figure_kinds():
                raise UnknownName("figure", figure.kind, figure_kinds(), f"{study.name}, figures, "
                                  f"{number + 1} of {len(study.figures)}")


def open_run(folder: str | Path) -> Result:
    """The result in a run folder, or StoreError where there is none."""
    records = open_records(folder)
    if records.trials.is_empty():
        raise StoreError(f"the run in {folder} has no finished block yet; go on with it: the command that began it, "
                         "and --resume")
    return Result(records)
