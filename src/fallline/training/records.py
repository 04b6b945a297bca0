"""Tables of records from the engine's arrays: one row per trial, one per (trial, step)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import polars as pl
from polars.io.plugins import register_io_source

from fallline.contracts import MetricName, Model
from fallline.engine.training import Records
from fallline.metrics import higher_is_better
from fallline.metrics.cuts import labels_of
from fallline.metrics.per_class import Macro, macros
from fallline.models.paths import STATE, arrays_by_path
from fallline.study import Recipe, Target, Trial
from fallline.study.recipe_columns import recipe_columns
from fallline.training.cohort import CompiledCohort

MOST_ROWS = 1_000_000
"""The number of rows of curves that are made at a time, in whole lanes: about 50 MB."""


def curve_rows(ready: CompiledCohort, seeds: tuple[int, ...], records: Records) -> pl.LazyFrame:
    """One row per (trial, step), sorted by trial and step; the rows of a lane end where it ended.

    Made in pieces while it is written: the arrays are far smaller than the rows.
    """
    watched = _watched_names(ready, records)
    train = {(name if name in watched else f"train_{name}"): values[0] for name, values in records.curves.items()}
    held = {name: values[0] for name, values in records.held_out.items()}
    names = [trial.name for trial in ready.planned.of_seeds(seeds)]
    steps = np.union1d(records.steps, records.evaluated if held else []).astype(np.int64)
    columns = [
        *((name, values, np.searchsorted(steps, records.steps)) for name, values in train.items()),
        *((name, values, np.searchsorted(steps, records.evaluated)) for name, values in held.items()),
    ]
    last = np.where(
        records.stopped_at >= 0,
        records.stopped_at,
        np.where(records.diverged_at >= 0, records.diverged_at - 1, steps[-1]),
    ).ravel()
    lanes_per_piece = max(1, MOST_ROWS // len(steps))

    def pieces(*_: Any) -> Iterator[pl.DataFrame]:
        for first in range(0, len(names), lanes_per_piece):
            yield _piece(names, steps, columns, last, slice(first, first + lanes_per_piece))

    if len(names) <= lanes_per_piece:
        return _piece(names, steps, columns, last, slice(None)).lazy()
    return register_io_source(pieces, schema=_piece(names, steps, columns, last, slice(1)).schema)


def _piece(
    names: list[str],
    steps: np.ndarray,
    columns: list[tuple[str, np.ndarray, np.ndarray]],
    last: np.ndarray,
    lanes: slice,
) -> pl.DataFrame:
    """The rows of some lanes. A column is its name, its values [points, seeds, lanes] and their indices in ``steps``;
    at other steps it is null."""
    names, ends = names[lanes], last[lanes]
    place = np.repeat(np.arange(len(names), dtype=np.int32), len(steps))
    data = {"trial": pl.Series(names, dtype=pl.String).gather(place), "step": np.tile(steps, len(names))}
    for name, values, at in columns:
        of_lanes = values.reshape(len(values), -1)[:, lanes].T
        if len(at) < len(steps):
            filled = np.full((len(names), len(steps)), np.nan, of_lanes.dtype)
            filled[:, at] = of_lanes
            of_lanes = filled
        data[name] = of_lanes.ravel()
    rows = pl.DataFrame(data)
    if ends.min() < steps[-1]:
        rows = rows.filter(pl.Series(data["step"] <= ends[place]))
    return rows.fill_nan(None)


def trial_rows(
    ready: CompiledCohort,
    seeds: tuple[int, ...],
    records: Records,
    block: str,
    target: Target | None,
    shown: frozenset[str],
) -> pl.DataFrame:
    """One row per trial: its recipe, how it ended, its best and final values.

    ``shown`` are the names of the hyperparameters that some trial of the study does not leave off.
    """
    planned = ready.planned
    results = _ending(records) | {"parameters": [ready.weights] * records.diverged_at.size}
    results |= _train_values(ready, records) | _held_values(records, ready.directions) | _class_values(ready, records)
    results["steps_to_target"] = _steps_to_target(target, records, ready.directions)
    recipes = [_recipe_columns(ready, recipe, shown) for segment in planned.segments for recipe in segment.recipes]
    rows = []
    for place, trial in enumerate(planned.of_seeds(seeds)):
        rows.append(
            {
                "trial": trial.name,
                "block": block,
                "cohort": planned.name,
                "task": trial.task.name,
                "data": trial.data_as_cut,
                **_fold_columns(trial),
                **recipes[place % planned.lanes],
                "seed": trial.seed,
                **{name: values[place] for name, values in results.items()},
            }
        )
    whole = {name: pl.Int64 for name in ("diverged_at", "stopped_at", "steps_to_target", "seed")}
    if not isinstance(planned.recipe.batches.size, str):
        whole["batch_size"] = pl.Int64
    return pl.DataFrame(rows, infer_schema_length=None, schema_overrides=whole)


def _recipe_columns(ready: CompiledCohort, recipe: Recipe, shown: frozenset[str]) -> dict[str, Any]:
    """The recipe with its budget. Hyperparameters that are off in the whole study have no column."""
    examples = len(ready.arrays.splits.train.inputs)
    columns: dict[str, Any] = {}
    for name, value in recipe_columns(recipe, shown).items():
        columns[name] = value
        if name == "steps":
            columns |= {"epochs": ready.epochs, "examples_seen": ready.examples_seen, "train_examples": examples}
    return columns


def _fold_columns(trial: Trial) -> dict[str, Any]:
    """The fold that was held out for validation, and the name that the trials of all folds share."""
    if trial.cut is None or trial.cut.folds is None:
        return {}
    return {"fold": trial.cut.fold, "folds": trial.cut.folds, "across_folds": trial.name_across_folds}


def _ending(records: Records) -> dict[str, list[Any]]:
    """How the trials ended, and when."""
    diverged, stopped = records.diverged_at.ravel(), records.stopped_at.ravel()
    status = np.where(diverged >= 0, "diverged", np.where(stopped >= 0, "stopped", "done"))
    return {
        "status": status.tolist(),
        "diverged_at": _listed(diverged, diverged >= 0),
        "stopped_at": _listed(stopped, stopped >= 0),
    }


def _class_values(ready: CompiledCohort, records: Records) -> dict[str, list[Any]]:
    """Macro-averaged precision, recall and F1 of each split with predicted classes."""
    assert ready.classes is not None or not records.predicted
    found: dict[str, list[Any]] = {}
    for split, predicted in records.predicted.items():
        labels = labels_of(getattr(ready.arrays.splits, split).targets)
        means = macros(labels, predicted.reshape(-1, predicted.shape[-1]), ready.classes)
        found |= {
            f"{split}_macro_{name}": _listed(values, records.diverged_at.ravel() < 0)
            for name, values in zip(Macro._fields, means.T, strict=True)
        }
    return found


def predicted_rows(ready: CompiledCohort, seeds: tuple[int, ...], records: Records) -> pl.DataFrame:
    """One row per (trial, split): the predicted class of each example after the last step."""
    rows = []
    for place, trial in enumerate(ready.planned.of_seeds(seeds)):
        s, lane = divmod(place, ready.planned.lanes)
        if records.diverged_at[s, lane] < 0:
            rows += [(trial.name, split, predicted[s, lane]) for split, predicted in records.predicted.items()]
    return pl.DataFrame(
        {
            "trial": [name for name, _, _ in rows],
            "split": [split for _, split, _ in rows],
            "predicted": pl.Series([classes for _, _, classes in rows], dtype=pl.List(pl.UInt16)),
        }
    )


def weight_rows(ready: CompiledCohort, records: Records, trials: pl.DataFrame, metric: str) -> pl.DataFrame:
    """One row per (trial, array): its name in the model, its shape, and its values in row-major order, of the trials
    that ``ready.keep_weights`` keeps. An array of another type than float32 has its name in the column ``type``.

    ``trials`` are the rows of the block's trials; "best" keeps of each optimizer the trial with the best ``metric``.
    """
    rows: list[tuple[str, str, np.ndarray]] = []
    if records.weights is not None:
        for place in _kept_places(ready, trials, metric):
            weights, state = _of_lane((records.weights, records.model_state), divmod(place, ready.planned.lanes))
            rows += [
                (trials["trial"][place], name, np.asarray(values))
                for name, values in arrays_by_name(ready.planned.task.model, weights, state).items()
            ]
    columns = {
        "trial": [trial for trial, *_ in rows],
        "array": [name for _, name, _ in rows],
        "shape": pl.Series([list(values.shape) for *_, values in rows], dtype=pl.List(pl.Int64)),
        "values": pl.Series([values.ravel().astype(np.float32) for *_, values in rows], dtype=pl.List(pl.Float32)),
    }
    types = [None if values.dtype == np.float32 else values.dtype.name for *_, values in rows]
    return pl.DataFrame(columns | ({"type": types} if any(types) else {}))


def arrays_by_name(model: Model, weights: Any, state: Any) -> Mapping[str, Any]:
    """The arrays of a trained model by name: those of its framework, else weights by their path, and after "state."
    the arrays of its state."""
    if model.whole is not None:
        return model.whole(weights, state)
    return arrays_by_path(weights) | arrays_by_path(state, STATE)


def _of_lane(tree: Any, lane: tuple[int, int]) -> Any:
    """The arrays of one lane, from leaves [seeds, lanes, ...]."""
    import jax

    return jax.tree.map(lambda leaf: leaf[lane], tree)


def _kept_places(ready: CompiledCohort, trials: pl.DataFrame, metric: str) -> list[int]:
    """The places among the block's trials of those whose weights are kept; none of a trial that diverged."""
    places = trials.with_row_index("place").filter(pl.col("status") != "diverged")
    column = str(MetricName.parse(metric).after_training)
    if ready.keep_weights == "best" and column in places.columns:
        up = higher_is_better(metric, ready.directions)
        places = places.sort(column, descending=up, nulls_last=True).unique("optimizer", keep="first")
    return sorted(places["place"])


