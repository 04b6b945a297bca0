"""A table from a file as columns of text: CSV, TSV, Parquet, a sheet of Excel, or one of scikit-learn's tables."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fallline.datasets.cells import SEPARATORS, TableCells, read_cells
from fallline.errors import DataError, UnknownName
from fallline.userdata.needed import needed
from fallline.userdata.spec import DataSpec

if TYPE_CHECKING:
    import polars as pl

MISSING = ("", "NA", "N/A", "n/a", "nan", "NaN", "NAN", "null", "NULL", "None", "NONE", "?", "-", "#N/A", "<NA>")
"""Cells that mean that nothing is known."""

SHIPPED = ("breast_cancer", "diabetes", "digits", "iris", "linnerud", "wine")
"""The tables that scikit-learn holds."""

HEAD_BYTES = 65_536


@dataclass(frozen=True)
class RawTable:
    """The rows of a table as text: ``frame`` has a String column for each name, null where nothing is known.

    ``path`` names it in errors, ``digest`` is the SHA-256 of its content; ``place(row)`` says where a row is.
    """

    path: Path
    digest: str
    frame: pl.DataFrame
    place: Callable[[int, str], str]


def find_file(written: str, folder: Path | None, key: str) -> Path:
    """The path that a study names, which starts at the study's folder; DataError where there is nothing."""
    path = (folder or Path.cwd()) / Path(written).expanduser()
    try:
        there = path.exists()
    except OSError:  # a name too long for the file system
        there = False
    if there:
        return path
    near = ""
    if path.parent.is_dir():
        import difflib

        names = difflib.get_close_matches(path.name, [p.name for p in path.parent.iterdir()], n=3, cutoff=0.5)
        near = f"; did you mean {' or '.join(names)}?" if names else ""
    raise DataError(
        f'there is no file {path} ([data], {key} = "{written}"){near or "; the path starts at the folder of the study"}'
    )


def read_rows(spec: DataSpec, folder: Path | None) -> RawTable:
    """The rows of the table that ``spec`` names; DataError where it cannot be read."""
    if spec.source == "table":
        return _shipped(spec.table)
    path = find_file(spec.written, folder, spec.source)
    if path.is_dir():
        raise DataError(f"{path} is a folder; [data] {spec.source} names a file (a folder of images: images = ...)")
    missing = (*MISSING, *spec.missing)
    if spec.source in ("csv", "tsv"):
        return _of_cells(path, spec, missing)
    try:
        frame = _read_excel(path) if spec.source == "xlsx" else _read_parquet(path)
    except DataError:
        raise
    except Exception as failure:
        first = str(failure).splitlines()[0][:200] if str(failure) else type(failure).__name__
        raise DataError(f"{path} cannot be read as {spec.source}: {first}") from None
    if frame.is_empty():
        raise DataError(f"{path} has no rows")
    return RawTable(
        path, file_digest(path), _as_text(frame, missing), lambda row, name: f"row {row + 1}, column {name}"
    )


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def _of_cells(path: Path, spec: DataSpec, missing: tuple[str, ...]) -> RawTable:
    import polars as pl

    separator = spec.separator or ("\t" if spec.source == "tsv" else _likely_separator(path))
    cells: TableCells = read_cells(path, separator)
    names = [name for name in cells.names if name]
    frame = pl.DataFrame({name: cells.column(name) for name in names})
    if frame.is_empty():
        raise DataError(f"{path} has a header and no rows")

    def place(row: int, name: str) -> str:
        return str(cells.wrong(row, name, "")).removeprefix(f"{path}, ").removesuffix(": ")

    return RawTable(path, file_digest(path), _as_text(frame, missing), place)


def _likely_separator(path: Path) -> str:
    """The separator that the first line has most of; a comma where it has none."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
        if head[:2] == b"\x1f\x8b":
            with gzip.open(path, "rb") as file:
                head = file.read(HEAD_BYTES)
    except (OSError, EOFError):
        return ","
    line = head.splitlines()[0].decode("utf-8", "replace") if head.strip() else ""
    return max(reversed(SEPARATORS), key=line.count) if line else ","


def _read_parquet(path: Path) -> pl.DataFrame:
    import polars as pl

    return pl.read_parquet(path, glob=False)


def _read_excel(path: Path) -> pl.DataFrame:
    import polars as pl

    needed("fastexcel", "fastexcel", "an Excel file")
    return pl.read_excel(path, infer_schema_length=None)


def _as_text(frame: pl.DataFrame, missing: tuple[str, ...]) -> pl.DataFrame:
    import polars as pl

    nested = [name for name, kind in frame.schema.items() if kind.is_nested()]
    if nested:
        raise DataError(f"the column {nested[0]} holds lists or structs; a table has one value per cell")
    text = frame.select(pl.all().cast(pl.String).str.strip_chars())
    return text.select(
        pl.when(pl.col(name).is_in(missing)).then(None).otherwise(pl.col(name)).alias(name) for name in text.columns
    )


def _shipped(name: str) -> RawTable:
    import polars as pl

    known = name.replace("-", "_")
    if known not in SHIPPED:
        raise UnknownName("table of scikit-learn", name, [other.replace("_", "-") for other in SHIPPED], "[data] table")
    datasets = needed("sklearn.datasets", "scikit-learn", "one of scikit-learn's tables")
    raw: Any = getattr(datasets, f"load_{known}")(**({"scaled": False} if known == "diabetes" else {}))
    columns: dict[str, Any] = {
        str(feature).replace(" ", "_").replace("_(cm)", "_cm"): raw.data[:, i]
        for i, feature in enumerate(raw.feature_names)
    }
    targets = raw.target.reshape(len(raw.target), -1)
    names = getattr(raw, "target_names", None)
    if known == "linnerud":
        columns |= {str(column): targets[:, i] for i, column in enumerate(raw.target_names)}
    elif names is not None and known != "digits":
        columns["target"] = [str(names[label]) for label in raw.target]
    else:
        columns["target"] = targets[:, 0]
    frame = pl.DataFrame(columns)
    digest = hashlib.sha256(frame.write_csv().encode()).hexdigest()
    return RawTable(Path(name), digest, _as_text(frame, MISSING), lambda row, column: f"row {row + 1}, column {column}")
