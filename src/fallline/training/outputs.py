"""What the best trials give on validation, kept so that figures of probabilities and residuals need no data.

A run keeps the predicted class of each example for every trial; ROC curves, calibration and residuals need the
probabilities and the numbers. They are computed at the end of a run from weights that were kept, of the best
configuration of each optimizer and loss, and on validation alone: the test set is read for nothing here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from fallline.contracts import Loss, MetricName, Model, Split, Task
from fallline.engine.devices import prepare_jax
from fallline.engine.evaluation import EVALUATION_BATCH
from fallline.losses.linking import as_taken
from fallline.metrics import higher_is_better
from fallline.metrics.rows import probability_rows
from fallline.models.paths import STATE, arrays_by_path
from fallline.store.files import parquet_schema, read_parquet
from fallline.store.run import OUTPUTS, PROBABILITIES, TARGETS, VALUES
from fallline.store.writing import RunWriter
from fallline.study import Trial
from fallline.study.test_leakage import on_test, twin
from fallline.training.arrays import Arrays
from fallline.training.context import TrainingContext
from fallline.training.validation import state_shapes, weight_shapes

MOST_EXAMPLES = 10_000
"""Of a larger validation split as many are drawn, the same for all trials."""

MOST_CLASSES, MOST_NUMBERS = 100, 8
"""Models with more outputs than this, of classes or of numbers, keep none."""

PROBE = 1_000_000
"""Fills an array to find it again under the name that a framework gives it."""


def outputs_missing(writer: RunWriter) -> bool:
    """Whether weights were kept and validation was recorded, and the outputs that follow from them are not there."""
    return not writer.paths.outputs.exists() and any(
        "validation_loss" in parquet_schema(writer.paths.trials(block))
        for block in writer.paths.done_blocks()
        if writer.paths.weights(block).exists()
    )


def write_outputs(setup: TrainingContext, writer: RunWriter) -> None:
    """Write what the best trials whose weights were kept give on validation, and the targets; an empty file where no
    trial has such outputs, none where nothing was kept."""
    blocks = [block for block in writer.paths.done_blocks() if writer.paths.weights(block).exists()]
    trials = {trial.name: trial for trial in setup.trials if trial.cut is None or trial.cut.folds is None}
    rows: list[dict[str, Any]] = []
    chosen = set(_best(setup, writer, trials))
    runs: dict[int, _Pass] = {}
    described: set[tuple[str, str]] = set()
    for block in blocks:
        kept = read_parquet(writer.paths.weights(block)).filter(pl.col("trial").is_in(list(chosen)))
        for (name,), arrays in kept.group_by("trial", maintain_order=True):
            trial = trials[str(name)]
            loaded = setup.load(trial.task, trial.cut)
            which = _kind(trial.task, trial.recipe.loss, loaded)
            held = loaded.splits.validation
            if which is None or held is None:
                continue
            forward = runs.setdefault(id(trial.task.model), _Pass.of(trial.task))
            found = forward.outputs(trial, arrays, _some(held))
            shown = None if found is None else _as_kept(which, trial.task, found, _some(held).targets)
            if shown is None:
                continue
            targets, values = shown
            place = {"task": trial.task.name, "data": trial.data_as_cut, "split": "validation"}
            if (place["task"], place["data"]) not in described:
                described.add((place["task"], place["data"]))
                rows.append({**place, "trial": "", "kind": TARGETS, **_flat(targets)})
            rows.append({**place, "trial": trial.name, "kind": which, **_flat(values)})
    writer.write_outputs(pl.DataFrame(rows, schema=OUTPUTS))


def outputs_width(task: Task, loss: Loss, arrays: Arrays) -> int:
    """How many numbers a trial keeps per validation example; 0 where it keeps none."""
    kind = _kind(task, loss, arrays)
    if kind is None:
        return 0
    if kind == PROBABILITIES:
        return arrays.classes(task, loss) or 0
    return int(np.prod(arrays.splits.train.targets.shape[1:], dtype=int))


def _kind(task: Task, loss: Loss, arrays: Arrays) -> str | None:
    """Whether a trial gives probabilities or numbers; None where its outputs are neither.

    The outputs of a model that is trained as logits are no probabilities under a loss of values.
    """
    classes = arrays.classes(task, loss)
    if arrays.splits.validation is None:
        return None
    if classes is not None:
        given = task.gives == "probabilities" or (task.gives == "logits" and loss.takes != "values")
        return PROBABILITIES if given and classes <= MOST_CLASSES else None
    targets = arrays.splits.train.targets
    wide = int(np.prod(targets.shape[1:], dtype=int))
    return VALUES if targets.dtype.kind == "f" and wide <= MOST_NUMBERS else None


def _best(setup: TrainingContext, writer: RunWriter, trials: Mapping[str, Trial]) -> Iterable[str]:
    """The names of the trials of the best configuration of each task, optimizer and loss, over all seeds."""
    columns = ("trial", "status")
    frames = [
        read_parquet(path)
        for path in map(writer.paths.trials, writer.paths.done_blocks())
        if {*columns} <= parquet_schema(path).keys()
    ]
    known = pl.concat(frames, how="diagonal_relaxed").filter(pl.col("trial").is_in(list(trials)))
    metric = _ranking_metric(setup, known)
    values = dict(known.select("trial", metric).iter_rows()) if metric in known.columns else {}
    ended = dict(known.select(columns).iter_rows())
    groups: dict[Any, dict[Any, list[str]]] = {}
    for name in ended:
        trial = trials[name]
        recipe = trial.recipe
        key = (trial.task.name, trial.data_as_cut, recipe.optimizer.name, recipe.loss.name)
        groups.setdefault(key, {}).setdefault((trial.task.model.name, recipe), []).append(name)
    sign = -1.0 if higher_is_better(metric, setup.study.goals) else 1.0

    def rank(names: list[str]) -> tuple[float, float]:
        found = [values.get(name) for name in names]
        whole = [
            value
            for name, value in zip(names, found, strict=True)
            if value is not None and np.isfinite(value) and ended[name] != "diverged"
        ]
        return 1 - len(whole) / len(names), sign * float(np.mean(whole)) if whole else float("inf")

    for configurations in groups.values():
        yield from min(configurations.values(), key=rank)


def _ranking_metric(setup: TrainingContext, known: pl.DataFrame) -> str:
    """The column that ranks: never one of the test set; an accuracy in place of the values of different losses."""
    asked = str(MetricName.parse(setup.study.metric).after_training)
    asked = twin(asked) if on_test(asked) else asked
    kinds = {trial.recipe.loss_kind for trial in setup.trials}
    unlike = len(kinds) > 1 and MetricName.parse(asked).is_loss
    options = ["validation_accuracy", asked, "validation_loss"] if unlike else [asked, "validation_loss"]
    return next((name for name in options if name in known.columns), asked)


@dataclass
class _Pass:
    """The compiled pass of a model over validation, and where its arrays are among the kept ones."""

    model: Model
    names: tuple[str, ...] | None
    shapes: Any
    apply: Any

    @classmethod
    def of(cls, task: Task) -> _Pass:
        import jax

        shapes = (weight_shapes(task.name, task.model), state_shapes(task.name, task.model))

        def apply(weights: Any, state: Any, inputs: Any, hyperparameters: Any) -> Any:
            prepared = inputs if task.prepare is None else task.prepare(inputs)
            return task.model.run(weights, state, prepared, None, hyperparameters)[0]

        return cls(task.model, _names(task.model, shapes), shapes, jax.jit(apply))

    def outputs(self, trial: Trial, arrays: pl.DataFrame, held: Split) -> np.ndarray | None:
        """The outputs [n, ...] of a trial, whose ``arrays`` were kept; None where they are not finite or not all
        arrays of the model are among them."""
        jax = prepare_jax()
        kept = {
            name: np.asarray(values, np.float32).reshape(shape)
            for name, shape, values in arrays.select("array", "shape", "values").iter_rows()
        }
        if self.names is None or not {*self.names} <= kept.keys():
            return None
        leaves, structure = jax.tree.flatten(self.shapes)
        of_trial = [kept[name].astype(leaf.dtype) for name, leaf in zip(self.names, leaves, strict=True)]
        weights, state = jax.tree.unflatten(structure, of_trial)
        hyperparameters = {name: np.float32(value) for name, value in trial.recipe.hyperparameters.model}
        size = min(len(held.inputs), EVALUATION_BATCH)
        short = -len(held.inputs) % size
        inputs = held.inputs if not short else np.concatenate([held.inputs, held.inputs[:short]])
        parts = [
            np.asarray(self.apply(weights, state, inputs[first : first + size], hyperparameters), np.float64)
            for first in range(0, len(inputs), size)
        ]
        outputs = np.concatenate(parts)[: len(held.inputs)]
        return outputs if np.isfinite(outputs).all() else None


def _names(model: Model, shapes: Any) -> tuple[str, ...] | None:
    """The name under which each leaf of (weights, state) is kept; None where one cannot be told from the others."""
    jax = prepare_jax()
    weights, state = shapes
    if model.whole is None:
        return (*arrays_by_path(weights), *arrays_by_path(state, STATE))
    leaves, structure = jax.tree.flatten(shapes)
    probes = [np.full(leaf.shape, PROBE + place).astype(leaf.dtype) for place, leaf in enumerate(leaves)]
    kept = {name: np.asarray(values) for name, values in model.whole(*jax.tree.unflatten(structure, probes)).items()}
    found = []
    for place, leaf in enumerate(leaves):
        named = [
            name for name, values in kept.items() if values.shape == leaf.shape and (values == PROBE + place).all()
        ]
        if not named or not leaf.size:
            return None
        found.append(named[0])
    return tuple(found)


def _some(held: Split) -> Split:
    """At most ``MOST_EXAMPLES`` of the examples, drawn once and for all, in their order."""
    if len(held.targets) <= MOST_EXAMPLES:
        return held
    places = np.sort(np.random.default_rng(0).choice(len(held.targets), MOST_EXAMPLES, replace=False))
    return Split(held.inputs[places], held.targets[places])


def _as_kept(kind: str, task: Task, outputs: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Targets and outputs as rows [n, ...]: labels and probabilities, or numbers in the units of the targets; None
    where they do not belong together."""
    if kind == PROBABILITIES:
        rows = np.asarray(as_taken("probabilities", task.gives, outputs), np.float64)
        probabilities, labels = probability_rows("probabilities", rows, np.asarray(targets))
        return np.asarray(labels)[:, None], np.asarray(probabilities)
    wide = int(np.prod(targets.shape[1:], dtype=int))
    if outputs.size != targets.size:
        return None
    pair = outputs.reshape(-1, wide), np.asarray(targets, np.float64).reshape(-1, wide)
    values, known = pair if task.in_units is None else task.in_units(lambda *both: both)(*pair)
    return np.asarray(known), np.asarray(values)


def _flat(values: np.ndarray) -> dict[str, Any]:
    return {"width": values.shape[1], "values": values.astype(np.float32).ravel()}
