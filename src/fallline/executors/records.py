"""From the engine's arrays to the rows that are kept: one a trial, one a (trial, step)."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from fallline.engine.training import Records
from fallline.executors.cohort import ReadyCohort
from fallline.study import Target
from fallline.tasks.metrics import HIGHER_IS_BETTER


def curve_rows(ready: ReadyCohort, seeds: tuple[int, ...], records: Records) -> pl.DataFrame:
    """One row a (trial, step), sorted by trial and step; a diverged lane's rows end before it diverged."""
    watched = _watched_names(ready, records)
    train = {(name if name in watched else f"train_{name}"): values[0] for name, values in records.curves.items()}
    held = {name: values[0] for name, values in records.held_out.items()}
    names = [trial.name for trial in ready.planned.of_seeds(seeds)]
    frame = _long(names, records.steps, train)
    if held:
        frame = frame.join(_long(names, records.evaluated, held), on=["lane", "trial", "step"], how="full",
                           coalesce=True)
    ended = pl.DataFrame({"lane": np.arange(len(names), dtype=np.int32),
                          "ended": np.where(records.diverged_at >= 0, records.diverged_at, 2**31 - 1).ravel()})
    return (frame.join(ended, on="lane").filter(pl.col("step") < pl.col("ended"))
            .sort("lane", "step").drop("lane", "ended").fill_nan(None))


def trial_rows(ready: ReadyCohort, seeds: tuple[int, ...], records: Records, block: str,
               target: Target | None) -> pl.DataFrame:
    """One row a trial: what it was, how it ended, its best and final values."""
    planned = ready.planned
    rows = []
    for place, trial in enumerate(planned.of_seeds(seeds)):
        s, lane = divmod(place, planned.lanes)
        diverged_at = int(records.diverged_at[s, lane])
        recipe = trial.recipe
        row: dict[str, Any] = {
            "trial": trial.name, "block": block, "cohort": planned.name, "task": trial.task.name,
            "data": trial.data, "optimizer": recipe.optimizer.name, **dict(recipe.numbers),
            "loss": recipe.loss.name, "batch_size": recipe.batch_size, "order": recipe.order,
            "steps": recipe.steps, "seed": trial.seed, "status": "done" if diverged_at < 0 else "diverged",
            "diverged_at": None if diverged_at < 0 else diverged_at, "parameters": ready.weights}
        row |= _train_values(ready, records, s, lane) | _held_values(records, s, lane)
        row["steps_to_target"] = _steps_to_target(target, records, s, lane)
        rows.append(row)
    whole = {"batch_size": pl.Int64, "diverged_at": pl.Int64, "steps_to_target": pl.Int64, "seed": pl.Int64}
    return pl.DataFrame(rows, infer_schema_length=None, schema_overrides=whole)


def _train_values(ready: ReadyCohort, records: Records, s: int, lane: int) -> dict[str, Any]:
    """The values on training batches: the last of each, and the lowest loss with its step."""
    watched = _watched_names(ready, records)
    row: dict[str, Any] = {}
    for name, values in records.curves.items():
        row[f"final_{name}" if name in watched else f"final_train_{name}"] = _number(values[0][-1, s, lane])
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
        higher = name.split("_", 1)[1] in HIGHER_IS_BETTER
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
    reached = seen >= target.value if metric in HIGHER_IS_BETTER else seen <= target.value
    return steps[int(reached.argmax())] if reached.any() else None


def _watched_names(ready: ReadyCohort, records: Records) -> set[str]:
    return set(records.curves) - {"loss", *(name for name, _ in ready.cohort.metrics)}


def _long(names: list[str], steps: list[int], values: dict[str, np.ndarray]) -> pl.DataFrame:
    """Arrays [points, seeds, lanes] as rows, all points of a lane together."""
    lanes = np.repeat(np.arange(len(names), dtype=np.int32), len(steps))
    columns = {name: array.reshape(len(steps), -1).T.ravel() for name, array in values.items()}
    return pl.DataFrame({"lane": lanes, "trial": pl.Series(names, dtype=pl.String).gather(lanes),
                         "step": np.tile(np.asarray(steps, np.int64), len(names)), **columns})


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
