"""Confusion matrices of trials, from predicted and true classes."""

from __future__ import annotations

import numpy as np
import polars as pl

from fallline.errors import StoreError
from fallline.metrics.per_class import confusion
from fallline.store import Run

SCHEMA = {
    "trial": pl.String,
    "true_place": pl.Int64,
    "given_place": pl.Int64,
    "true": pl.String,
    "given": pl.String,
    "count": pl.Int64,
}


def split_to_read(run: Run) -> str | None:
    """ "test" where predictions on it were kept, else "validation", else None."""
    if run.answers.is_empty():
        return None
    splits = set(run.predictions.select("split").unique().collect()["split"]) & set(run.answers["split"])
    return next((split for split in ("test", "validation") if split in splits), None)


def confusions(run: Run, trials: pl.DataFrame, split: str) -> pl.DataFrame:
    """One row per trial, true class and given (predicted) class that occurred, and one for each class on the diagonal.

    ``trials`` has trial, task and data. Trials without predictions on ``split`` are left out. Raises StoreError where
    predictions and labels do not match.
    """
    own = trials.select("trial", "task", "data")
    given = run.predictions.filter(pl.col("split") == split, pl.col("trial").is_in(own["trial"].implode())).collect()
    known = own.join(given, on="trial", maintain_order="left")
    known = known.join(run.answers, on=["task", "data", "split"], maintain_order="left")
    found = [_rows(run, row, known) for row in known.iter_rows(named=True)]
    return pl.concat(found) if found else pl.DataFrame(schema=SCHEMA)


def _rows(run: Run, row: dict, known: pl.DataFrame) -> pl.DataFrame:
    labels, predicted = (np.asarray(row[name], np.int64) for name in ("labels", "predicted"))
    if labels.shape != predicted.shape:
        raise StoreError(
            f"trial {row['trial']} has {predicted.size:,} predictions for {labels.size:,} examples of {row['split']}; "
            f"remove {run.paths.answers} and {run.paths.predictions('*')} to make the report without them"
        )
    names = row["classes"] or []
    size = max(len(names), known["labels"].explode().max() + 1, known["predicted"].explode().max() + 1)
    names = [*names, *(str(place) for place in range(len(names), size))]
    matrix = np.asarray(confusion(labels, predicted, size))
    true, given = np.nonzero(matrix + np.eye(size, dtype=matrix.dtype))
    return pl.DataFrame(
        {
            "trial": [row["trial"]] * true.size,
            "true_place": true,
            "given_place": given,
            "true": [names[place] for place in true],
            "given": [names[place] for place in given],
            "count": matrix[true, given].astype(np.int64),
        },
        schema=SCHEMA,
    )


def matrix_of(rows: pl.DataFrame) -> np.ndarray:
    """The matrix [true, given] of rows with true_place, given_place and count, summed where they repeat."""
    size = 1 + max(rows["true_place"].max(), rows["given_place"].max())
    matrix = np.zeros((size, size), np.int64)
    np.add.at(matrix, (rows["true_place"].to_numpy(), rows["given_place"].to_numpy()), rows["count"].to_numpy())
    return matrix
