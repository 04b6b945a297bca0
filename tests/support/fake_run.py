"""Run folders for tests, written with polars alone: a real line fit, and made-up studies with noise."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from fallline.store import Run, open_run
from fallline.study import Study, dump_study

X, Y = np.array([1, 2, 3, 4], np.float32), np.array([0, -1, -2, -3], np.float32)
HYPERPARAMETERS = {
    "gradient_descent": {},
    "momentum": {"momentum": 0.9},
    "nesterov": {"momentum": 0.9},
    "adagrad": {"initial_accumulator": 0.1},
    "adadelta": {"decay": 0.95, "epsilon": 1e-8},
    "adam": {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8},
    "rmsprop": {"decay": 0.9, "momentum": 0.0, "epsilon": 1e-10, "centered": 0.0},
    "ftrl": {"learning_rate_power": -0.5, "l1": 0.0, "l2": 0.0},
    "proximal_gradient_descent": {"l1": 0.0, "l2": 0.0},
    "proximal_adagrad": {"l1": 0.0, "l2": 0.0, "initial_accumulator": 0.1},
}
RATES = [1.0, 0.5, 0.1, 0.05, 0.01, 0.005, 0.001, 0.0005, 0.0001]


def write_run(folder: Path, study: Study, blocks: list[tuple[list[dict[str, Any]], pl.DataFrame]]) -> Run:
    """A run folder with these blocks: rows of trials and a frame of curves each."""
    for part in ("trials", "curves", "timings", "environments"):
        (folder / part).mkdir(parents=True)
    (folder / "study.toml").write_text(dump_study(study), encoding="utf-8")
    names = [f"c{place}-b0" for place in range(len(blocks))]
    plan = {"rounds": [{"cohorts": [{"name": "c", "blocks": [{"name": name} for name in names]}]}]}
    (folder / "plan.json").write_text(json.dumps(plan))
    for place, (name, (rows, curves)) in enumerate(zip(names, blocks, strict=True)):
        trials = pl.DataFrame(
            [{"trial": row["trial"], "block": name, "cohort": f"c{place}", **row} for row in rows],
            infer_schema_length=None,
        )
        trials.write_parquet(folder / "trials" / f"{name}.parquet")
        curves.write_parquet(folder / "curves" / f"{name}.parquet")
        timing = {
            "block": name,
            "cohort": f"c{place}",
            "device": "cpu:0",
            "lanes": len(rows),
            "seeds": len({row["seed"] for row in rows}),
            "steps": rows[0]["steps"],
            "parameters": rows[0]["parameters"],
            "trace_seconds": 0.31,
            "compile_seconds": 1.42,
            "warmup_seconds": 0.21,
            "steady_seconds": 3.87,
            "steady_steps": rows[0]["steps"] - 20,
            "evaluate_seconds": 0.44,
            "predicted_memory_bytes": None if place else 48_234_496,
            "layout": {"kind": "fused", "chunk": 100},
            "started": "2026-05-11T09:41:07+00:00",
        }
        (folder / "timings" / f"{name}.json").write_text(json.dumps(timing))
    environment = {
        "started": "2026-05-11T09:41:02+00:00",
        "fallline": "0.1.0",
        "python": "3.11.9",
        "jax": "0.10.2",
        "jaxlib": "0.10.2",
        "optax": "0.2.8",
        "equinox": "0.13.1",
        "numpy": "2.3.1",
        "polars": "2.1.0",
        "platform": "Linux-6.8-x86_64",
        "processor": "AMD EPYC 7763",
        "cores": 2,
        "memory_bytes": 8_323_928_064,
        "device": "cpu",
        "commit": "3f2a91c",
        "command": f"fallline run {study.name}",
    }
    (folder / "environments" / "0.json").write_text(json.dumps(environment))
    return open_run(folder)


def tiny(folder: Path, rows: list[dict[str, Any]], curves: pl.DataFrame | None = None, **fields: Any) -> Run:
    """A run with these rows; what a row leaves out is the same for all."""
    usual = {"task": "t", "data": "sample", "optimizer": "adam", "learning_rate": 0.1, "loss": "l", "batch_size": 100}
    usual |= {"order": "shuffled", "steps": 10, "seed": 0, "status": "done", "diverged_at": None, "parameters": 3}
    full = [{"trial": f"{place:016x}", **usual, **row} for place, row in enumerate(rows)]
    if curves is None:
        curves = pl.DataFrame({"trial": [row["trial"] for row in full], "step": [0] * len(full), "train_loss": 1.0})
    study = Study(**{"name": "tiny", "task": "t", "metric": "validation_accuracy", **fields})
    return write_run(folder, study, [(full, curves)])


def line_run(
    folder: Path,
    optimizers: tuple[str, ...] = ("gradient_descent", "momentum", "nesterov", "adagrad", "adam"),
    rates: tuple[float, ...] = (0.1, 0.03, 0.01, 0.001, 0.0001),
    steps: int = 1000,
    **fields: Any,
) -> Run:
    """The line fit for real, one seed: rates of 0.1 diverge for the rules without adapted steps."""
    study = Study(
        **{
            "name": "line/optimizers",
            "task": "line",
            "title": "Ten optimizers fit a line",
            "question": "Which optimizer fits y = W x + b through four points with the lowest loss, at which "
            "learning rate?",
            "metric": "final_train_loss",
            "base": {"optimizer": "adam", "batch_size": "all", "steps": steps},
            "axes": {"optimizer": list(optimizers), "learning_rate": list(rates)},
            **fields,
        }
    )
    rows, curves = [], []
    for optimizer in optimizers:
        for rate in rates:
            name = f"{len(rows):016x}"
            with np.errstate(over="ignore", invalid="ignore"):
                curve = fit_line(optimizer, rate, steps)
            rows.append(_line_row(name, optimizer, rate, steps, curve))
            curves.append(
                pl.DataFrame(
                    {
                        "trial": [name] * len(curve[0]),
                        "step": np.arange(len(curve[0])),
                        "train_loss": curve[0],
                        "W": curve[1],
                        "b": curve[2],
                    }
                )
            )
    return write_run(folder, study, [(rows, pl.concat(curves))])


def fit_line(optimizer: str, rate: float, steps: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Loss, W and b before every step and after the last, up to the first loss that is not finite in float32."""
    weights, velocity, squares = np.array([0.3, -0.3], np.float32), np.zeros(2, np.float32), np.zeros(2, np.float32)
    found = []
    for step in range(steps + 1):
        errors = weights[0] * X + weights[1] - Y
        loss = float((errors**2).sum())
        if not loss < 1e38:
            break
        found.append((loss, *weights))
        g = np.array([2 * (errors * X).sum(), 2 * errors.sum()], np.float32)
        if optimizer in ("momentum", "nesterov"):
            velocity = 0.9 * velocity + g
            weights = weights - np.float32(rate) * (velocity if optimizer == "momentum" else g + 0.9 * velocity)
        elif optimizer in ("adagrad", "proximal_adagrad"):
            squares = squares + g**2
            weights = weights - np.float32(rate) * g / np.sqrt(squares + 0.1)
        elif optimizer in ("adam", "rmsprop", "adadelta", "ftrl"):
            velocity, squares = velocity + 0.1 * (g - velocity), squares + 0.001 * (g**2 - squares)
            scale = np.float32(math.sqrt(1 - 0.999 ** (step + 1)) / (1 - 0.9 ** (step + 1)))
            weights = weights - np.float32(rate) * scale * velocity / (np.sqrt(squares) + 1e-8)
        else:
            weights = weights - np.float32(rate) * g
    return tuple(np.array(found).T)


