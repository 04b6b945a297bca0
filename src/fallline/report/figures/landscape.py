"""The training loss of a trial's task over two of its weights, all others fixed at their final values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from fallline.contracts import Loss, Model, Task
from fallline.errors import FalllineError
from fallline.losses import find_loss
from fallline.models.paths import arrays_by_path
from fallline.stats.analysis import Analysis
from fallline.study.resolve import resolve_task

MOST_EXAMPLES = 500
"""The most examples the loss is computed on; of more, so many evenly spaced ones."""


class NotKnown(Exception):
    """Why there is no landscape: the end of a sentence "No contours: ..."."""


class Landscape(NamedTuple):
    """The loss ``values`` [ys, xs] on ``examples`` of ``of`` training examples; whether other weights were fixed
    (``held``)."""

    values: np.ndarray
    examples: int
    of: int
    held: bool


def landscape(
    analysis: Analysis, trial: Mapping[str, Any], names: Sequence[str], xs: np.ndarray, ys: np.ndarray
) -> Landscape:
    """The loss, without penalties, where the weights watched as ``names`` have the values ``xs`` and ``ys``.

    ``trial`` is a row of the run's trials. NotKnown where task, data or weights are not available, or where a watched
    scalar is not a single weight.
    """
    import jax
    import jax.numpy as jnp

    from fallline.losses.linking import as_taken

    task = task_of(analysis, trial["task"])
    if task is None:
        raise NotKnown(f"the task {trial['task']} is not available")
    if ", " in trial["data"]:
        raise NotKnown("the validation split was cut out of the training data")
    model, loss = task.model, _loss(task, trial)
    try:
        train = task.data(trial["data"], None).train
    except FalllineError:
        raise NotKnown("the training data is not on this machine") from None
    weights, held = _weights(analysis, model, trial["trial"])
    x_place, y_place = (_place(model, weights, name) for name in names)
    rows = np.linspace(0, len(train.inputs) - 1, min(len(train.inputs), MOST_EXAMPLES)).astype(int)
    inputs, targets = jnp.asarray(train.inputs[rows]), jnp.asarray(train.targets[rows])
    inputs = inputs if task.prepare is None else task.prepare(inputs)
    model_hyperparameters, loss_hyperparameters = (_hyperparameters(part, trial) for part in (model, loss))

    def at(x: Any, y: Any) -> Any:
        moved = jax.tree.map(lambda w, a, b: jnp.where(a, x, jnp.where(b, y, w)), weights, x_place, y_place)
        outputs, _ = model.run(moved, {}, inputs, None, model_hyperparameters)
        return loss(as_taken(loss.takes, task.gives, outputs), targets, jnp.ones(len(rows)), **loss_hyperparameters)

    loss_over_row = jax.vmap(at, in_axes=(0, None))
    loss_over_grid = jax.jit(lambda xs, ys: jax.lax.map(lambda y: loss_over_row(xs, y), ys))
    values = np.asarray(loss_over_grid(jnp.asarray(xs, jnp.float32), jnp.asarray(ys, jnp.float32)), np.float64)
    return Landscape(values, len(rows), len(train.inputs), held)


def task_of(analysis: Analysis, name: str) -> Task | None:
    """The task of that name, built in or a network of the study; None where it was given in Python.

    A report never loads the Python file that a study names: a run folder may come from somebody else, and reading it
    must execute nothing.
    """
    for written in (name, analysis.study.task):
        if not isinstance(written, str) or (":" in written and written not in analysis.study.networks):
            continue
        try:
            task = resolve_task(written, analysis.study, analysis.study.name)
        except FalllineError:
            continue
        if task.name == name:
            return task
    return None


def _loss(task: Task, trial: Mapping[str, Any]) -> Loss:
    """The loss that the trial trained on."""
    if isinstance(task.loss, Loss) and task.loss.name == trial["loss"]:
        return task.loss
    try:
        return find_loss(trial["loss"])
    except FalllineError:
        raise NotKnown(f"the loss {trial['loss']} is not available") from None


def _hyperparameters(part: Model | Loss, trial: Mapping[str, Any]) -> dict[str, Any]:
    given = {declared.name: trial.get(declared.name) for declared in part.hyperparameters}
    return {
        declared.name: declared.default if given[declared.name] is None else given[declared.name]
        for declared in part.hyperparameters
    }


def _weights(analysis: Analysis, model: Model, trial: str) -> tuple[Any, bool]:
    """The final weights of the trial, and whether there are others than the two that vary."""
    import jax

    key = jax.random.key(0)
    shapes = jax.eval_shape(model.init, key) if model.traceable else model.init(key)
    if jax.tree.leaves(model.start_state(key)):
        raise NotKnown("the model has a state besides its weights, which the run does not keep")
    leaves, tree = arrays_by_path(shapes), jax.tree.structure(shapes)
    if sum(leaf.size for leaf in leaves.values()) == 2:
        return tree.unflatten(np.zeros(leaf.shape, np.float32) for leaf in leaves.values()), False
    kept = analysis.weights.filter(pl.col("trial") == trial).select("array", "shape", "values").collect()
    arrays = {name: np.array(values, np.float32).reshape(shape) for name, shape, values in kept.iter_rows()}
    if any(getattr(arrays.get(name), "shape", None) != leaf.shape for name, leaf in leaves.items()):
        raise NotKnown("the run keeps no weights of these trials")
    return tree.unflatten(arrays[name] for name in leaves), True


def _place(model: Model, weights: Any, name: str) -> Any:
    """The position of the watched scalar in the weights: a tree of boolean arrays with one true entry.

    A scalar that is a weight has a derivative of 1 with respect to it and of 0 to all others.
    """
    import jax

    derivatives = jax.grad(lambda moved: model.watch(moved)[name])(weights)  # type: ignore[misc]
    entries = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(derivatives)])
    if np.count_nonzero(entries) != 1 or entries.sum() != 1:
        raise NotKnown(f"{name} is not a single weight")
    return jax.tree.map(lambda leaf: np.asarray(leaf) != 0, derivatives)
