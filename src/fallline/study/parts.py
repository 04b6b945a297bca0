"""The parts a recipe is put together from, and which numbers each of them takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from fallline import regularisation, stopping
from fallline.contracts import Loss, Number, Optimizer, Schedule, Task, check_numbers
from fallline.errors import StudyError
from fallline.schedules import check_schedule
from fallline.schedules.scaling import RATE_NUMBERS, changes_rate
from fallline.study.trial import RecipeNumbers

CHOICES = ("task", "optimizer", "loss", "schedule")
"""What a recipe names; each brings numbers of its own."""

COMMON = (*RATE_NUMBERS, *regularisation.NUMBERS, *stopping.NUMBERS)
"""Numbers that every recipe may have."""


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
    def declared(self) -> RecipeNumbers:
        """The numbers by who takes them. A rule that has a weight decay of its own keeps it."""
        rule = {number.name for number in self.optimizer.numbers}
        others = tuple(number for number in regularisation.NUMBERS if number.name not in rule)
        return RecipeNumbers(self.optimizer.numbers, self.loss.numbers, (*self.schedule.numbers, *RATE_NUMBERS),
                             self.task.model.numbers, others, stopping.NUMBERS)

    @property
    def taken(self) -> set[str]:
        """The names of all numbers that a recipe of these parts has."""
        return {number.name for numbers in self.declared for number in numbers}

    def numbers(self, given: Mapping[str, Any], where: str) -> RecipeNumbers:
        """The numbers of a recipe, complete; NumberError where one breaks its law."""
        owners = (("optimizer", self.optimizer.name), ("loss", self.loss.name), ("schedule", self.schedule.name),
                  ("model", self.task.model.name), ("recipe", "regularisation"), ("recipe", "early stopping"))
        full = []
        for (kind, owner), declared in zip(owners, self.declared, strict=True):
            own = {number.name: given[number.name] for number in declared if number.name in given}
            full.append(tuple(check_numbers(kind, owner, declared, own, where).items()))
        numbers = RecipeNumbers(*full)
        check_schedule(self.schedule, dict(numbers.schedule), where)
        self._check_rate(numbers, where)
        return numbers

    def _check_rate(self, numbers: RecipeNumbers, where: str) -> None:
        """StudyError where a schedule, a warm-up or workers change a rate that the optimizer does not take."""
        rule, rates = self.optimizer, dict(numbers.schedule)
        if "learning_rate" in dict(numbers.rule) or not changes_rate(self.schedule, rates):
            return
        what = f"schedule {self.schedule.name}" if self.schedule.name != "constant" else "a warm-up or workers"
        raise StudyError(f"{what} would change the learning_rate of optimizer {rule.name}, which takes none; declare "
                         f"it, fallline.Optimizer.plug({rule.name!r}, make, learning_rate=0.1), or write schedule = "
                         f"\"constant\" without warm-up and workers for {rule.name} ({where})")


def numbers_of(part: Task | Optimizer | Loss | Schedule) -> tuple[Number, ...]:
    """The numbers that a part brings."""
    return part.model.numbers if isinstance(part, Task) else part.numbers