def _line_row(name: str, optimizer: str, rate: float, steps: int, curve: Any) -> dict[str, Any]:
    loss = curve[0]
    done = len(loss) == steps + 1
    return {
        "trial": name,
        "task": "line",
        "data": "sample",
        "optimizer": optimizer,
        **hyperparameters_of(optimizer, rate),
        "loss": "sum_of_squares",
        "batch_size": None,
        "order": "shuffled",
        "steps": steps,
        "seed": 0,
        "status": "done" if done else "diverged",
        "diverged_at": None if done else len(loss),
        "final_train_loss": float(loss[-1]) if done else None,
        "min_train_loss": float(loss.min()),
        "min_train_loss_step": int(loss.argmin()),
        "steps_to_target": None,
        "parameters": 2,
    }


def softmax_run(
    folder: Path,
    seeds: int = 5,
    optimizers: tuple[str, ...] = tuple(HYPERPARAMETERS)[:9],
    rates: tuple[float, ...] = tuple(RATES),
    steps: int = 500,
    test: bool = True,
    extra: dict | None = None,
    **fields: Any,
) -> Run:
    """A made-up softmax study: smooth curves, noise per seed, bad rates that diverge, some with some seeds only."""
    study = Study(
        **{
            "name": "softmax/optimizers",
            "task": "mnist-softmax",
            "title": "Nine optimizers on a softmax layer",
            "question": "Which optimizer classifies MNIST digits best after 500 steps of 100, each at its best "
            "learning rate?",
            "about": "One layer, 784-10, batches of 100.",
            "metric": "validation_accuracy",
            "seeds": seeds,
            "base": {"optimizer": "adam", "batch_size": 100, "steps": steps},
            "axes": {"optimizer": list(optimizers), "learning_rate": list(rates)},
            "evaluate_every": 25,
            **fields,
        }
    )
    rows, curves = [], []
    for place, optimizer in enumerate(optimizers):
        for rate in rates:
            for seed in range(seeds):
                name = f"{len(rows):016x}"
                row, curve = _softmax_trial(name, place, optimizer, rate, seed, steps, test)
                rows.append(row | (extra or {}))
                curves.append(curve)
    return write_run(folder, study, [(rows, pl.concat(curves))])


