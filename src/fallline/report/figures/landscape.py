"""The training loss of a trial's task over two of its weights, the others held where the trial left them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from fallline.contracts import Loss, Model, Task
from fallline.errors import FalllineError
from fallline.losses import find_loss
from fallline.stats.analysis import Analysis
from fallline.study.resolve import resolve_task

MOST_EXAMPLES = 500
"""Examples the loss is taken over; of more, so many evenly spread."""


class NotKnown(Exception):
    """Why there is no landscape, as half a sentence."""


class Landscape(NamedTuple):
    """The loss at ``values`` [ys, xs], over so many ``examples`` of the ``of`` there are; whether others were held."""

    values: np.ndarray
    examples: int
    of: int
    held: bool


def landscape(
    analysis: Analysis, trial: Mapping[str, Any], names: Sequence[str], xs: np.ndarray, ys: np.ndarray
) -> Landscape:
    """The loss, without penalties, where the weights that are watched as ``names`` take the values ``xs`` and ``ys``.

    ``trial`` is a row of the run's trials. NotKnown where task, data or weights cannot be had from here, or where a
    watched scalar is no weight by itself.
    """
    import jax
    import jax.numpy as jnp

    from fallline.losses.linking import as_taken

    task = task_of(analysis, trial["task"])
    if task is None:
        raise NotKnown(f"the task {trial['task']} cannot be found from here")
    if ", " in trial["data"]:
        raise NotKnown("validation was cut out of the training data")
    model, loss = task.model, _loss(task, trial)
    try:
        train = task.data(trial["data"], None).train
    except FalllineError:
        raise NotKnown("the training data is not here") from None
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

    across = jax.vmap(at, in_axes=(0, None))
    over = jax.jit(lambda xs, ys: jax.lax.map(lambda y: across(xs, y), ys))
    found = np.asarray(over(jnp.asarray(xs, jnp.float32), jnp.asarray(ys, jnp.float32)), np.float64)
    return Landscape(found, len(rows), len(train.inputs), held)


def task_of(analysis: Analysis, name: str) -> Task | None:
    """The task of that name, built in or a network of the study; None where it was given in Python.

    A report never loads the Python file that a study names: a run folder may be somebody else's, and reading it must
    run nothing.
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
        raise NotKnown(f"the loss {trial['loss']} cannot be found from here") from None


def _hyperparameters(part: Model | Loss, trial: Mapping[str, Any]) -> dict[str, Any]:
    said = {number.name: trial.get(number.name) for number in part.hyperparameters}
    return {
        number.name: number.default if said[number.name] is None else said[number.name]
        for number in part.hyperparameters
    }


def _weights(analysis: Analysis, model: Model, trial: str) -> tuple[Any, bool]:
    """The weights at the trial's end, and whether there are more than the two that move."""
    import jax

    key = jax.random.key(0)
    shapes = jax.eval_shape(model.init, key) if model.traceable else model.init(key)
    if jax.tree.leaves(model.start_state(key)):
        raise NotKnown("the model has a state beside its weights, of which the run keeps nothing")
    leaves, tree = jax.tree_util.tree_flatten_with_path(shapes)
    if sum(leaf.size for _, leaf in leaves) == 2:
        return tree.unflatten(np.zeros(leaf.shape, np.float32) for _, leaf in leaves), False
    kept = analysis.weights.filter(pl.col("trial") == trial).select("array", "shape", "values").collect()
    arrays = {name: np.array(values, np.float32).reshape(shape) for name, shape, values in kept.iter_rows()}
    names = [jax.tree_util.keystr(path, simple=True, separator=".") for path, _ in leaves]
    if [getattr(arrays.get(name), "shape", None) for name in names] != [leaf.shape for _, leaf in leaves]:
        raise NotKnown("the run keeps no weights of these trials")
    return tree.unflatten(arrays[name] for name in names), True


def _place(model: Model, weights: Any, name: str) -> Any:
    """Where the watched scalar stands in the weights: a tree of arrays that are true in one place.

    A scalar that is a weight has a gradient of 1 there and of 0 everywhere else.
    """
    import jax

    slopes = jax.grad(lambda moved: model.watch(moved)[name])(weights)  # type: ignore[misc]
    entries = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(slopes)])
    if np.count_nonzero(entries) != 1 or entries.sum() != 1:
        raise NotKnown(f"{name} is not a weight by itself")
    return jax.tree.map(lambda leaf: np.asarray(leaf) != 0, slopes)
