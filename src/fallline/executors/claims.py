"""The claims of a study before it is trained: their names are checked, and they are noted with their hash."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fallline.contracts import Task
from fallline.engine.devices import prepare_jax
from fallline.errors import UnknownName, but_an_interrupt
from fallline.executors.arrays import Arrays
from fallline.executors.check import columns_of
from fallline.losses import losses
from fallline.optimizers import optimizers
from fallline.schedules import schedules
from fallline.store import claims as store
from fallline.store.layout import Layout
from fallline.study import Claim, Study, Trial
from fallline.study.parts import CHOICES, COMMON, numbers_of
from fallline.study.values import FIELDS
from fallline.tasks import tasks

MORE_KEYS = ("data", "loss_kind")
"""Columns of a trial that follow from its recipe and may tell arms apart."""


def check_claims(study: Study, trials: list[Trial], more: Iterable[str]) -> None:
    """Every name in the claims is one that some study may have; UnknownName where it is not.

    An arm without a trial is no error: another preset may have it. ``more`` are metrics that the study adds.
    """
    if not study.claims:
        return
    parts = _parts(trials)
    networks = set(study.networks)  # another preset may train them
    numbers = {number.name for named in parts.values() for part in named.values() for number in numbers_of(part)}
    keys = {*FIELDS, *CHOICES, *MORE_KEYS, *numbers, *(number.name for number in COMMON)}
    for place, claim in enumerate(study.claims):
        where = f"{study.name}, claims, {place + 1} of {len(study.claims)}"
        for field, table in _tables(claim):
            for key, value in table.items():
                if key not in keys:
                    raise UnknownName("setting of a trial", key, keys, f"{where}, {field}")
                for name in _listed(value) if key in parts else []:
                    if name not in parts[key] and not (key == "task" and name in networks):
                        raise UnknownName(key, name, parts[key], f"{where}, {field}.{key}")
        for field in ("for_each", "tune"):
            for key in getattr(claim, field) or []:
                if key not in keys:
                    raise UnknownName("setting of a trial", key, keys, f"{where}, {field}")
        _check_metric(claim, {trial.task.name: trial.task for trial in trials}.values(), more, where)


def note_claims(study: Study, trials: list[Trial], layout: Layout, recorded: int,
                load: Callable[[Task], Arrays]) -> None:
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
        return model.run(weights, state, seen, key, {number.name: 0.5 for number in model.numbers})

    try:
        program = jax.make_jaxpr(whole)(jax.random.key(0)).jaxpr
    except BaseException as failure:  # what is wrong with the model is told where it is tried
        but_an_interrupt(failure)
        return True
    return any(value is program.invars[0] for equation in program.eqns for value in equation.invars)


def _parts(trials: list[Trial]) -> dict[str, Mapping[str, Any]]:
    """Every part that a claim may name, by kind: the built-in ones and those of the trials."""
    own: dict[str, dict[str, Any]] = {kind: {} for kind in CHOICES}
    for trial in trials:
        recipe = trial.recipe
        for kind, part in zip(CHOICES, (trial.task, recipe.optimizer, recipe.loss, recipe.schedule), strict=True):
            own[kind][part.name] = part
    built_in = {"task": tasks(), "optimizer": optimizers(), "loss": losses(), "schedule": schedules()}
    return {kind: {**built_in[kind], **own[kind]} for kind in CHOICES}


def _tables(claim: Claim) -> list[tuple[str, Mapping[str, Any]]]:
    """The claim's tables of settings, each with the name of its field."""
    equal = claim.equal if isinstance(claim.equal, list) else [claim.equal]
    tables = [("better", claim.better), ("worse", claim.worse), ("arm", claim.arm), ("where", claim.where),
              *(("equal", table) for table in equal)]
    return [(name, table) for name, table in tables if isinstance(table, Mapping)]


def _check_metric(claim: Claim, tasks: Iterable[Task], more: Iterable[str], where: str) -> None:
    """The metric is a result of one of the tasks: of its curves where the claim names a step."""
    if claim.metric is None:
        return
    found = [columns_of(task, more) for task in tasks]
    curves, trials = (set().union(*columns) for columns in zip(*found, strict=True))
    trials |= {"steps_to_target", *(f"{name}_step" for name in trials if name.startswith(("min_", "best_")))}
    known = trials if claim.step is None else curves
    if claim.metric not in known:
        raise UnknownName("result of a trial" if claim.step is None else "column of the curves", claim.metric, known,
                          f"{where}, metric")


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]
