"""From the engine's arrays to the rows that are kept: one a trial, one a (trial, step)."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from fallline.engine.training import Records
from fallline.executors.cohort import ReadyCohort
from fallline.metrics import higher_is_better
from fallline.metrics.per_class import confusion, macro
from fallline.study import Recipe, Target, Trial


def curve_rows(ready: ReadyCohort, seeds: tuple[int, ...], records: Records) -> pl.DataFrame:
    """One row a (trial, step), sorted by trial and step; the rows of a lane end where it ended."""
    watched = _watched_names(ready, records)
    train = {(name if name in watched else f"train_{name}"): values[0] for name, values in records.curves.items()}
    held = {name: values[0] for name, values in records.held_out.items()}
    names = [trial.name for trial in ready.planned.of_seeds(seeds)]
    frame = _long(names, records.steps, train)
    if held:
        frame = frame.join(_long(names, records.evaluated, held), on=["lane", "trial", "step"], how="full",
                           coalesce=True)
    never = 2**31 - 1
    last = np.where(records.stopped_at >= 0, records.stopped_at,
                    np.where(records.diverged_at >= 0, records.diverged_at - 1, never))
    ended = pl.DataFrame({"lane": np.arange(len(names), dtype=np.int32), "last": last.ravel()})
    return (frame.join(ended, on="lane").filter(pl.col("step") <= pl.col("last"))
            .sort("lane", "step").drop("lane", "last").fill_nan(None))


def trial_rows(ready: ReadyCohort, seeds: tuple[int, ...], records: Records, block: str, target: Target | None,
               shown: frozenset[str]) -> pl.DataFrame:
    """One row a trial: what it was, how it ended, its best and final values.

    ``shown`` are the names of the numbers that some trial of the study has at another value than off.
    """
    planned = ready.planned
    rows = []
    for place, trial in enumerate(planned.of_seeds(seeds)):
        s, lane = divmod(place, planned.lanes)
        row = {"trial": trial.name, "block": block, "cohort": planned.name, "task": trial.task.name,
               "data": trial.data_as_cut, **_fold_columns(trial), **_recipe_columns(ready, trial.recipe, shown),
               "seed": trial.seed,
               **_ending(records, s, lane), "parameters": ready.weights}
        row |= _train_values(ready, records, s, lane) | _held_values(records, s, lane)
        row |= _class_values(ready, records, s, lane)
        row["steps_to_target"] = _steps_to_target(target, records, s, lane)
        rows.append(row)
    whole = {name: pl.Int64 for name in ("diverged_at", "stopped_at", "steps_to_target", "seed")}
    if not isinstance(planned.recipe.batches.size, str):
        whole["batch_size"] = pl.Int64
    return pl.DataFrame(rows, infer_schema_length=None, schema_overrides=whole)


def _recipe_columns(ready: ReadyCohort, recipe: Recipe, shown: frozenset[str]) -> dict[str, Any]:
    """The recipe, a column each of its parts and numbers. Numbers that are off in the whole study have none."""
    numbers, batches = recipe.numbers, recipe.batches

    def columns(own: Any) -> dict[str, Any]:
        return {name: ", ".join(f"{one:g}" for one in value) if isinstance(value, tuple) else value
                for name, value in own if name in shown}

    examples = len(ready.arrays.splits.train.inputs)
    return {"optimizer": recipe.optimizer.name, **dict(numbers.rule), "loss": recipe.loss.name, **dict(numbers.loss),
            "loss_kind": recipe.loss_kind, "schedule": recipe.schedule.name, **columns(numbers.schedule),
            **dict(numbers.model), **columns(numbers.regularisation), **columns(numbers.stopping),
            "batch_size": batches.size, "order": batches.order, "overlap": batches.overlap, "subset": batches.subset,
            "subset_from": None if batches.subset is None else batches.subset_from, "last_batch": batches.last,
            "steps": recipe.steps, "epochs": ready.epochs, "examples_seen": ready.examples_seen,
            "train_examples": examples, "precision": recipe.precision}


def _fold_columns(trial: Trial) -> dict[str, Any]:
    """Which fold of the data validated, and the name that the trials of all folds share."""
    if trial.cut is None or trial.cut.folds is None:
        return {}
    return {"fold": trial.cut.fold, "folds": trial.cut.folds, "across_folds": trial.name_across_folds}


def _ending(records: Records, s: int, lane: int) -> dict[str, Any]:
    """How a trial ended, and when."""
    diverged_at, stopped_at = int(records.diverged_at[s, lane]), int(records.stopped_at[s, lane])
    status = "diverged" if diverged_at >= 0 else "stopped" if stopped_at >= 0 else "done"
    return {"status": status, "diverged_at": None if diverged_at < 0 else diverged_at,
            "stopped_at": None if stopped_at < 0 else stopped_at}


def _class_values(ready: ReadyCohort, records: Records, s: int, lane: int) -> dict[str, Any]:
    """Precision, recall and F1, the means over the classes, of each split whose classes were predicted."""
    row: dict[str, Any] = {}
    for split, predicted in records.predicted.items():
        labels = getattr(ready.arrays.splits, split).targets
        gone = records.diverged_at[s, lane] >= 0
        means = macro(confusion(labels, predicted[s, lane], ready.classes)) if not gone else (None, None, None)
        row |= {f"{split}_macro_{name}": value
                for name, value in zip(("precision", "recall", "f1"), means, strict=True)}
    return row


def predicted_rows(ready: ReadyCohort, seeds: tuple[int, ...], records: Records) -> pl.DataFrame:
    """One row a (trial, split): the class each example was given after the last step."""
    rows = []
    for place, trial in enumerate(ready.planned.of_seeds(seeds)):
        s, lane = divmod(place, ready.planned.lanes)
        if records.diverged_at[s, lane] < 0:
            rows += [(trial.name, split, predicted[s, lane]) for split, predicted in records.predicted.items()]
    return pl.DataFrame({"trial": [name for name, _, _ in rows], "split": [split for _, split, _ in rows],
                         "predicted": pl.Series([classes for _, _, classes in rows], dtype=pl.List(pl.UInt16))})


def weight_rows(ready: ReadyCohort, seeds: tuple[int, ...], records: Records) -> pl.DataFrame:
    """One row a (trial, array of weights): its place in the model as text, its shape, and its values, row after row."""
    import jax

    rows = []
    leaves = [] if records.weights is None else jax.tree_util.tree_leaves_with_path(records.weights)
    for place, trial in enumerate(ready.planned.of_seeds(seeds)):
        s, lane = divmod(place, ready.planned.lanes)
        if records.diverged_at[s, lane] < 0:
            rows += [(trial.name, jax.tree_util.keystr(path, simple=True, separator="."), leaf.shape[2:],
                      leaf[s, lane].ravel()) for path, leaf in leaves]
    return pl.DataFrame({"trial": [row[0] for row in rows], "array": [row[1] for row in rows],
                         "shape": pl.Series([list(row[2]) for row in rows], dtype=pl.List(pl.Int64)),
                         "values": pl.Series([row[3] for row in rows], dtype=pl.List(pl.Float32))})


def _train_values(ready: ReadyCohort, records: Records, s: int, lane: int) -> dict[str, Any]:
    """The values on training batches: the last of each, and the lowest loss with its step."""
    watched = _watched_names(ready, records)
    row: dict[str, Any] = {}
    for name, values in records.curves.items():
        last = -1 if records.stopped_at[s, lane] < 0 else _last_finite(values[0][:, s, lane])
        row[f"final_{name}" if name in watched else f"final_train_{name}"] = _number(values[0][last, s, lane])
    if records.tail_mean is not None:
        row["tail_train_loss"] = _number(records.tail_mean[s, lane])
    losses = records.curves["loss"][0][:, s, lane]
    found = np.isfinite(losses).any()
    row["min_train_loss"] = float(np.nanmin(losses)) if found else None
    row["min_train_loss_step"] = records.steps[int(np.nanargmin(losses))] if found else None
    return row


def _held_values(records: Records, s: int, lane: int) -> dict[str, Any]:
    """The values on held-out splits after the last step, and the best of those seen on the way."""
    row: dict[str, Any] = {name: _number(values[s, lane]) for name, values in records.final.items()}
    for name, values in records.held_out.items():
        seen = values[0][:, s, lane]
        higher = higher_is_better(name)
        found = np.isfinite(seen).any()
        best = int((np.nanargmax if higher else np.nanargmin)(seen)) if found else None
        row[f"best_{name}"] = None if best is None else float(seen[best])
        row[f"best_{name}_step"] = None if best is None else records.evaluated[best]
    return row


def _steps_to_target(target: Target | None, records: Records, s: int, lane: int) -> int | None:
    """The first recorded step at which the target was reached; None where it was missed."""
    if target is None:
        return None
    split, _, metric = target.metric.partition("_")
    source, steps = (records.curves, records.steps) if split == "train" else (records.held_out, records.evaluated)
    values = source.get(metric if split == "train" else target.metric)
    if values is None:
        return None
    seen = values[0][:, s, lane]
    reached = seen >= target.value if higher_is_better(metric) else seen <= target.value
    return steps[int(reached.argmax())] if reached.any() else None


def _watched_names(ready: ReadyCohort, records: Records) -> set[str]:
    return set(records.curves) - {"loss", *(name for name, _ in ready.cohort.metrics)}


def _long(names: list[str], steps: list[int], values: dict[str, np.ndarray]) -> pl.DataFrame:
    """Arrays [points, seeds, lanes] as rows, all points of a lane together."""
    lanes = np.repeat(np.arange(len(names), dtype=np.int32), len(steps))
    columns = {name: array.reshape(len(steps), -1).T.ravel() for name, array in values.items()}
    return pl.DataFrame({"lane": lanes, "trial": pl.Series(names, dtype=pl.String).gather(lanes),
                         "step": np.tile(np.asarray(steps, np.int64), len(names)), **columns})


def _last_finite(values: np.ndarray) -> int:
    """Where a stopped lane's curve ends."""
    return int(np.flatnonzero(np.isfinite(values))[-1]) if np.isfinite(values).any() else -1


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
