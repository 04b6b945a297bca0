"""A trial: one task, one recipe, one seed; its name is the hash of its canonical form."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from fallline import regularisation, stopping
from fallline.batching import BatchPolicy
from fallline.contracts import Loss, Optimizer, Schedule, Task
from fallline.contracts.hyperparameters import Value
from fallline.schedules.scaling import RATE_HYPERPARAMETERS
from fallline.study.formatting import exact
from fallline.tasks.folds import FoldSplit

RECORDS_VERSION = 2
"""Part of every trial's canonical form. Raised when records of older versions are no longer comparable."""

LATER = {"rate_power": 1.0}
"""Numbers that came after the first records, left out of the canonical form at the value that changes nothing: so those
records keep their names."""

NamedValues = tuple[tuple[str, Value], ...]


class RecipeHyperparameters(NamedTuple):
    """All numbers of a recipe by the part that takes them, complete: defaults are filled in."""

    optimizer: NamedValues = ()
    loss: NamedValues = ()
    schedule: NamedValues = ()
    model: NamedValues = ()
    regularisation: NamedValues = ()
    stopping: NamedValues = ()

    @property
    def flat(self) -> dict[str, Value]:
        """Every number by its name, which is used once."""
        return dict(pair for part in self for pair in part)


@dataclass(frozen=True)
class Recipe:
    """All one chooses to train a task. ``steps`` is the budget, whether it was given in steps or in epochs."""

    optimizer: Optimizer
    loss: Loss
    schedule: Schedule
    batches: BatchPolicy
    steps: int
    hyperparameters: RecipeHyperparameters
    precision: str = "float32"

    def __hash__(self) -> int:
        """Of names and values alone: parts declare all their numbers, which thousands of recipes would hash again."""
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.optimizer.name, self.loss.name, self.schedule.name, self.steps, self.hyperparameters))

    @property
    def loss_kind(self) -> str:
        """The loss with its numbers that are not the default: values of different kinds cannot be compared."""
        usual = {number.name: number.default for number in self.loss.hyperparameters}
        inside = ", ".join(
            f"{name}={exact(value)}" for name, value in self.hyperparameters.loss if value != usual[name]
        )
        return f"{self.loss.name}({inside})" if inside else self.loss.name

    @property
    def in_use(self) -> set[str]:
        """The regularisers that are not off."""
        return regularisation.in_use(dict(self.hyperparameters.regularisation))

    @property
    def patience(self) -> Value:
        """Looks without a better validation loss after which the trial is stopped; None: it is not."""
        return dict(self.hyperparameters.stopping).get(stopping.PATIENCE.name)


@dataclass(frozen=True)
class Trial:
    """One lane's work. ``data`` is "sample" or "full"; ``cut`` says what of its training examples validates, where
    the study cuts them."""

    task: Task = field(compare=False, repr=False)
    data: str
    recipe: Recipe
    seed: int
    evaluate_every: int | None = None
    record_every: int = 1
    cut: FoldSplit | None = None

    @cached_property
    def canonical(self) -> dict[str, object]:
        """The plain form that names the trial: two trials are the same when this is."""
        recipe = self.recipe
        return {
            "records": RECORDS_VERSION,
            "task": self.task.name,
            "data": self.data if self.task.fingerprint is None else self.task.fingerprint,
            "optimizer": recipe.optimizer.name,
            "loss": recipe.loss.name,
            "schedule": recipe.schedule.name,
            "numbers": {
                name: value for name, value in recipe.hyperparameters.flat.items() if LATER.get(name, -1.0) != value
            },
            "batches": recipe.batches.plain,
            "steps": recipe.steps,
            "precision": recipe.precision,
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
        return self.data if self.cut is None else f"{self.data}, {self.cut.said}"


def hyperparameters_in_use(trials: Iterable[Trial]) -> frozenset[str]:
    """The names of the numbers of schedules, regularisation and stopping that some trial has at another value than off.

    Of a schedule every number of its own is in use.
    """
    off = {
        number.name: number.default
        for number in (*RATE_HYPERPARAMETERS, *regularisation.HYPERPARAMETERS, *stopping.HYPERPARAMETERS)
    }
    found: set[str] = set()
    for hyperparameters in {trial.recipe.hyperparameters for trial in trials}:
        for name, value in (*hyperparameters.schedule, *hyperparameters.regularisation, *hyperparameters.stopping):
            if value is not None and value != off.get(name):
                found.add(name)
    return frozenset(found)


_PLAIN = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)  # made once: studies have thousands


def digest(plain: object) -> str:
    """16 hexadecimal digits that name a plain value: key order does not matter, numbers by their exact value."""
    return hashlib.sha256(_PLAIN.encode(plain).encode()).hexdigest()[:16]
