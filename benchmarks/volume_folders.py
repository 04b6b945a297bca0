"""What the volume benchmark works on: studies of many trials, and run folders of many points that nobody trained."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RULES = ("gradient_descent", "momentum", "nesterov", "adam", "rmsprop")
SEEDS = 10
STEPS_APART = 500
"""Steps between two looks at the validation split in a folder that nobody trained."""

COLUMNS = ("train_loss", "train_accuracy", "validation_accuracy", "validation_loss")

FIGURES = [
    {"kind": "curves"},
    {"kind": "curves", "metric": "train_loss", "scale": "log"},
    {"kind": "sensitivity"},
    {"kind": "stopping"},
    {"kind": "grid"},
]

DIVERGES_FROM = 0.3
"""Learning rates from here on diverge there, on the way."""


@dataclass(frozen=True)
class Folder:
    """A run folder of ``trials`` x ``steps`` points, so many trials a block."""

    name: str
    trials: int
    steps: int
    a_block: int

    @property
    def points(self) -> int:
        return self.trials * self.steps


def line_study(trials: int) -> Any:
    """Fits of a line: 250 steps of two of its four points, every one recorded, with the two weights."""
    return _study("volume/line", trials, "line", "final_train_loss", batch_size=2, steps=250)


def classes_study(trials: int) -> Any:
    """A softmax layer on the package's digits, 20 steps: predictions and weights of every trial are kept."""
    return _study("volume/classes", trials, "mnist-softmax", "validation_accuracy", batch_size=20, steps=20)


STUDIES = {"line": line_study, "classes": classes_study}


