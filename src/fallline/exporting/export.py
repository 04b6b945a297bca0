"""Export a run: written to a temporary folder, then renamed, so that the folder is complete or absent."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from fallline.errors import HyperparameterError, StoreError, UnknownName
from fallline.exporting import frames, mlflow, tensorboard
from fallline.exporting.points import POINTS
from fallline.store import Run
from fallline.store.checksums import note_folder
from fallline.store.files import cannot_write

EXPORTS = {
    "tensorboard": tensorboard.write,
    "mlflow": mlflow.write,
    "parquet": frames.write_parquets,
    "csv": frames.write_csvs,
}
"""By name, the function that fills a folder: called with the run, that folder, its final path, points, progress."""


def export(
    run: Run, to: str, out: Path | None = None, points: int = POINTS, progress: Callable[[int, int], None] | None = None
) -> Path:
    """Write the run to the new folder ``out`` (default: ``exports/TO`` in the run folder), in the form ``to``.

    TensorBoard and MLflow get at most ``points`` points per curve of a trial, evenly spaced with both ends; 0: all.
    Parquet and CSV have every point. ``progress`` is called with the number of trials written and their total.
    UnknownName for an unknown form; StoreError where an extra is not installed, or ``out`` is not empty.
    """
    if to not in EXPORTS:
        raise UnknownName("export", to, EXPORTS)
    if points < 0 or points == 1:
        raise HyperparameterError(
            f"the points of a curve must be 2 or more, its two ends, or 0 for all of them, got {points}"
        )
    out = run.folder / "exports" / to if out is None else Path(out)
    try:
        _fill(run, to, out, points, progress or (lambda done, of: None))
    except OSError as failure:
        raise StoreError(cannot_write(out, failure)) from failure
    return out


def _fill(run: Run, to: str, out: Path, points: int, progress: Callable[[int, int], None]) -> None:
    """Fill a temporary folder next to ``out``, then rename it."""
    if out.is_symlink() or (out.exists() and (not out.is_dir() or any(out.iterdir()))):
        raise StoreError(
            f"{out} exists already, and an export makes a new folder: remove it, or choose another with --out"
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
    try:
        EXPORTS[to](run, aside, out, points, progress)
        aside.chmod(0o755)
        if out.exists():
            out.rmdir()
        os.replace(aside, out)
        note_folder(run.folder, out, known_too=True)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
