"""Control of lanes from outside the program: learning rates of each step, and early stopping."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fallline import stopping
from fallline.batching import BatchStream
from fallline.errors import StudyError
from fallline.schedules.scaling import RATE_HYPERPARAMETERS, changes_rate, factors
from fallline.study import Recipe
from fallline.study.plan import PlannedCohort
from fallline.training.validation import check_follows, weight_shapes

OFF = {number.name: number.default for number in RATE_HYPERPARAMETERS}


class LearningRates:
    """Factors of the learning rates of all lanes, float64 [seeds, steps, lanes]."""

    def __init__(self, planned: PlannedCohort, streams: Sequence[BatchStream]):
        self.streams, self.steps = streams, planned.recipe.steps
        self.recipes = [recipe for segment in planned.segments for recipe in segment.recipes]

    @staticmethod
    def needed(recipe: Recipe) -> bool:
        """Whether a recipe's learning rate ever changes."""
        hyperparameters = dict(recipe.hyperparameters.schedule)
        return recipe.schedule.name != "constant" or any(hyperparameters[name] != off for name, off in OFF.items())

    @staticmethod
    def check(planned: PlannedCohort) -> None:
        """StudyError where an optimizer cannot follow the schedule of one of its recipes."""
        for segment in planned.segments:
            moved = next(
                (
                    recipe
                    for recipe in segment.recipes
                    if changes_rate(recipe.schedule, dict(recipe.hyperparameters.schedule))
                ),
                None,
            )
            if moved is not None:
                name = moved.schedule.name
                what = f"schedule {name}" if name != "constant" else "a warm-up or workers"
                check_follows(segment.optimizer, weight_shapes(planned.task.name, planned.task.model), what)

    def __call__(self, start: int, stop: int, evaluations: list[np.ndarray]) -> np.ndarray:
        clock = self.streams[0].clock(start, stop, self.steps)  # batch sizes do not depend on the seed
        known: dict[Any, np.ndarray] = {}
        rates = np.empty((len(self.streams), stop - start, len(self.recipes)))
        for lane, recipe in enumerate(self.recipes):
            hyperparameters = dict(recipe.hyperparameters.schedule)
            key = recipe.schedule.name, recipe.hyperparameters.schedule
            if key not in known:
                known[key] = factors(recipe.schedule, hyperparameters, clock)
            rates[:, :, lane] = known[key]
            if recipe.schedule.watching is not None:
                values_of_schedule = {name: value for name, value in hyperparameters.items() if name not in OFF}
                for seed in range(len(self.streams)):
                    losses = np.array([loss[seed, lane] for loss in evaluations])
                    rates[seed, :, lane] *= recipe.schedule.watching(losses, **values_of_schedule)
        return rates


@dataclass(frozen=True)
class Stops:
    """The early-stopping rule: lanes whose validation loss has not improved for their patience; arrays [lanes]."""

    patience: np.ndarray
    change: np.ndarray

    @classmethod
    def of(cls, planned: PlannedCohort, watched: tuple[str, ...]) -> Stops | None:
        """The rule of a cohort, None where no lane has one; StudyError where there is no validation split to watch."""
        recipes = [recipe for segment in planned.segments for recipe in segment.recipes]
        watching = [recipe for recipe in recipes if recipe.schedule.watching is not None]
        patient = [recipe for recipe in recipes if recipe.patience is not None]
        if (watching or patient) and "validation" not in watched:
            what = f"schedule {watching[0].schedule.name}" if watching else stopping.PATIENCE.name
            raise StudyError(
                f"{what} watches the validation loss, and task {planned.task.name} has no validation split"
            )
        if not patient:
            return None
        hyperparameters = [dict(recipe.hyperparameters.stopping) for recipe in recipes]
        patience = [
            math.inf if values[stopping.PATIENCE.name] is None else values[stopping.PATIENCE.name]
            for values in hyperparameters
        ]
        return cls(np.array(patience), np.array([values[stopping.CHANGE.name] for values in hyperparameters]))

    def __call__(self, evaluations: list[np.ndarray]) -> np.ndarray:
        """Which lanes stop now, bool [seeds, lanes]."""
        return stopping.stale(evaluations, self.change) >= self.patience
