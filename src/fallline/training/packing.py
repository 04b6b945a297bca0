"""How many lanes of a task may share a program, and whether its steps may be a loop."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from fallline.contracts import Model, Splits, Task
from fallline.engine.devices import prepare_jax
from fallline.engine.layouts import keeps_threads, most_lanes
from fallline.errors import but_an_interrupt
from fallline.training.validation import state_shapes, weight_shapes


def weights_of(task: Task) -> int:
    """The number of weights of the task's model."""
    leaves = prepare_jax().tree.leaves(weight_shapes(task.name, task.model))
    return sum(int(np.prod(leaf.shape)) for leaf in leaves)


def lanes_of(task: Task, splits: Splits) -> int:
    """The largest number of lanes per seed in one program."""
    return most_lanes(weights_of(task), looped(task, splits))


def looped(task: Task, splits: Splits) -> bool:
    """Whether the steps may be a loop inside the program: as the model declares, else where it has no convolutions."""
    if task.model.looped is not None:
        return task.model.looped
    inputs = splits.train.inputs
    return _keeps_threads(task.model, task.prepare, inputs.shape[1:], inputs.dtype)


@cache
def _keeps_threads(model: Model, prepare: Callable[[Any], Any] | None, shape: tuple[int, ...], dtype: Any) -> bool:
    jax = prepare_jax()

    def outputs(weights: Any, state: Any, inputs: Any) -> Any:
        inputs = inputs if prepare is None else prepare(inputs)
        return model.run(weights, state, inputs, jax.random.key(0), {n.name: 0.5 for n in model.hyperparameters})[0]

    try:
        weights, state = weight_shapes("", model), state_shapes("", model)
        return keeps_threads(outputs, weights, state, jax.ShapeDtypeStruct((2, *shape), dtype))
    except BaseException as failure:  # check_task reports what is wrong with a model
        but_an_interrupt(failure)
        return True
