"""A task from a table: columns decided, rows split, inputs and target encoded, a model of the right size."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fallline.contracts import Split, Splits, Task
from fallline.errors import DataError
from fallline.metrics.in_units import InUnits
from fallline.models.by_name import default_model, sized_models
from fallline.userdata.arrays_task import task_of_splits
from fallline.userdata.columns import ColumnDecision, decide_columns
from fallline.userdata.encoding import ColumnEncoding, encode, fit_encodings
from fallline.userdata.needed import needed
from fallline.userdata.reading import RawTable, read_rows
from fallline.userdata.spec import DataSpec
from fallline.userdata.splitting import Rows, split_rows
from fallline.userdata.targets import TargetEncoding, classes_of_target, fit_target
from fallline.userdata.weights import class_weighted_loss

MOST_INPUTS = 20_000

BINARY = ("accuracy", "balanced_accuracy", "roc_auc", "average_precision", "macro_f1", "log_loss")
MANY_CLASSES = ("accuracy", "balanced_accuracy", "macro_f1", "log_loss")
REGRESSION = ("rmse", "mean_absolute_error", "r2")
"""The metrics of each kind of target."""


@dataclass(frozen=True)
class PreparedTable:
    """All that was decided and fitted for a table, and its arrays. ``dropped`` rows had no target."""

    table: RawTable
    decisions: tuple[ColumnDecision, ...]
    encodings: tuple[ColumnEncoding, ...]
    target: TargetEncoding
    rows: Rows
    how_split: str
    dropped: int
    splits: Splits
    class_weights: tuple[float, ...] = ()

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the model's inputs."""
        return tuple(name for encoding in self.encodings for name in encoding.inputs)

    @property
    def counts(self) -> dict[str, int]:
        """Training rows of each class."""
        labels = self.splits.train.targets
        return {name: int((labels == index).sum()) for index, name in enumerate(self.target.classes)}


def prepare_table(spec: DataSpec, folder: Path | None) -> PreparedTable:
    """The table that ``spec`` names, ready to train; encodings are fitted on the training rows alone.

    DataError or UnknownName, with line and column where possible, for what cannot be used.
    """
    table = read_rows(spec, folder)
    if not spec.target:
        names = table.frame.columns
        raise DataError(
            f'[data] names no target, the column to predict; write target = "..." ({table.path.name} has '
            f"{', '.join(names[:12])}{', ...' if len(names) > 12 else ''})"
        )
    decisions = decide_columns(table, spec.target, spec.by, dict(spec.columns))
    table, dropped = _with_target(table, spec.target)
    classes = classes_of_target(table, spec.target, spec.problem)
    labels = TargetEncoding(spec.target, classes).encode(table.frame) if classes else None
    rows, how_split = split_rows(table, spec, labels, classes)
    target = fit_target(table.frame, spec.target, classes, rows["train"])
    encodings = fit_encodings(table.frame, decisions, rows["train"])
    if not encodings:
        raise DataError(
            f"{table.path}: no column is left to learn from: "
            + ", ".join(f"{decision.name} ({decision.why})" for decision in decisions[:8])
            + '; say what a column is, [data.columns] NAME = "category"'
        )
    count = sum(len(encoding.inputs) for encoding in encodings)
    if count > MOST_INPUTS:
        raise DataError(f"{table.path}: its columns become {count:,} inputs, more than {MOST_INPUTS:,}; drop some")
    inputs, targets = encode(table.frame, encodings), target.encode(table.frame)
    splits = Splits(**{name: Split(inputs[part], targets[part]) for name, part in rows.items()})
    weights = _class_weights(spec, target, splits.train.targets)
    return PreparedTable(table, decisions, encodings, target, rows, how_split, dropped, splits, weights)


def table_task(name: str, spec: DataSpec, folder: Path | None) -> Task:
    """The task named ``name`` of the table that ``spec`` names; its trials are named by content and ``spec``."""
    prepared = prepare_table(spec, folder)
    target = prepared.target
    models = sized_models("values", (len(prepared.inputs),), target.outputs, spec.model)
    if target.classes:
        metrics, loss = BINARY if len(target.classes) == 2 else MANY_CLASSES, "softmax_cross_entropy"
        what = f"{len(target.classes)} classes"
    else:
        metrics, loss, what = REGRESSION, "squared_error", "a number" if len(target.names) == 1 else "numbers"

    return task_of_splits(
        name,
        prepared.splits,
        models,
        class_weighted_loss(prepared.class_weights) if prepared.class_weights else loss,
        metrics,
        json.dumps([prepared.table.digest, spec.source, spec.identity], sort_keys=True, default=list),
        describe(prepared, spec),
        title=f"{', '.join(spec.target)} ({what}) of {prepared.table.path.name}, {len(prepared.inputs)} inputs",
        gives="logits" if target.classes else "values",
        classes=target.classes,
        in_units=None if target.classes else partial(InUnits, shift=target.shift, scale=target.scale),
    )


def describe(prepared: PreparedTable, spec: DataSpec) -> dict[str, Any]:
    """What was decided and fitted, as plain values: enough to encode new rows and to show on a page."""
    return {
        "kind": "table",
        "file": prepared.table.path.name,
        "sha256": prepared.table.digest,
        "model": default_model("values", spec.model),
        "columns": [asdict(decision) for decision in prepared.decisions],
        "encodings": [encoding.as_dict() for encoding in prepared.encodings],
        "target": prepared.target.as_dict(),
        "missing": list(spec.missing),
        "split": prepared.how_split,
        "rows": {name: len(rows) for name, rows in prepared.rows.items()},
        "rows_without_target": prepared.dropped,
        "class_counts": prepared.counts,
        "class_weights": list(prepared.class_weights),
    }


def _with_target(table: RawTable, names: tuple[str, ...]) -> tuple[RawTable, int]:
    """The table without the rows that have no target, and how many these are."""
    import polars as pl

    known = table.frame.select(pl.all_horizontal(pl.col(name).is_not_null() for name in names)).to_series()
    if known.all():
        return table, 0
    if not known.any():
        raise DataError(f"{table.path}: no row has a target in column {names[0]}")
    kept = np.flatnonzero(known.to_numpy())
    frame = table.frame.filter(known)
    place = table.place
    return RawTable(table.path, table.digest, frame, lambda row, name: place(int(kept[row]), name)), int((~known).sum())


def _class_weights(spec: DataSpec, target: TargetEncoding, labels: np.ndarray) -> tuple[float, ...]:
    if spec.class_weights == "none":
        return ()
    if not target.classes:
        raise DataError('[data] class_weights = "balanced" is for classes, and the target is a number')
    weights = needed("sklearn.utils.class_weight", "scikit-learn", "a table")
    classes = np.arange(len(target.classes))
    absent = [name for index, name in enumerate(target.classes) if not (labels == index).any()]
    if absent:
        raise DataError(f"{spec.written}: class {absent[0]!r} is in no training row, so it has no weight")
    return tuple(map(float, weights.compute_class_weight("balanced", classes=classes, y=labels)))