def _train_values(ready: CompiledCohort, records: Records) -> dict[str, list[Any]]:
    """The values on training batches: the last value of each metric, and the lowest loss with its step."""
    watched = _watched_names(ready, records)
    found: dict[str, list[Any]] = {}
    for name, values in records.curves.items():
        recorded = values[0]
        last = recorded[-1].copy()
        for place in np.argwhere(records.stopped_at >= 0):
            ended = np.searchsorted(records.steps, records.stopped_at[tuple(place)], side="right") - 1
            last[tuple(place)] = recorded[(ended, *place)]  # also where it is NaN
        found[f"final_{name}" if name in watched else f"final_train_{name}"] = _finite(last)
    if records.tail_mean is not None:
        found["tail_train_loss"] = _finite(records.tail_mean)
    found["min_train_loss"], found["min_train_loss_step"] = _best(records.curves["loss"][0], records.steps, up=False)
    return found


def _held_values(records: Records, directions: Mapping[str, str]) -> dict[str, list[Any]]:
    """The values on held-out splits after the last step, and the best of all evaluations."""
    found: dict[str, list[Any]] = {name: _finite(values) for name, values in records.final.items()}
    for name, values in records.held_out.items():
        best = _best(values[0], records.evaluated, up=higher_is_better(name, directions))
        found[f"best_{name}"], found[f"best_{name}_step"] = best
    return found