def _softmax_trial(name: str, place: int, optimizer: str, rate: float, seed: int, steps: int, test: bool) -> Any:
    noise = np.random.default_rng([seed, place, round(1e6 * rate)])
    best = {"adam": 0.007, "rmsprop": 0.007, "momentum": 0.06, "adadelta": 0.6, "gradient_descent": 0.5}.get(
        optimizer, 0.15
    )
    off = abs(math.log10(rate / best))
    top = 0.922 - 0.003 * place % 0.008 - 0.045 * off**1.5 + noise.normal(0, 0.0012)
    speed = 0.06 / (1 + 4 * off)
    step = np.arange(steps + 1)
    rise = 1 - np.exp(-speed * step)
    loss = 2.3026 - (2.3026 - 0.29 - 0.5 * off**1.4) * rise + noise.normal(0, 0.06, steps + 1) * rise
    accuracy = 0.1 + (max(top, 0.12) - 0.1) * rise
    diverged = rate > 40 * best or (rate > 12 * best and seed == 1)
    end = min(int(noise.integers(20, 200)), steps) if diverged else steps + 1
    if diverged:
        loss = loss + 0.4 * np.exp(np.minimum(0.35 * (step - end + 25), 60))
    evaluated = (step % 25 == 0) & (step < end)
    held = [float(a) + float(noise.normal(0, 0.001)) if on else None for a, on in zip(accuracy, evaluated, strict=True)]
    columns = {
        "trial": [name] * end,
        "step": step[:end],
        "train_loss": np.maximum(loss, 0.02)[:end],
        "train_accuracy": np.clip(accuracy + noise.normal(0, 0.03, steps + 1), 0, 1)[:end],
        "validation_accuracy": held[:end],
        "validation_loss": [None if h is None else max(0.25, 2.4 - 2.3 * h) for h in held[:end]],
    }
    columns |= {"test_accuracy": [None if h is None else h - 0.002 for h in held[:end]]} if test else {}
    curve = pl.DataFrame(columns, schema_overrides={key: pl.Float64 for key in columns if "_" in key})
    final = None if diverged else held[-1]
    peak = [(h, s) for s, h in enumerate(held) if h is not None] or [(None, None)]
    row = {
        "trial": name,
        "task": "mnist-softmax",
        "data": "sample",
        "optimizer": optimizer,
        **hyperparameters_of(optimizer, rate),
        "loss": "softmax_cross_entropy",
        "batch_size": 100,
        "order": "shuffled",
        "steps": steps,
        "seed": seed,
        "status": "diverged" if diverged else "done",
        "diverged_at": end if diverged else None,
        "final_train_loss": None if diverged else float(loss[-1]),
        "min_train_loss": float(loss[:end].min()),
        "min_train_loss_step": int(loss[:end].argmin()),
        "validation_loss": final and max(0.25, 2.4 - 2.3 * final),
        "validation_accuracy": final,
        "best_validation_accuracy": max(peak)[0],
        "best_validation_accuracy_step": max(peak)[1],
        "steps_to_target": None,
        "parameters": 7850,
    }
    if test:
        row |= {"test_accuracy": final and final - 0.002, "test_loss": final and 2.4 - 2.3 * (final - 0.002)}
    return row, curve


def hyperparameters_run(folder: Path) -> Run:
    """A one-at-a-time study of the numbers of adam and momentum on the line fit, made up but smooth."""
    axes = {
        "adam": {
            "learning_rate": [0.001, 0.1, 1.0],
            "beta1": [0.5, 0.8, 0.95],
            "beta2": [0.9, 0.99, 0.994],
            "epsilon": [1e-10, 1e-6, 1e-4],
        },
        "momentum": {"learning_rate": [0.001, 0.03], "momentum": [0.5, 0.95]},
    }
    study = Study(
        name="line/hyperparameters",
        task="line",
        title="The numbers of each optimizer",
        metric="final_train_loss",
        question="Which numbers matter?",
        design="one_at_a_time",
        axes={"optimizer": list(axes), **axes},
        base={"optimizer": "adam", "learning_rate": 0.01, "batch_size": "all", "steps": 300},
    )
    rows, curves = [], []
    for optimizer, hyperparameters in axes.items():
        base = {**hyperparameters_of(optimizer, 0.01)}
        for change in [{}, *({key: value} for key, values in hyperparameters.items() for value in values)]:
            settings = base | change
            name = f"{len(rows):016x}"
            off = sum(abs(settings[key] - 0.9) for key in ("beta1", "beta2", "momentum") if settings[key] is not None)
            off += abs(math.log10(settings["learning_rate"] / 0.1))
            loss = 23.66 * np.exp(-np.arange(301) / (20 * (1 + 2 * off))) + 1e-4
            bad = settings["learning_rate"] >= 1.0
            curve = (loss[:40] if bad else loss,)
            rows.append(_line_row(name, optimizer, 0.0, 300, curve) | settings)
            curves.append(
                pl.DataFrame(
                    {"trial": [name] * len(curve[0]), "step": np.arange(len(curve[0])), "train_loss": curve[0]}
                )
            )
    return write_run(folder, study, [(rows, pl.concat(curves))])


def hyperparameters_of(optimizer: str, rate: float) -> dict[str, float | None]:
    """All number columns: null where the rule takes no such number."""
    every = dict.fromkeys([name for hyperparameters in HYPERPARAMETERS.values() for name in hyperparameters])
    return {"learning_rate": rate, **every, **HYPERPARAMETERS[optimizer]}