def _study(name: str, trials: int, task: str, metric: str, **base: Any) -> Any:
    import numpy as np

    from fallline import Study

    rates = [float(f"{rate:.4g}") for rate in np.geomspace(1e-4, 1.0, trials // (SEEDS * len(RULES)))]
    return Study(
        name=name,
        task=task,
        metric=metric,
        seeds=SEEDS,
        base=base,
        axes={"optimizer": list(RULES), "learning_rate": rates},
    )


def write_folder(path: Path, folder: Folder) -> None:
    """A run folder as a run of ``folder.trials`` trials leaves it: falling losses with noise, rising accuracies, and
    high learning rates that diverge. One trial is in memory at a time."""
    import polars as pl

    from fallline.study import dump_study

    study = _study(
        "volume/points", folder.trials, "mnist-softmax", "validation_accuracy", batch_size=100, steps=folder.steps
    ).with_({"evaluate_every": STEPS_APART, "figures": FIGURES})
    for part in ("trials", "curves", "timings", "environments"):
        (path / part).mkdir(parents=True)
    (path / "study.toml").write_text(dump_study(study), encoding="utf-8")
    recipes = [(rule, rate, seed) for rule in RULES for rate in study.axes["learning_rate"] for seed in range(SEEDS)]
    blocks = []
    for first in range(0, folder.trials, folder.a_block):
        name = f"r1-c000-b{len(blocks):03d}"
        blocks.append({"name": name})
        own = range(first, min(first + folder.a_block, folder.trials))
        rows: list[dict[str, Any]] = []
        _curves(name, own, recipes, folder.steps, rows).sink_parquet(path / "curves" / f"{name}.parquet")
        pl.DataFrame(rows, infer_schema_length=None).write_parquet(path / "trials" / f"{name}.parquet")
        (path / "timings" / f"{name}.json").write_text(
            json.dumps(
                {
                    "block": name,
                    "cohort": "c000",
                    "device": "cpu:0",
                    "lanes": folder.a_block,
                    "seeds": SEEDS,
                    "steps": folder.steps,
                    "parameters": 7850,
                    "trace_seconds": 0.3,
                    "compile_seconds": 1.4,
                    "warmup_seconds": 0.2,
                    "steady_seconds": 3.9,
                    "steady_steps": folder.steps,
                    "evaluate_seconds": 0.4,
                    "predicted_memory_bytes": None,
                    "widths": [100],
                    "layout": {"seeds": SEEDS, "wide": True, "workers": 1, "chunk": 100, "loop": True},
                }
            )
        )
    (path / "environments" / "000.json").write_text(json.dumps({"started": "2026-05-11T09:41:02+00:00"}))
    plan = {"format": 1, "rounds": [{"cohorts": [{"name": "c000", "blocks": blocks}]}]}
    (path / "plan.json").write_text(json.dumps(plan))


def _curves(block: str, places: range, recipes: list[Any], steps: int, rows: list[dict[str, Any]]) -> Any:
    """The curves of a block as a lazy frame; its ``rows`` are there once it was written."""
    import polars as pl
    from polars.io.plugins import register_io_source

    def pieces(*_: Any) -> Iterator[pl.DataFrame]:
        for place in places:
            row, curve = _trial(block, place, *recipes[place], steps)
            rows.append(row)
            yield curve

    schema = {"trial": pl.String, "step": pl.Int64} | dict.fromkeys(COLUMNS, pl.Float32)
    return register_io_source(pieces, schema=schema)


def _trial(block: str, place: int, rule: str, rate: float, seed: int, steps: int) -> tuple[dict[str, Any], Any]:
    """The row of a trial, and its curve."""
    import numpy as np
    import polars as pl

    noise = np.random.default_rng([place, seed])
    off = abs(np.log10(rate / 0.01)) + 0.1 * RULES.index(rule)
    lost = rate >= DIVERGES_FROM
    end = int(noise.integers(steps // 10, steps)) if lost else steps + 1
    step = np.arange(end)
    rise = (1 - np.exp(-step / (steps / (30 / (1 + off))))).astype(np.float32)
    loss = 2.3 - (2.0 - 0.4 * min(off, 4.5)) * rise + 0.05 * noise.standard_normal(end, np.float32)
    if lost:
        loss[-20:] *= np.exp(np.arange(min(20, end), dtype=np.float32))
    accuracy = np.clip(0.1 + (0.8 - 0.15 * min(off, 4.5)) * rise + 0.02 * noise.standard_normal(end, np.float32), 0, 1)
    looks = np.where(step % STEPS_APART == 0, accuracy, np.nan).astype(np.float32)
    looks[-1] = np.nan if lost else accuracy[-1]
    name = f"{place:016x}"
    curve = (
        pl.DataFrame(
            {
                "trial": pl.Series([name]).new_from_index(0, end),
                "step": step,
                "train_loss": loss,
                "train_accuracy": accuracy,
                "validation_accuracy": looks,
                "validation_loss": 2.4 - 2.3 * looks,
            }
        )
        .fill_nan(None)
        .select("trial", "step", *COLUMNS)
    )
    best = int(np.nanargmax(looks))
    last = None if lost else float(accuracy[-1])
    row = {
        "trial": name,
        "block": block,
        "cohort": "c000",
        "task": "mnist-softmax",
        "data": "sample",
        "optimizer": rule,
        "learning_rate": rate,
        "loss": "softmax_cross_entropy",
        "loss_kind": "softmax_cross_entropy",
        "schedule": "constant",
        "batch_size": 100,
        "order": "shuffled",
        "steps": steps,
        "epochs": steps / 30,
        "seed": seed,
        "status": "diverged" if lost else "done",
        "diverged_at": end if lost else None,
        "final_train_loss": None if lost else float(loss[-1]),
        "min_train_loss": float(loss.min()),
        "min_train_loss_step": int(loss.argmin()),
        "validation_accuracy": last,
        "validation_loss": None if lost else 2.4 - 2.3 * float(accuracy[-1]),
        "test_accuracy": None if lost else float(accuracy[-1]) - 0.002,
        "best_validation_accuracy": float(looks[best]),
        "best_validation_accuracy_step": best,
        "steps_to_target": None,
        "parameters": 7850,
    }
    return row, curve.cast(dict.fromkeys(COLUMNS, pl.Float32))
