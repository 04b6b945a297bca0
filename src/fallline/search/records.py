"""The records of a search: what was asked in each bracket, and what every setting reached, in the run's folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from fallline.errors import StoreError
from fallline.store.files import read_json, read_parquet, write_json, write_parquet
from fallline.store.paths import RunPaths

NOTES, ROWS = "search.json", "settings.parquet"
FORMAT = 2

NOT_SEARCHED = ("bracket", "rung", "steps", "seeds", "trial_steps", "optimizer", "value")
"""The columns of a row of settings besides the searched values."""


@dataclass
class SearchRecord:
    """What a search asked: of each bracket, by optimizer, points [settings, dimensions] of the unit cube. ``seconds``:
    the time of each bracket that was trained. ``study`` is the hash of the study that is searched."""

    folder: Path
    study: str
    brackets: list[dict[str, list[list[float]]]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    @classmethod
    def of(cls, out: Path, study: str) -> SearchRecord:
        """The record in ``out``, or a new one; StoreError where it is of another study."""
        folder = RunPaths(out).search
        if not (folder / NOTES).exists():
            return cls(folder, study)
        known = read_json(folder / NOTES)
        if not isinstance(known, dict) or known.get("format") != FORMAT:
            raise StoreError(f"{folder / NOTES} is not a search that this version can continue; choose another --out")
        if known["study"] != study:
            raise StoreError(
                f"{out} holds a search of another study, or of this one before an edit; choose another folder with "
                "--out, or --fresh to rename what is there"
            )
        return cls(folder, study, known["brackets"], known["seconds"])

    def asked(self, bracket: int, points: dict[str, np.ndarray]) -> None:
        """Record what bracket number ``bracket`` tries, before it trains."""
        if bracket == len(self.brackets):
            self.brackets.append({name: np.round(rows, 12).tolist() for name, rows in points.items()})
            self.write()

    def trained(self, bracket: int, seconds: float) -> None:
        """Record that bracket number ``bracket`` is trained; a time that is known stays."""
        if bracket == len(self.seconds):
            self.seconds.append(seconds)
            self.write()

    def write(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(
            self.folder / NOTES,
            {"format": FORMAT, "study": self.study, "seconds": self.seconds, "brackets": self.brackets},
        )

    def rung(self, bracket: int, rung: int) -> Path:
        """The run folder of a rung."""
        return self.folder / f"bracket-{bracket + 1}" / f"rung-{rung + 1}"

    def write_rows(self, rows: list[dict[str, Any]]) -> None:
        """One row per (bracket, rung, setting): ``settings_of`` reads them."""
        write_parquet(self.folder / ROWS, pl.DataFrame(rows, infer_schema_length=None))


def settings_of(out: Path) -> pl.DataFrame | None:
    """The settings that the search in a run folder tried, one row per (bracket, rung, setting): optimizer, steps,
    seeds, trial_steps, value (mean of ``metric`` over seeds; null where a seed diverged), and the searched values; None
    where the folder has no search."""
    path = RunPaths(out).search / ROWS
    return read_parquet(path) if path.exists() else None
