"""The claims of a study, recorded with their hash before it is trained, and whether seeds matter."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from fallline.contracts import Task
from fallline.engine.devices import prepare_jax
from fallline.errors import but_an_interrupt
from fallline.store import claims as store
from fallline.store.paths import RunPaths
from fallline.study import Study, Trial
from fallline.training.arrays import Arrays


def note_claims(
    study: Study, trials: list[Trial], paths: RunPaths, recorded: int, load: Callable[[Task], Arrays]
) -> None:
    """Record the claims, if there are any, with the number of trials ``recorded`` before them."""
    if study.claims and store.noted_claims(paths, study) is None:
        store.note_claims(paths, study, recorded, has_chance(trials, load))


def has_chance(trials: Iterable[Trial], load: Callable[[Task], Arrays]) -> bool:
    """Whether some trial depends on its seed, by its batches, its initial weights or its noise: else it is
    deterministic."""
    uses_key: dict[str, bool] = {}
    for trial in trials:
        batches, name = trial.recipe.batches, trial.task.name
        if batches.size is not None and batches.order != "file":
            return True
        if batches.subset is not None and batches.subset_from != "first":
            return True
        if name not in uses_key:
            uses_key[name] = _uses_key(trial.task, load)
        if uses_key[name]:
            return True
    return False


def _uses_key(task: Task, load: Callable[[Task], Arrays]) -> bool:
    """Whether the model uses its random key, for initial weights or in a pass; assumed where it cannot be traced."""
    jax, model = prepare_jax(), task.model
    if not model.traceable:
        return True
    inputs = load(task).splits.train.inputs[:1]

    def whole(key: Any) -> Any:
        weights, state = model.init(key), model.start_state(key)
        prepared = inputs if task.prepare is None else task.prepare(inputs)
        return model.run(weights, state, prepared, key, {number.name: 0.5 for number in model.hyperparameters})

    try:
        program = jax.make_jaxpr(whole)(jax.random.key(0)).jaxpr
    except BaseException as failure:  # check_task reports what is wrong with the model
        but_an_interrupt(failure)
        return True
    return any(value is program.invars[0] for equation in program.eqns for value in equation.invars)
