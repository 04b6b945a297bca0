"""``fallline.predict``: the best trial of a run on new rows, encoded as its training rows were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from fallline.api.result import KEEP_WEIGHTS, Result, open_run
from fallline.contracts import Model
from fallline.errors import DataError, StoreError
from fallline.models.by_name import sized_models
from fallline.stats import primary, summary
from fallline.stats.columns import configurations
from fallline.study.recipe_fields import ARCHITECTURE
from fallline.userdata.encoding import ColumnEncoding, encode
from fallline.userdata.reading import read_rows
from fallline.userdata.spec import TABLES, DataSpec
from fallline.userdata.targets import TargetEncoding

BATCH = 4096
"""Rows that are predicted at a time."""

READERS = {".tsv": "tsv", ".tab": "tsv", ".parquet": "parquet", ".xlsx": "xlsx"}


def predict(folder: str | Path, rows: str | Path | pl.DataFrame, trial: str | None = None) -> pl.DataFrame:
    """The rows with a prediction for each: the column ``prediction``, and ``probability CLASS`` for each class.

    ``folder`` is a run of a study whose [data] is a table; ``rows`` a file (CSV, TSV, Parquet, xlsx) or a frame with
    the columns that were inputs, the target need not be there. ``trial`` names one by its first letters; by default
    the best setting predicts, with the seed of its trials that did best. StoreError where no weights were kept,
    DataError for rows that cannot be encoded.
    """
    result = open_run(folder, "fallline predict")
    trial = best_trial(result) if trial is None else result.trial_named(trial)
    row = result.trials.row(by_predicate=pl.col("trial") == trial, named=True)
    pipeline = result.records.pipelines.get(row["task"])
    if pipeline is None or pipeline["kind"] != "table":
        raise StoreError(
            f"task {row['task']} of the run in {folder} was not made from a table by [data], so rows cannot be encoded "
            "as it was trained; fallline.open_run(...).weights(trial) gives its weights"
        )
    frame = _frame(rows, pipeline)
    encodings = [ColumnEncoding.of(encoding) for encoding in pipeline["encodings"]]
    inputs = encode(frame, _present(encodings, frame, rows))
    target = TargetEncoding.of(pipeline["target"])
    model = _model(pipeline, row, inputs.shape[1], target.outputs)
    outputs = _outputs(model, result.weights(trial), inputs)
    return frame.with_columns(_predictions(target, outputs))


def best_trial(result: Result) -> str:
    """Of the best configuration the trial with the best value whose weights were kept; StoreError where none were."""
    metric, best = primary(result.records), summary(result.records)
    kept = result.records.weights.select("trial").unique().collect()["trial"].to_list()
    trials = configurations(result.records).filter(pl.col("trial").is_in(kept))
    for configuration in best["configuration"]:
        own = trials.filter(pl.col("configuration") == configuration).drop_nulls(metric.column)
        if own.height:
            return own.sort(metric.column, descending=metric.up)["trial"][0]
    raise StoreError(f"the run in {result.folder} kept no weights: every trial diverged, or {KEEP_WEIGHTS}")


def _frame(rows: str | Path | pl.DataFrame, pipeline: Mapping[str, Any]) -> pl.DataFrame:
    """The rows as text, null where nothing is known."""
    if isinstance(rows, pl.DataFrame):
        return rows.select(pl.all().cast(pl.String))
    path = Path(rows)
    key = READERS.get(Path(path.name.removesuffix(".gz")).suffix.lower(), "csv")
    assert key in TABLES
    return read_rows(DataSpec(**{key: str(path)}, missing=tuple(pipeline["missing"])), None).frame


def _present(
    encodings: Sequence[ColumnEncoding], frame: pl.DataFrame, rows: str | Path | pl.DataFrame
) -> Sequence[ColumnEncoding]:
    absent = [encoding.name for encoding in encodings if encoding.name not in frame.columns]
    if absent:
        what = "the frame" if isinstance(rows, pl.DataFrame) else str(rows)
        raise DataError(
            f"{what} has no column {', '.join(map(repr, absent[:8]))}, which the model was trained on; it has "
            f"{', '.join(frame.columns[:12])}"
        )
    return encodings


def _model(pipeline: Mapping[str, Any], row: Mapping[str, Any], inputs: int, outputs: int) -> Model:
    """The model of a trial, by the sizes in its row."""
    sizes = {name: row[name] for name in ARCHITECTURE if row.get(name) is not None}
    return sized_models("values", (inputs,), outputs, pipeline["model"])(**sizes)


def _outputs(model: Model, weights: Mapping[str, np.ndarray], inputs: np.ndarray) -> np.ndarray:
    """The outputs [rows, outputs] of the model with weights by their path."""
    import jax

    shapes = jax.eval_shape(model.init, jax.eval_shape(lambda: jax.random.key(0)))
    paths, kind = jax.tree_util.tree_flatten_with_path(shapes)
    names = [jax.tree_util.keystr(path, simple=True, separator=".") for path, _ in paths]
    if any(
        name not in weights or weights[name].shape != leaf.shape for name, (_, leaf) in zip(names, paths, strict=True)
    ):
        raise StoreError("the weights that were kept do not fit the model; the run was made by another version of it")
    tree = jax.tree_util.tree_unflatten(kind, [weights[name] for name in names])
    assert model.apply is not None, "models by name have apply"
    apply = jax.jit(model.apply)
    return np.concatenate([np.asarray(apply(tree, inputs[i : i + BATCH])) for i in range(0, len(inputs), BATCH)])


def _predictions(target: TargetEncoding, outputs: np.ndarray) -> list[pl.Series]:
    if not target.classes:
        values = outputs.astype(np.float64) * target.scale + target.shift
        names = ["prediction"] if len(target.names) == 1 else [f"prediction {name}" for name in target.names]
        return [pl.Series(name, values[:, k]) for k, name in enumerate(names)]
    logits = outputs.astype(np.float64)
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    labels = [target.classes[k] for k in p.argmax(1)]
    return [
        pl.Series("prediction", labels),
        *(pl.Series(f"probability {label}", p[:, k]) for k, label in enumerate(target.classes)),
    ]
