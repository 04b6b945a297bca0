"""What was predicted, kept so that it can be judged: the labels once, and the examples got wrong most often."""

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
from fallline.training.context import TrainingContext
from fallline.training.validation import classes_of, splits_of

WORST = 48
"""How many of the examples got wrong most often are kept with their pictures, of each task and split."""


def write_answers(setup: TrainingContext, writer: RunWriter, trials: Iterable[Trial]) -> None:
    """The labels that the predictions of these trials are held against, once a task and cut of its data."""
    trials = list(trials)
    for (task, data), trial in _of_each_data(trials).items():
        splits = setup.load(trial.task, trial.cut).splits
        if _classes(trials, trial, splits) is None:
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
            for name, split in _held(splits).items()
        ]
        if rows:
            writer.write_answers(answers_name(task, data), pl.DataFrame(rows, schema=ANSWERS))


def lack_answers(writer: RunWriter) -> bool:
    """Whether labels or mistakes are missing of what is recorded: a run was killed at its very end, or they were
    lost.
    """
    wanted: set[tuple[str, str]] = set()
    stands = _stands(writer)
    for block in writer.paths.done_blocks():
        if writer.paths.predictions(block).exists():
            named = read_parquet(writer.paths.trials(block), columns=["trial", "task", "data"]).filter(stands)
            wanted |= set(named.select("task", "data").unique().rows())
    labels = [writer.paths.answers / f"{answers_name(task, data)}.parquet" for task, data in wanted]
    return bool(wanted) and not all(path.exists() for path in (*labels, writer.paths.mistakes))


def write_mistakes(setup: TrainingContext, writer: RunWriter) -> None:
    """The examples that most trials of the study as it stands got wrong, worst first, with their pictures where they
    are images."""
    frames, stands = [], _stands(writer)
    for (task, data), trial in _of_each_data(setup.trials).items():
        splits = setup.load(trial.task, trial.cut).splits
        classes = _classes(setup.trials, trial, splits)
        if classes is None:
            continue
        held_out = _held(splits)
        counts = {split: np.zeros((len(held.targets), classes), np.int32) for split, held in held_out.items()}
        for block in writer.paths.done_blocks():
            if not writer.paths.predictions(block).exists():
                continue
            named = read_parquet(writer.paths.trials(block), columns=["trial", "task", "data"])
            of_task = named.filter((pl.col("task") == task) & (pl.col("data") == data) & stands)
            if of_task.is_empty():
                continue
            rows = read_parquet(writer.paths.predictions(block)).join(of_task, on="trial", how="semi")
            for (split,), own in rows.group_by("split"):
                counts[split] += _counted(own["predicted"], *counts[split].shape)
        frames += [_worst(task, data, split, held, counts[split]) for split, held in held_out.items()]
    found = [frame for frame in frames if frame.height]
    if frames:
        writer.write_mistakes(pl.concat(found, how="diagonal_relaxed") if found else pl.DataFrame(schema=MISTAKES))


def _stands(writer: RunWriter) -> pl.Expr:
    """Whether a row's trial is of the study as it stands."""
    return ~pl.col("trial").is_in(list(writer.earlier()))


def _of_each_data(trials: Iterable[Trial]) -> dict[tuple[str, str], Trial]:
    """A trial of each task and cut of its data."""
    return {(trial.task.name, trial.data_as_cut): trial for trial in trials}


def _classes(trials: Iterable[Trial], like: Trial, splits: Splits) -> int | None:
    """How many classes the task of ``like`` tells apart under any of the losses it is trained with."""
    losses = {trial.recipe.loss.name: trial.recipe.loss for trial in trials if trial.task.name == like.task.name}
    return next((found for loss in losses.values() if (found := classes_of(like.task, splits, loss))), None)


def _counted(predicted: pl.Series, examples: int, classes: int) -> np.ndarray:
    """How often each example was given each class [examples, classes]; ``predicted`` is a list a trial."""
    given = predicted.explode().to_numpy().reshape(-1, examples).astype(np.int64)
    places = given + classes * np.arange(examples)
    return np.bincount(places.ravel(), minlength=examples * classes).reshape(examples, classes)


def _worst(task: str, data: str, split: str, held: Any, counts: np.ndarray) -> pl.DataFrame:
    """The rows of one split; ``counts`` [examples, classes] is how often an example was given each class."""
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
    """The bytes of an image [height, width] or [height, width, channels]; nothing of what is none."""
    if image.dtype != np.uint8 or image.ndim not in (2, 3):
        return {"image": None, "height": None, "width": None, "channels": None}
    height, width, *channels = image.shape
    return {"image": image.tobytes(), "height": height, "width": width, "channels": channels[0] if channels else 1}


def _held(splits: Splits) -> dict[str, Any]:
    return {name: split for name, split in splits_of(splits).items() if name != "train"}
