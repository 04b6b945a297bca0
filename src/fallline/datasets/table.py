"""Your own table: a CSV file with a header, one target column and some input columns."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fallline.contracts import Split, Splits
from fallline.datasets.cells import MAX_BYTES, SHOWN, TableCells, read_cells
from fallline.errors import DataError, HyperparameterError, UnknownName

TABLE = 0x7461626C
"""Keeps these draws apart from any other use of the same seed ("tabl" in ASCII)."""

Scaling = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class DataTable(Splits):
    """The Splits of a table, and the meaning of its columns.

    ``inputs`` are the names of the input columns in their order. ``words`` are the two words of a text target, the
    first encoded as 0 and the second as 1; empty for a numeric target. ``shift`` and ``scale`` [inputs]: each input is
    (value - shift) / scale.
    """

    inputs: tuple[str, ...] = ()
    target: str = ""
    words: tuple[str, ...] = ()
    shift: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()


def read_table(
    path: Path | str,
    inputs: Sequence[str] | None,
    target: str,
    *,
    scale: str = "standard",
    fractions: Sequence[float] = (0.7, 0.15, 0.15),
    seed: int = 0,
    separator: str = ",",
    max_bytes: int = MAX_BYTES,
) -> DataTable:
    """The columns ``inputs`` and ``target`` of a CSV file with a header, as train, validation and test.

    Inputs float32 [n, inputs] in the given order, targets float32 [n]. Without ``inputs`` all named columns but the
    target are taken. A target of two different words is encoded as 0 and 1 in alphabetical order (``DataTable.words``).
    Rows are shuffled by ``seed`` and split by ``fractions``; a fraction of 0 leaves that split out.

    ``scale`` is fitted on the training rows only, column by column: "standard" subtracts the mean and divides by the
    standard deviation, "max" divides by the largest absolute value, "none" leaves the values; a division by 0 is
    replaced by one by 1. The file may be gzipped; it is UTF-8 text of at most 200 MB and 10 million rows.

    DataError, with line and column where possible, for a file that does not exist, is not text, has no header or no
    rows, lacks a requested column (similar names are listed), or has a cell that is not a finite number.
    """
    scaling = _scaling(scale)
    shares = _fractions(fractions)
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise HyperparameterError(f"seed must be a whole number, at least 0, got {seed!r}")
    cells = read_cells(path, separator, max_bytes)
    names = _input_names(cells, inputs, target)
    targets, words = _targets(cells, target)
    columns = np.stack([cells.numbers(name) for name in names], axis=1)
    parts = _parts(cells.path, len(targets), shares, int(seed))
    shift, divisor = scaling(columns[parts[0]])
    with np.errstate(over="ignore"):
        scaled = ((columns - shift) / divisor).astype(np.float32)
    if not np.isfinite(scaled).all():
        column = names[int(np.argwhere(~np.isfinite(scaled))[0][1])]
        raise DataError(
            f"{cells.path}: scaled by its training rows the column {column} leaves the range of float32; "
            'write scale = "none", or remove the outliers'
        )
    train, validation, test = (Split(scaled[rows], targets[rows]) if len(rows) else None for rows in parts)
    assert train is not None, "the fraction of training is above 0"
    return DataTable(
        train, validation, test, names, target, words, tuple(map(float, shift)), tuple(map(float, divisor))
    )


def _input_names(cells: TableCells, inputs: Sequence[str] | None, target: str) -> tuple[str, ...]:
    """The input columns, each once, the target not among them."""
    cells.column(target)
    if isinstance(inputs, str):
        raise DataError(f"inputs must be a list of names of columns, got the text {inputs[:SHOWN]!r}")
    names = tuple(name for name in cells.names if name and name != target) if inputs is None else tuple(inputs)
    if not names:
        raise DataError(f"{cells.path} gives no input: it needs a column beside the target {target}")
    if target in names:
        raise DataError(f"the column {target} is the target, it cannot be an input too")
    if twice := [name for place, name in enumerate(names) if name in names[:place]]:
        raise DataError(f"{cells.path}: the input {twice[0]} comes twice; each column is an input once")
    return names


def _targets(cells: TableCells, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """The target as float32 [rows], and its two words where it is text."""
    column, parsed = cells.column(name), cells.parsed(name)
    if (row := cells.empty(name)) is not None:
        raise cells.wrong(row, name, "the target is empty; every row needs one")
    if parsed.null_count() == 0:
        return cells.numbers(name).astype(np.float32), ()
    different = column.unique()
    if different.len() == 2:
        words = tuple(sorted(different.to_list()))
        return (column == words[1]).to_numpy().astype(np.float32), words
    if parsed.null_count() < len(parsed):
        cells.numbers(name)  # raises, with the position of the cell that is not a number
    shown = ", ".join(word[:SHOWN] for word in sorted(different.head(4).to_list()))
    raise DataError(
        f"{cells.path}: the target {name} must be numbers or two different words, it holds "
        f"{different.len():,} different ({shown}{', ...' if different.len() > 4 else ''}); give the "
        "classes as numbers, or keep the rows of two"
    )


def _fractions(fractions: Sequence[float]) -> tuple[float, float, float]:
    shares = tuple(fractions)
    if (
        len(shares) != 3
        or not all(isinstance(share, (int, float)) and 0 <= share <= 1 for share in shares)
        or (not math.isclose(sum(shares), 1, abs_tol=1e-9) or shares[0] <= 0)
    ):
        raise HyperparameterError(
            "fractions must be three numbers for train, validation and test, the first above 0, that add "
            f"up to 1, got {shares}"
        )
    return shares


def _parts(path: Path, rows: int, shares: tuple[float, float, float], seed: int) -> list[np.ndarray]:
    """The rows of train, validation and test, shuffled; the remainder of the rounding goes to training."""
    held = [round(rows * share) for share in shares[1:]]
    short = any(share > 0 and count == 0 for share, count in zip(shares[1:], held, strict=True))
    if short or sum(held) >= rows:
        said = ", ".join(f"{share:g}" for share in shares)
        raise DataError(
            f"{path} has {rows:,} row{'s' * (rows != 1)}, too few to split {said} with at least one row "
            "each; give more rows, or fractions of 0 for what is not wanted"
        )
    order = np.random.Generator(np.random.Philox(np.random.SeedSequence([TABLE, seed]))).permutation(rows)
    ends = [rows - sum(held), rows - held[1]]
    return np.split(order, ends)


def _scaling(name: str) -> Callable[[np.ndarray], Scaling]:
    """The function from training rows [n, inputs] to shift and scale."""
    if name not in _SCALINGS:
        raise UnknownName("scale", name, _SCALINGS, "scale of a table")
    return _SCALINGS[name]


def _none(columns: np.ndarray) -> Scaling:
    return np.zeros(columns.shape[1]), np.ones(columns.shape[1])


def _max(columns: np.ndarray) -> Scaling:
    return np.zeros(columns.shape[1]), _or_one(np.abs(columns).max(axis=0))


def _standard(columns: np.ndarray) -> Scaling:
    varies = columns.max(axis=0) > columns.min(axis=0)
    # The standard deviation of equal numbers need not be exactly 0.
    return columns.mean(axis=0), _or_one(np.where(varies, columns.std(axis=0), 0))


def _or_one(sizes: np.ndarray) -> np.ndarray:
    return np.where(sizes > 0, sizes, 1)


_SCALINGS: dict[str, Callable[[np.ndarray], Scaling]] = {"max": _max, "standard": _standard, "none": _none}
