"""Labels and misclassified examples, kept so that predictions can be judged without the data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import polars as pl

from fallline.contracts import Splits
from fallline.metrics.cuts import labels_of
from fallline.store.files import read_parquet
from fallline.store.paths import answers_name
from fallline.store.run import ANSWERS, MISTAKES
from fallline.store.writing import RunWriter
from fallline.study import Trial
from fallline.training.arrays import Arrays
from fallline.training.context import TrainingContext
from fallline.training.validation import splits_of

WORST = 48
"""How many of the most often misclassified examples are kept with their images, per task and split."""


def write_labels(setup: TrainingContext, writer: RunWriter, trials: Iterable[Trial]) -> None:
    """Write the labels for the predictions of these trials, once per task and fold of its data."""
    trials = list(trials)
    for (task, data), trial in _of_each_data(trials).items():
        arrays = setup.load(trial.task, trial.cut)
        if _classes(trials, trial, arrays) is None:
            continue
        names = list(trial.task.classes)
        rows = [
            {
                "task": task,
                "data": data,
                "split": name,
                "labels": labels_of(split.targets).astype(np.uint16),
                "classes": names,
            }
            for name, split in _held(arrays.splits).items()
        ]
        if rows:
            writer.write_labels(answers_name(task, data), pl.DataFrame(rows, schema=ANSWERS))


def labels_missing(writer: RunWriter) -> bool:
    """Whether labels or misclassified examples of recorded trials are missing: the run was killed at its end, or files
    were lost.
    """
    wanted: set[tuple[str, str]] = set()
    current = _is_current(writer)
    for block in writer.paths.done_blocks():
        if writer.paths.predictions(block).exists():
            named = read_parquet(writer.paths.trials(block), columns=["trial", "task", "data"]).filter(current)
            wanted |= set(named.select("task", "data").unique().rows())
    labels = [writer.paths.answers / f"{answers_name(task, data)}.parquet" for task, data in wanted]
    return bool(wanted) and not all(path.exists() for path in (*labels, writer.paths.mistakes))


def write_mistakes(setup: TrainingContext, writer: RunWriter) -> None:
    """Write the examples that most trials of the study in its current form misclassified, worst first, with their
    images where they are images."""
    frames, current = [], _is_current(writer)
    for (task, data), trial in _of_each_data(setup.trials).items():
        arrays = setup.load(trial.task, trial.cut)
        classes = _classes(setup.trials, trial, arrays)
        if classes is None:
            continue
        held_out = _held(arrays.splits)
        counts = {split: np.zeros((len(held.targets), classes), np.int32) for split, held in held_out.items()}
        for block in writer.paths.done_blocks():
            if not writer.paths.predictions(block).exists():
                continue
            named = read_parquet(writer.paths.trials(block), columns=["trial", "task", "data"])
            of_task = named.filter((pl.col("task") == task) & (pl.col("data") == data) & current)
            if of_task.is_empty():
                continue
            rows = read_parquet(writer.paths.predictions(block)).join(of_task, on="trial", how="semi")
            for (split,), predictions in rows.group_by("split"):
                counts[split] += _counted(predictions["predicted"], *counts[split].shape)
        frames += [_worst(task, data, split, held, counts[split]) for split, held in held_out.items()]
    filled = [frame for frame in frames if frame.height]
    if frames:
        writer.write_mistakes(pl.concat(filled, how="diagonal_relaxed") if filled else pl.DataFrame(schema=MISTAKES))


def _is_current(writer: RunWriter) -> pl.Expr:
    """Whether the trial of a row belongs to the study in its current form."""
    return ~pl.col("trial").is_in(list(writer.earlier()))


def _of_each_data(trials: Iterable[Trial]) -> dict[tuple[str, str], Trial]:
    """One trial of each task and fold of its data."""
    return {(trial.task.name, trial.data_as_cut): trial for trial in trials}


def _classes(trials: Iterable[Trial], like: Trial, arrays: Arrays) -> int | None:
    """The number of classes of the task of ``like`` with any of the losses it is trained with; None without classes."""
    losses = {trial.recipe.loss.name: trial.recipe.loss for trial in trials if trial.task.name == like.task.name}
    return next((count for loss in losses.values() if (count := arrays.classes(like.task, loss))), None)


def _counted(predicted: pl.Series, examples: int, classes: int) -> np.ndarray:
    """How often each class was predicted for each example [examples, classes]; ``predicted`` has one list per trial."""
    classes_given = predicted.explode().to_numpy().reshape(-1, examples).astype(np.int64)
    places = classes_given + classes * np.arange(examples)
    return np.bincount(places.ravel(), minlength=examples * classes).reshape(examples, classes)


def _worst(task: str, data: str, split: str, held: Any, counts: np.ndarray) -> pl.DataFrame:
    """The rows of one split; ``counts`` [examples, classes] is how often each class was predicted for an example."""
    labels = labels_of(held.targets).astype(np.int64)
    trials = int(counts.sum(1).max(initial=0))
    right = counts[np.arange(len(labels)), labels]
    wrong = counts.sum(1) - right
    order = np.argsort(-wrong, kind="stable")[:WORST]
    others = counts.copy()
    others[np.arange(len(labels)), labels] = -1
    rows = []
    for example in order[wrong[order] > 0]:
        rows.append(
            {
                "task": task,
                "data": data,
                "split": split,
                "example": int(example),
                "label": int(labels[example]),
                "wrong": int(wrong[example]),
                "trials": trials,
                "most_common": int(others[example].argmax()),
                **_picture(held.inputs[example]),
            }
        )
    return pl.DataFrame(rows, infer_schema_length=None)


def _picture(image: np.ndarray) -> dict[str, Any]:
    """The bytes of an image [height, width] or [height, width, channels]; nulls for inputs that are no image."""
    if image.dtype != np.uint8 or image.ndim not in (2, 3):
        return {"image": None, "height": None, "width": None, "channels": None}
    height, width, *channels = image.shape
    return {"image": image.tobytes(), "height": height, "width": width, "channels": channels[0] if channels else 1}


def _held(splits: Splits) -> dict[str, Any]:
    return {name: split for name, split in splits_of(splits).items() if name != "train"}
