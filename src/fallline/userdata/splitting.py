"""Train, validation and test: by chance, stratified, by group, by time, or as a column says; by scikit-learn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fallline.errors import DataError
from fallline.userdata.columns import DATE_FORMATS, parse_dates
from fallline.userdata.needed import needed
from fallline.userdata.reading import RawTable
from fallline.userdata.spec import DataSpec

if TYPE_CHECKING:
    import polars as pl

SPLITS = ("random", "stratified", "group", "time", "given")

NAMED = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "holdout"),
}
"""What a column that gives the split may call each."""

Rows = dict[str, np.ndarray]
"""Row numbers by split: "train" and, where they have rows, "validation" and "test"."""


def split_rows(
    table: RawTable, spec: DataSpec, labels: np.ndarray | None, classes: tuple[str, ...] = ()
) -> tuple[Rows, str]:
    """The rows of each split, and in words how they were chosen.

    ``labels`` [rows] are indices of ``classes``, None for numbers. By default rows are split by chance,
    stratified where there are classes. DataError where a split would be empty or a class has too few rows.
    """
    kind = spec.split or ("stratified" if labels is not None else "random")
    if kind in ("group", "time", "given") and not spec.by:
        raise DataError(f'[data] split = "{kind}" needs the column that decides it: by = "..."')
    if kind == "stratified" and labels is None:
        raise DataError('[data] split = "stratified" keeps the share of each class, and the target is a number')
    if kind in ("random", "stratified") and spec.by:
        raise DataError(f'[data] by = "{spec.by}" is for split = "group", "time" or "given", and split is "{kind}"')
    if kind == "given":
        return _given(table, spec.by), f"as the column {spec.by} says"
    rows = table.frame.height
    held = {name: round(rows * share) for name, share in (("validation", spec.validation), ("test", spec.test))}
    short = any(share > 0 and not held[name] for name, share in (("validation", spec.validation), ("test", spec.test)))
    if short or sum(held.values()) >= rows:
        raise DataError(
            f"{table.path} has {rows:,} row{'s' * (rows != 1)}, too few for validation = {spec.validation:g} and test "
            f"= {spec.test:g}; give more rows, or other shares under [data]"
        )
    if kind == "time":
        return _by_time(table, spec.by, held), f"by time: the last rows by {spec.by} are the test set"
    if kind == "group":
        return _by_group(table, spec), f"by {spec.by}: no value of it is in two splits"
    if kind == "stratified" and labels is not None:
        _enough_of_each(table, labels, classes, held)
    return _by_chance(rows, held, spec.seed, labels if kind == "stratified" else None), (
        "by chance, with the same share of each class" if kind == "stratified" else "by chance"
    )


def _by_chance(rows: int, held: dict[str, int], seed: int, labels: np.ndarray | None) -> Rows:
    selection = needed("sklearn.model_selection", "scikit-learn", "a table")
    split, left = {}, np.arange(rows)
    for name in ("test", "validation"):
        if held[name]:
            chosen = None if labels is None else labels[left]
            left, split[name] = selection.train_test_split(
                left, test_size=held[name], random_state=seed, stratify=chosen
            )
    return _ordered({"train": left} | split)


def _by_group(table: RawTable, spec: DataSpec) -> Rows:
    selection = needed("sklearn.model_selection", "scikit-learn", "a table")
    groups = np.array(table.frame[spec.by].fill_null("(missing)").to_list())
    left, split = np.arange(len(groups)), {}
    count, gone = len(set(groups)), 0.0
    if count < 3:
        raise DataError(f"{table.path}: the column {spec.by} has {count} different values, too few to split by it")
    for name, share in (("test", spec.test), ("validation", spec.validation)):
        if share > 0:
            part = selection.GroupShuffleSplit(n_splits=1, test_size=share / (1 - gone), random_state=spec.seed)
            kept, taken = next(part.split(left, groups=groups[left]))
            left, split[name] = left[kept], left[taken]
            gone += share
    return _ordered({"train": left} | split)


def _ordered(split: Rows) -> Rows:
    """Train, validation, test; the rows of each in the order of the file."""
    return {name: np.sort(split[name]) for name in NAMED if name in split}


def _by_time(table: RawTable, by: str, held: dict[str, int]) -> Rows:
    order = np.argsort(_times(table, by), kind="stable")
    first_test = len(order) - held["test"]
    first_validation = first_test - held["validation"]
    parts = {
        "train": order[:first_validation],
        "validation": order[first_validation:first_test],
        "test": order[first_test:],
    }
    return {name: rows for name, rows in parts.items() if len(rows)}


def _times(table: RawTable, by: str) -> np.ndarray:
    """Numbers that grow with time, of a column of dates or numbers."""
    import polars as pl

    cells: pl.Series = table.frame[by]
    if cells.null_count():
        row = int(cells.is_null().arg_max())
        raise DataError(f"{table.path}, {table.place(row, by)}: no time is given; every row needs one to split by time")
    numbers = cells.cast(pl.Float64, strict=False)
    if numbers.null_count() == 0:
        return numbers.to_numpy()
    for form in DATE_FORMATS:
        dates = parse_dates(cells, form)
        if dates.null_count() == 0:
            return dates.dt.epoch("us").to_numpy()
    raise DataError(f"{table.path}: the column {by} holds neither numbers nor dates, so rows cannot be split by time")


def _given(table: RawTable, by: str) -> Rows:
    cells: Any = table.frame[by]
    names = {word: name for name, words in NAMED.items() for word in words}
    found = [names.get(str(cell).lower()) for cell in cells]
    if None in found:
        row = found.index(None)
        raise DataError(
            f"{table.path}, {table.place(row, by)}: {cells[row]!r} names no split; write train, validation or test"
        )
    split = {name: np.flatnonzero(np.array(found) == name) for name in NAMED}
    if not len(split["train"]):
        raise DataError(f"{table.path}: no row has {by} = train")
    return {name: rows for name, rows in split.items() if len(rows)}


def _enough_of_each(table: RawTable, labels: np.ndarray, classes: tuple[str, ...], held: dict[str, int]) -> None:
    """DataError where a class cannot be in every split."""
    parts = 1 + sum(count > 0 for count in held.values())
    names, counts = np.unique(labels, return_counts=True)
    if counts.min() < parts:
        rare = names[counts.argmin()]
        raise DataError(
            f"{table.path}: class {classes[rare]!r} has {counts.min()} row{'s' * int(counts.min() != 1)}, and each of "
            f'the {parts} splits needs one; remove the class, join it with another, or write [data] split = "random"'
        )
    if len(names) > min((count for count in held.values() if count), default=len(names)):
        raise DataError(
            f"{table.path} has {len(names)} classes, more than rows in a split; give more rows or larger shares"
        )
