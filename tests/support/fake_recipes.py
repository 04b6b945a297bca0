"""A made-up study of recipes: losses, batch policies, penalties, with predictions and mistakes beside the curves."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from fake_run import hyperparameters_of, write_run
from fallline.datasets import find_dataset
from fallline.store import Run, open_run
from fallline.study import Study

CLASSES = ("T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
LOSSES = (
    ("softmax_cross_entropy", {}),
    ("weighted_cross_entropy", {"pos_weight": 0.5}),
    ("weighted_cross_entropy", {"pos_weight": 1.5}),
    ("sigmoid_focal", {"alpha": 0.25, "gamma": 2.0}),
)
EXAMPLES, TRAIN_EXAMPLES = 400, 55_000


def recipes_run(
    folder: Path,
    seeds: int = 2,
    optimizers: Sequence[str] = ("adam", "momentum"),
    rates: Sequence[float] = (0.01, 0.001),
    losses: Sequence[tuple[str, dict[str, float]]] = LOSSES[:1],
    batches: Sequence[dict[str, Any]] = ({"batch_size": 100},),
    more: Sequence[dict[str, Any]] = ({},),
    steps: int = 100,
    accuracy: bool = True,
    predictions: bool = True,
    stopped: Sequence[int] = (),
    **fields: Any,
) -> Run:
    """A made-up study of recipes on ten classes: every column of a recipe, predictions and mistakes beside it.

    ``more`` holds columns of further parts of a recipe (schedules, penalties); the trials whose places are in
    ``stopped`` were ended by early stopping at 60 % of their steps. Without ``accuracy`` only losses are recorded.
    """
    study = Study(
        **{
            "name": "recipes",
            "task": "fashion-mnist-softmax",
            "title": "Recipes",
            "question": "Which recipe is best?",
            "metric": "validation_loss",
            "seeds": seeds,
            "base": {"optimizer": "adam", "batch_size": 100, "steps": steps},
            "axes": {"optimizer": list(optimizers), "learning_rate": list(rates)},
            "evaluate_every": max(1, steps // 10),
            **fields,
        }
    )
    labels = {
        split: np.random.default_rng(place).integers(0, 10, EXAMPLES)
        for place, split in enumerate(("validation", "test"))
    }
    rows, curves, given = [], [], []
    own = sorted({name for _, hyperparameters in losses for name in hyperparameters})
    for place, (optimizer, rate, (loss, hyperparameters), batch, extra) in enumerate(
        itertools.product(optimizers, rates, losses, batches, more)
    ):
        for seed in range(seeds):
            row = {
                "trial": f"{len(rows):016x}",
                "task": "fashion-mnist-softmax",
                "data": "sample",
                "optimizer": optimizer,
                **hyperparameters_of(optimizer, rate),
                "loss": loss,
                **{name: hyperparameters.get(name) for name in own},
                "loss_kind": _kind(loss, hyperparameters),
                "schedule": "constant",
                **_policy(batch, steps),
                **extra,
                "seed": seed,
            }
            noise = np.random.default_rng([seed, place])
            ended, curve = _recipe_trial(row, noise, len(rows) in stopped, accuracy)
            rows.append(row | ended)
            curves.append(curve)
            if predictions:
                given += _predicted(rows[-1], labels, noise)
    if any(isinstance(row["batch_size"], str) for row in rows):
        rows = [row | {"batch_size": None if row["batch_size"] is None else str(row["batch_size"])} for row in rows]
    run = write_run(folder, study, [(rows, pl.concat(curves))])
    if predictions:
        _write_predictions(run, labels, given)
    return open_run(folder)


def _kind(loss: str, hyperparameters: dict[str, float]) -> str:
    inside = ", ".join(f"{name}={value:g}" for name, value in hyperparameters.items())
    return f"{loss}({inside})" if inside else loss


def _policy(batch: dict[str, Any], steps: int) -> dict[str, Any]:
    """The columns of a batch policy and its budget; a batch policy may bring its own steps."""
    policy = {
        "batch_size": 100,
        "order": "shuffled",
        "overlap": 0.0,
        "subset": None,
        "subset_from": None,
        "last_batch": "dropped",
        "steps": steps,
        **batch,
    }
    examples = policy["subset"] or TRAIN_EXAMPLES
    size = policy["batch_size"] if isinstance(policy["batch_size"], int) else examples
    epoch = examples // size
    return {
        **policy,
        "epochs": policy["steps"] / epoch,
        "examples_seen": policy["steps"] * size,
        "train_examples": TRAIN_EXAMPLES,
    }


def _recipe_trial(row: dict[str, Any], noise: np.random.Generator, stopped: bool, accuracy: bool) -> Any:
    """Results and curve: a validation loss that falls and then rises a little, an accuracy that saturates."""
    steps, weight = row["steps"], row.get("pos_weight") or 1.0
    end = 6 * steps // 10 if stopped else steps
    off = abs(math.log10(row["learning_rate"] / 0.003))
    step = np.arange(end + 1)
    rise = 1 - np.exp(-step / (0.1 * steps * (1 + off)))
    loss = weight * (2.3 - (1.9 - 0.3 * off) * rise) + noise.normal(0, 0.02, end + 1)
    held = loss + weight * 0.15 * (step / steps) ** 2 + 0.05
    top = 0.1 + (0.8 - 0.06 * off - 0.02 * abs(weight - 1)) * rise
    look = (step % max(1, steps // 10) == 0) | (step == end)
    columns = {"train_loss": loss, "validation_loss": np.where(look, held, np.nan)}
    if accuracy:
        columns |= {
            "train_accuracy": np.clip(top + noise.normal(0, 0.04, end + 1), 0, 1),
            "validation_accuracy": np.where(look, top - 0.01 + noise.normal(0, 0.004, end + 1), np.nan),
        }
    curve = pl.DataFrame({"trial": [row["trial"]] * (end + 1), "step": step, **columns}).fill_nan(None)
    results: dict[str, Any] = {
        "status": "stopped" if stopped else "done",
        "diverged_at": None,
        "stopped_at": end if stopped else None,
        "parameters": 7850,
    }
    for name, values in columns.items():
        results[f"final_{name}" if name.startswith("train") else name] = float(values[-1])
    best = int(np.nanargmin(columns["validation_loss"]))
    results |= {
        "min_train_loss": float(loss.min()),
        "min_train_loss_step": int(loss.argmin()),
        "best_validation_loss": float(columns["validation_loss"][best]),
        "best_validation_loss_step": best,
        "test_loss": results["validation_loss"] + 0.01,
        "steps_to_target": None,
    }
    if accuracy:
        results["test_accuracy"] = results["validation_accuracy"] - 0.005
    return results, curve


def _predicted(row: dict[str, Any], labels: dict[str, np.ndarray], noise: np.random.Generator) -> list[dict[str, Any]]:
    """What each example was given: mostly right; shirts pass for T-shirts, rarer classes need a larger weight.

    Adds the macro means to ``row``, computed here from their definition.
    """
    weight, rows = row.get("pos_weight") or 1.0, []
    for split, truth in labels.items():
        difficulty = np.random.default_rng(len(split)).random(truth.size)
        wrong = difficulty + noise.normal(0, 0.08, truth.size) > 0.9 - 0.04 * abs(weight - 1)
        swapped = np.where(truth == 6, 0, np.where(truth == 0, 6, (truth + 2 * (noise.random(truth.size) < 0.7)) % 10))
        taken = np.where(wrong, swapped, truth)
        taken = np.where((noise.random(truth.size) < 0.02 * weight) & (taken == 4), 2, taken)
        hits = np.array([((taken == k) & (truth == k)).sum() for k in range(10)])
        precision = float(np.mean(hits / np.maximum([(taken == k).sum() for k in range(10)], 1)))
        recall = float(np.mean(hits / np.maximum([(truth == k).sum() for k in range(10)], 1)))
        row |= {
            f"{split}_macro_precision": precision,
            f"{split}_macro_recall": recall,
            f"{split}_macro_f1": 2 * precision * recall / (precision + recall),
        }
        rows.append({"trial": row["trial"], "split": split, "predicted": taken})
    return rows


def _write_predictions(run: Run, labels: dict[str, np.ndarray], given: list[dict[str, Any]]) -> None:
    """predictions/, answers/ and mistakes.parquet, counted example by example."""
    folder = run.folder
    for part in ("predictions", "answers"):
        (folder / part).mkdir()
    block = run.paths.done_blocks()[0]
    lists = {"predicted": pl.List(pl.UInt16), "labels": pl.List(pl.UInt16)}
    taken = pl.DataFrame([{**row, "predicted": row["predicted"].tolist()} for row in given], schema_overrides=lists)
    taken.write_parquet(folder / "predictions" / f"{block}.parquet")
    task = {"task": "fashion-mnist-softmax", "data": "sample"}
    answers = [
        {**task, "split": split, "labels": truth.tolist(), "classes": list(CLASSES)} for split, truth in labels.items()
    ]
    pl.DataFrame(answers, schema_overrides=lists).write_parquet(folder / "answers" / "fashion.parquet")
    taken = np.stack([row["predicted"] for row in given if row["split"] == "test"])
    wrong = (taken != labels["test"]).sum(axis=0)
    pictures = find_dataset("fashion-mnist").load("sample", None).test
    rows = []
    for example in np.argsort(-wrong, kind="stable")[:48]:
        label = int(labels["test"][example])
        others = taken[:, example][taken[:, example] != label]
        image = np.asarray(pictures.inputs[int(np.flatnonzero(pictures.targets == label)[example % 50])], np.uint8)
        rows.append(
            {
                **task,
                "split": "test",
                "example": int(example),
                "label": label,
                "wrong": int(wrong[example]),
                "trials": len(taken),
                "most_common": int(np.bincount(others).argmax()),
                "image": image.tobytes(),
                "height": 28,
                "width": 28,
                "channels": 1,
            }
        )
    pl.DataFrame([row for row in rows if row["wrong"]]).write_parquet(folder / "mistakes.parquet")