def _best(recorded: np.ndarray, steps: list[int], up: bool) -> tuple[list[Any], list[Any]]:
    """The best value of each lane over the points of [points, seeds, lanes], and its step; None where none is
    finite."""
    known = np.isfinite(recorded).any(axis=0)
    filled = np.where(np.isfinite(recorded), recorded, -np.inf if up else np.inf)
    place = (filled.argmax if up else filled.argmin)(axis=0)
    values = np.take_along_axis(recorded, place[None], axis=0)[0]
    return _listed(values, known), _listed(np.asarray(steps)[place], known)


def _steps_to_target(target: Target | None, records: Records, directions: Mapping[str, str]) -> list[Any]:
    """The first recorded step at which the target was reached; None where it was not."""
    nowhere: list[Any] = [None] * records.diverged_at.size
    if target is None:
        return nowhere
    name = MetricName.parse(target.metric)
    on_train = name.split == "train"
    source, steps = (records.curves, records.steps) if on_train else (records.held_out, records.evaluated)
    values = source.get(name.metric if on_train else target.metric)
    if values is None:
        return nowhere
    reached = values[0] >= target.value if higher_is_better(name.metric, directions) else values[0] <= target.value
    reached &= np.isfinite(values[0])
    return _listed(np.asarray(steps)[reached.argmax(axis=0)], reached.any(axis=0))


def _watched_names(ready: CompiledCohort, records: Records) -> set[str]:
    return set(records.curves) - {"loss", *(name for name, _ in ready.cohort.metrics)}


def _finite(values: np.ndarray) -> list[float | None]:
    """One value per lane; None where it is not finite."""
    return _listed(values, np.isfinite(values))


def _listed(values: np.ndarray, known: np.ndarray) -> list[Any]:
    """The values [seeds, lanes] as plain numbers, seed by seed; None where ``known`` is False."""
    return [value if is_known else None for value, is_known in zip(values.ravel().tolist(), known.ravel(), strict=True)]
