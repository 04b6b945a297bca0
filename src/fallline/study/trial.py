"""A trial: one task, one recipe, one seed; its name is the hash of its canonical form."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from fallline import regularisation, stopping
from fallline.batching import BatchPolicy
from fallline.contracts import Loss, Optimizer, Schedule, Task
from fallline.contracts.hyperparameters import Value
from fallline.study.common_hyperparameters import ADDED_LATER, COMMON
from fallline.study.formatting import exact
from fallline.study.recipe_fields import KEPT, canonical_fields
from fallline.tasks.folds import FoldSplit

RECORDS_VERSION = 2
"""Part of every trial's canonical form. Raised when records of older versions are no longer comparable."""

NamedValues = tuple[tuple[str, Value], ...]


class RecipeHyperparameters(NamedTuple):
    """All hyperparameters of a recipe by what takes them, complete: defaults are filled in."""

    optimizer: NamedValues = ()
    loss: NamedValues = ()
    schedule: NamedValues = ()
    model: NamedValues = ()
    regularisation: NamedValues = ()
    stopping: NamedValues = ()

    @property
    def flat(self) -> dict[str, Value]:
        """Every value by its name, which is used once."""
        return dict(pair for part in self for pair in part)


@dataclass(frozen=True)
class Recipe:
    """All that one chooses to train a task.

    ``steps`` is the budget, whether it was given in steps or in epochs. ``settings`` are the fields that are neither of
    the batches nor of the budget (``recipe_fields.SETTINGS``), complete.
    """

    optimizer: Optimizer
    loss: Loss
    schedule: Schedule
    batches: BatchPolicy
    steps: int
    hyperparameters: RecipeHyperparameters
    settings: tuple[tuple[str, Any], ...] = ()

    def __hash__(self) -> int:
        """Of names and values alone: components declare all their hyperparameters, and studies have thousands of
        recipes."""
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.optimizer.name, self.loss.name, self.schedule.name, self.steps, self.hyperparameters))

    def setting(self, name: str) -> Any:
        """The value of a field in ``settings``."""
        return dict(self.settings)[name]

    @property
    def precision(self) -> str:
        """How matmuls are computed."""
        return self.setting("precision")

    @property
    def loss_kind(self) -> str:
        """The loss with its hyperparameters that are not the default; values of different kinds cannot be compared."""
        defaults = {hyperparameter.name: hyperparameter.default for hyperparameter in self.loss.hyperparameters}
        changed = ", ".join(
            f"{name}={exact(value)}" for name, value in self.hyperparameters.loss if value != defaults[name]
        )
        return f"{self.loss.name}({changed})" if changed else self.loss.name

    @property
    def regularisers(self) -> set[str]:
        """The names of the regularisers that are not off."""
        return regularisation.in_use(dict(self.hyperparameters.regularisation))

    @property
    def patience(self) -> Value:
        """Evaluations without a better validation loss after which the trial is stopped; None: it is not."""
        return dict(self.hyperparameters.stopping).get(stopping.PATIENCE.name)


@dataclass(frozen=True)
class Trial:
    """What one lane trains. ``data`` is "sample" or "full"; ``cut`` says which of its training examples are kept for
    validation, where the study keeps some."""

    task: Task = field(compare=False, repr=False)
    data: str
    recipe: Recipe
    seed: int
    evaluate_every: int | None = None
    record_every: int = 1
    cut: FoldSplit | None = None

    @cached_property
    def canonical(self) -> dict[str, object]:
        """The plain form that names the trial: trials with equal forms are the same trial."""
        recipe = self.recipe
        values = recipe.hyperparameters.flat
        later = {name for name, default in ADDED_LATER.items() if values.get(name, _NOT_TAKEN) == default}
        return {
            "records": RECORDS_VERSION,
            "task": self.task.name,
            "data": self.data if self.task.fingerprint is None else self.task.fingerprint,
            "optimizer": recipe.optimizer.name,
            "loss": recipe.loss.name,
            "schedule": recipe.schedule.name,
            "numbers": {name: value for name, value in values.items() if name not in later},
            **canonical_fields(recipe),
            "seed": self.seed,
            "evaluate_every": self.evaluate_every,
            "record_every": self.record_every,
            **({} if self.cut is None else self.cut.plain),
        }

    @cached_property
    def name(self) -> str:
        """16 hexadecimal digits of the SHA-256 of the canonical form."""
        return digest(self.canonical)

    @cached_property
    def name_across_folds(self) -> str:
        """What the trials of all folds of one recipe and seed share."""
        return digest({key: value for key, value in self.canonical.items() if key != "fold"})

    @property
    def data_as_cut(self) -> str:
        """Which examples it sees: "sample", "sample, fold 3 of 5"."""
        return self.data if self.cut is None else f"{self.data}, {self.cut.label}"


def settings_in_use(trials: Iterable[Trial]) -> frozenset[str]:
    """The names of the settings that some trial does not have at its default: the hyperparameters of schedules,
    regularisation and early stopping, and the fields of recipes.

    Every hyperparameter of a schedule itself is in use, and every field that records always have.
    """
    defaults = {hyperparameter.name: hyperparameter.default for hyperparameter in COMMON}
    recipes = {trial.recipe for trial in trials}
    used = {field.name for field in KEPT if field.always or any(field.in_use(recipe) for recipe in recipes)}
    for hyperparameters in {recipe.hyperparameters for recipe in recipes}:
        for name, value in (*hyperparameters.schedule, *hyperparameters.regularisation, *hyperparameters.stopping):
            if value is not None and value != defaults.get(name):
                used.add(name)
    return frozenset(used)


_NOT_TAKEN = object()
_PLAIN = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)  # made once: studies have thousands


def digest(plain: object) -> str:
    """16 hexadecimal digits that name a plain value: the order of keys does not matter, numbers count exactly."""
    return hashlib.sha256(_PLAIN.encode(plain).encode()).hexdigest()[:16]
