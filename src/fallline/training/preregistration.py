"""The claims of a study before it is trained: noted with their hash, and whether chance has a part in them."""

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
    study: Study, trials: list[Trial], layout: RunPaths, recorded: int, load: Callable[[Task], Arrays]
) -> None:
    """Note the claims, if there are any, with the number of trials ``recorded`` before them."""
    if study.claims and store.noted_claims(layout, study) is None:
        store.note_claims(layout, study, recorded, has_chance(trials, load))


def has_chance(trials: Iterable[Trial], load: Callable[[Task], Arrays]) -> bool:
    """Whether some trial may end otherwise with another seed: by its batches, its initial weights or its noise."""
    seen: dict[str, bool] = {}
    for trial in trials:
        batches, name = trial.recipe.batches, trial.task.name
        if batches.size is not None and batches.order != "file":
            return True
        if batches.subset is not None and batches.subset_from != "first":
            return True
        if name not in seen:
            seen[name] = _uses_key(trial.task, load)
        if seen[name]:
            return True
    return False


def _uses_key(task: Task, load: Callable[[Task], Arrays]) -> bool:
    """Whether the model looks at a key, to begin or in a pass; what cannot be traced is taken to do so."""
    jax, model = prepare_jax(), task.model
    if not model.traceable:
        return True
    inputs = load(task).splits.train.inputs[:1]

    def whole(key: Any) -> Any:
        weights, state = model.init(key), model.start_state(key)
        seen = inputs if task.prepare is None else task.prepare(inputs)
        return model.run(weights, state, seen, key, {number.name: 0.5 for number in model.hyperparameters})

    try:
        program = jax.make_jaxpr(whole)(jax.random.key(0)).jaxpr
    except BaseException as failure:  # what is wrong with the model is told where it is tried
        but_an_interrupt(failure)
        return True
    return any(value is program.invars[0] for equation in program.eqns for value in equation.invars)
