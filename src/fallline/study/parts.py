"""The parts a recipe is put together from, and which numbers each of them takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from fallline import regularisation, stopping
from fallline.contracts import Hyperparameter, Loss, Optimizer, Schedule, Task, check_hyperparameters
from fallline.contracts.hyperparameters import Value
from fallline.errors import StudyError
from fallline.schedules import check_schedule
from fallline.schedules.scaling import RATE_HYPERPARAMETERS, changes_rate
from fallline.study.trial import RecipeHyperparameters
from fallline.study.values import FIELDS

CHOICES = ("task", "optimizer", "loss", "schedule")
"""What a recipe names; each brings numbers of its own."""

COMMON = (*RATE_HYPERPARAMETERS, *regularisation.HYPERPARAMETERS, *stopping.HYPERPARAMETERS)
"""Numbers that every recipe may have."""


Checked = tuple[tuple[str, Value], ...]
"""Numbers by name, lawful and complete."""

UNSAID = object()
"""In the place of a number that a recipe does not give."""


class Parts(NamedTuple):
    """The named parts of one recipe."""

    task: Task
    optimizer: Optimizer
    loss: Loss
    schedule: Schedule

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(part.name for part in self)

    @property
    def declared(self) -> RecipeHyperparameters:
        """The numbers by who takes them. A rule that has a weight decay of its own keeps it."""
        rule = {number.name for number in self.optimizer.hyperparameters}
        others = tuple(number for number in regularisation.HYPERPARAMETERS if number.name not in rule)
        return RecipeHyperparameters(
            self.optimizer.hyperparameters,
            self.loss.hyperparameters,
            (*self.schedule.hyperparameters, *RATE_HYPERPARAMETERS),
            self.task.model.hyperparameters,
            others,
            stopping.HYPERPARAMETERS,
        )

    @property
    def taken(self) -> set[str]:
        """The names of all numbers that a recipe of these parts has."""
        return {number.name for hyperparameters in self.declared for number in hyperparameters}

    @property
    def owners(self) -> tuple[tuple[str, str], ...]:
        """Who takes each group of ``declared``: its kind and its name."""
        return (
            ("optimizer", self.optimizer.name),
            ("loss", self.loss.name),
            ("schedule", self.schedule.name),
            ("model", self.task.model.name),
            ("recipe", "regularisation"),
            ("recipe", "early stopping"),
        )


class CheckedHyperparameters:
    """The numbers of many recipes of the same parts, written in the same place: each value is checked once.

    A group that is given the very values of a recipe before is that recipe's.
    """

    def __init__(self, parts: Parts, where: str):
        self.parts, self.where = parts, where
        self.taken = {*FIELDS, *parts.taken}
        self._groups = [
            _Group(kind, owner, declared, where)
            for (kind, owner), declared in zip(parts.owners, parts.declared, strict=True)
        ]
        self._fitting: set[int] = set()

    def of(self, given: Mapping[str, Any]) -> RecipeHyperparameters:
        """The numbers of a recipe, complete; NumberError where one breaks its law. ``given`` holds values of a study,
        which outlives this.
        """
        hyperparameters = RecipeHyperparameters(*(group.of(given) for group in self._groups))
        if id(hyperparameters.schedule) not in self._fitting:
            check_schedule(self.parts.schedule, dict(hyperparameters.schedule), self.where)
            self._check_rate(hyperparameters)
            self._fitting.add(id(hyperparameters.schedule))
        return hyperparameters

    def _check_rate(self, hyperparameters: RecipeHyperparameters) -> None:
        """StudyError where a schedule, a warm-up or workers change a rate that the optimizer does not take."""
        rule, schedule, rates = self.parts.optimizer, self.parts.schedule, dict(hyperparameters.schedule)
        if "learning_rate" in dict(hyperparameters.optimizer) or not changes_rate(schedule, rates):
            return
        what = f"schedule {schedule.name}" if schedule.name != "constant" else "a warm-up or workers"
        raise StudyError(
            f"{what} would change the learning_rate of optimizer {rule.name}, which takes none; declare "
            f"it, fallline.Optimizer.plug({rule.name!r}, make, learning_rate=0.1), or write schedule = "
            f'"constant" without warm-up and workers for {rule.name} ({self.where})'
        )


class _Group:
    """The numbers that one owner takes. Values are known by what they are, not by what they equal: True is not 1."""

    def __init__(self, kind: str, owner: str, declared: tuple[Hyperparameter, ...], where: str):
        self.kind, self.owner, self.declared, self.where = kind, owner, declared, where
        self._names = [number.name for number in declared]
        self._known: dict[tuple[int, ...], Checked] = {}
        self._pairs: dict[tuple[str, int], tuple[str, Value]] = {}

    def of(self, given: Mapping[str, Any]) -> Checked:
        values = [given.get(name, UNSAID) for name in self._names]
        key = tuple(map(id, values))
        if key not in self._known:
            self._known[key] = self._checked(values)
        return self._known[key]

    def _checked(self, values: list[Any]) -> Checked:
        try:
            return tuple([self._pairs[name, id(value)] for name, value in zip(self._names, values, strict=True)])
        except KeyError:  # a value that was not met yet, or has no law of its own to be checked by
            own = {name: value for name, value in zip(self._names, values, strict=True) if value is not UNSAID}
            pairs = tuple(check_hyperparameters(self.kind, self.owner, self.declared, own, self.where).items())
            self._pairs |= {
                (name, id(value)): pair for name, value, pair in zip(self._names, values, pairs, strict=True)
            }
            return pairs


def hyperparameters_of(part: Task | Optimizer | Loss | Schedule) -> tuple[Hyperparameter, ...]:
    """The numbers that a part brings."""
    return part.model.hyperparameters if isinstance(part, Task) else part.hyperparameters
