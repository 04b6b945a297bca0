"""The components of a recipe, and which hyperparameters each of them takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from fallline import regularisation, stopping
from fallline.contracts import Hyperparameter, Loss, Optimizer, Schedule, Task, check_hyperparameters
from fallline.contracts.hyperparameters import Value
from fallline.errors import StudyError
from fallline.schedules import check_schedule
from fallline.schedules.scaling import RATE_HYPERPARAMETERS, changes_rate
from fallline.study.recipe_fields import FIELD_NAMES
from fallline.study.trial import RecipeHyperparameters

COMPONENT_KINDS = ("task", "optimizer", "loss", "schedule")
"""The components that a recipe names; each brings hyperparameters of its own."""

Checked = tuple[tuple[str, Value], ...]
"""Hyperparameters by name, checked and complete."""

NOT_GIVEN = object()
"""In the place of a hyperparameter that a recipe does not give."""


class Components(NamedTuple):
    """The named components of one recipe."""

    task: Task
    optimizer: Optimizer
    loss: Loss
    schedule: Schedule

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(part.name for part in self)

    @property
    def declared(self) -> tuple[tuple[Hyperparameter, ...], ...]:
        """The hyperparameters in the order of ``RecipeHyperparameters``. A rule with a weight decay of its own takes
        that one in place of the regulariser."""
        of_rule = {known.name for known in self.optimizer.hyperparameters}
        others = tuple(known for known in regularisation.HYPERPARAMETERS if known.name not in of_rule)
        return (
            self.optimizer.hyperparameters,
            self.loss.hyperparameters,
            (*self.schedule.hyperparameters, *RATE_HYPERPARAMETERS),
            self.task.model.hyperparameters,
            others,
            stopping.HYPERPARAMETERS,
        )

    @property
    def taken(self) -> set[str]:
        """The names of all hyperparameters that a recipe of these components has."""
        return {known.name for group in self.declared for known in group}

    @property
    def owners(self) -> tuple[tuple[str, str], ...]:
        """What takes each group of ``declared``: its kind and its name."""
        return (
            ("optimizer", self.optimizer.name),
            ("loss", self.loss.name),
            ("schedule", self.schedule.name),
            ("model", self.task.model.name),
            ("recipe", "regularisation"),
            ("recipe", "early stopping"),
        )


class CheckedHyperparameters:
    """The hyperparameters of many recipes of the same components, written in one place: each value is checked once.

    A group with the very values of an earlier recipe is that recipe's group.
    """

    def __init__(self, components: Components, where: str):
        self.components, self.where = components, where
        self.taken = {*FIELD_NAMES, *components.taken}
        self._groups = [
            _Group(kind, owner, declared, where)
            for (kind, owner), declared in zip(components.owners, components.declared, strict=True)
        ]
        self._fitting: set[int] = set()

    def of(self, values: Mapping[str, Any]) -> RecipeHyperparameters:
        """All hyperparameters of a recipe; HyperparameterError where one breaks its law.

        ``values`` are those of a study, which outlives this: they are told apart by identity.
        """
        hyperparameters = RecipeHyperparameters(*(group.of(values) for group in self._groups))
        if id(hyperparameters.schedule) not in self._fitting:
            check_schedule(self.components.schedule, dict(hyperparameters.schedule), self.where)
            self._check_rate(hyperparameters)
            self._fitting.add(id(hyperparameters.schedule))
        return hyperparameters

    def _check_rate(self, hyperparameters: RecipeHyperparameters) -> None:
        """StudyError where a schedule, a warm-up or workers change a learning rate that the optimizer does not take."""
        rule, schedule, rates = self.components.optimizer, self.components.schedule, dict(hyperparameters.schedule)
        if "learning_rate" in dict(hyperparameters.optimizer) or not changes_rate(schedule, rates):
            return
        what = f"schedule {schedule.name}" if schedule.name != "constant" else "a warm-up or workers"
        raise StudyError(
            f"{what} would change the learning_rate of optimizer {rule.name}, which takes none; declare "
            f"it, fallline.Optimizer.plug({rule.name!r}, make, learning_rate=0.1), or write schedule = "
            f'"constant" without warm-up and workers for {rule.name} ({self.where})'
        )


class _Group:
    """The hyperparameters that one owner takes. Values are told apart by identity, not by equality: True is not 1."""

    def __init__(self, kind: str, owner: str, declared: tuple[Hyperparameter, ...], where: str):
        self.kind, self.owner, self.declared, self.where = kind, owner, declared, where
        self._names = [hyperparameter.name for hyperparameter in declared]
        self._known: dict[tuple[int, ...], Checked] = {}
        self._pairs: dict[tuple[str, int], tuple[str, Value]] = {}

    def of(self, recipe: Mapping[str, Any]) -> Checked:
        values = [recipe.get(name, NOT_GIVEN) for name in self._names]
        key = tuple(map(id, values))
        if key not in self._known:
            self._known[key] = self._checked(values)
        return self._known[key]

    def _checked(self, values: list[Any]) -> Checked:
        try:
            return tuple([self._pairs[name, id(value)] for name, value in zip(self._names, values, strict=True)])
        except KeyError:  # a value that was not met yet
            given = {name: value for name, value in zip(self._names, values, strict=True) if value is not NOT_GIVEN}
            pairs = tuple(check_hyperparameters(self.kind, self.owner, self.declared, given, self.where).items())
            self._pairs |= {
                (name, id(value)): pair for name, value, pair in zip(self._names, values, pairs, strict=True)
            }
            return pairs


def hyperparameters_of(component: Task | Optimizer | Loss | Schedule) -> tuple[Hyperparameter, ...]:
    """The hyperparameters that a component brings."""
    return component.model.hyperparameters if isinstance(component, Task) else component.hyperparameters
