"""The plan: a partition of the trials into cohorts, each a full grid of configurations x seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from fallline.contracts import Optimizer, Task
from fallline.study.recipe_fields import fields_of_a_program
from fallline.study.trial import Recipe, Trial

MOST_POINTS = 8_000_000
"""Points of curves that a block may record: its arrays and rows stay in memory until it is written."""


@dataclass(frozen=True)
class PlannedSegment:
    """Neighbouring lanes with one update rule, one recipe per lane."""

    optimizer: Optimizer
    recipes: tuple[Recipe, ...]


@dataclass(frozen=True)
class PlannedCohort:
    """Trials that share shapes and examples. Every seed has one lane per recipe; ``trials`` is [seed][lane], with the
    lanes in order."""

    name: str
    task: Task
    data: str
    segments: tuple[PlannedSegment, ...]
    seeds: tuple[int, ...]
    evaluate_every: int
    record_every: int
    trials: tuple[tuple[Trial, ...], ...]

    @property
    def recipe(self) -> Recipe:
        """A recipe of the cohort: batches, loss and steps are the same in all of them."""
        return self.segments[0].recipes[0]

    @property
    def lanes(self) -> int:
        """Lanes per seed."""
        return sum(len(segment.recipes) for segment in self.segments)

    @property
    def points(self) -> int:
        """Points of curves that one seed records."""
        return self.lanes * _points(self.trials[0][0])

    def of_seeds(self, seeds: Sequence[int]) -> list[Trial]:
        """The trials of those seeds, seed by seed, lanes in order: the order of the engine's arrays."""
        rows = dict(zip(self.seeds, self.trials, strict=True))
        return [trial for seed in seeds for trial in rows[seed]]


def plan(
    trials: Sequence[Trial], max_lanes: Callable[[Task], int] | None = None, places: int = 1
) -> list[PlannedCohort]:
    """Every trial in exactly one cohort.

    Cohorts split where shapes or the loop differ, at ``max_lanes`` per seed, where a seed would record more than
    ``MOST_POINTS``, and where there are fewer seeds than ``places`` that train at the same time, so that each place has
    work. Recipes with other seeds than the rest get their own cohorts, so that a cohort is always a full grid; a study
    with a new seed or learning rate plans only what is new.
    """
    cohorts: list[PlannedCohort] = []
    for same_shape in _grouped(trials, _shape).values():
        by_recipe = _grouped(same_shape, lambda trial: trial.recipe)
        rank = _rule_ranks(by_recipe)
        grids = _grouped(by_recipe.items(), lambda item: tuple(trial.seed for trial in item[1]))
        most = max(1, MOST_POINTS // _points(same_shape[0]))
        most = min(most, max_lanes(same_shape[0].task)) if max_lanes else most
        for seeds, grid in grids.items():
            lanes = sorted(grid, key=lambda item: rank[item[0].optimizer.name])
            for part in _parts(lanes, min(most, -(-len(lanes) * len(seeds) // places))):
                cohorts.append(_cohort(f"c{len(cohorts):03d}", seeds, part))
    return cohorts


def spread(cohorts: Sequence[PlannedCohort], jobs: int) -> list[PlannedCohort]:
    """The cohorts, the longest split in two repeatedly until there are ``jobs`` of them, or no more trials to split.

    A cohort of several seeds is split by seeds, since the lanes of a seed share their batches; else by lanes.
    """
    found = list(cohorts)
    while len(found) < jobs:
        longest = max(found, key=_length, default=None)
        if longest is None or _length(longest) == 0:
            return found
        place = found.index(longest)
        found[place : place + 1] = _by_seeds(longest) if len(longest.seeds) > 1 else halves(longest)
    return found


def _length(cohort: PlannedCohort) -> int:
    """Trial-steps of a cohort that can be split; 0 for a single trial."""
    trials = cohort.lanes * len(cohort.seeds)
    return trials * cohort.recipe.steps if trials > 1 else 0


def halves(cohort: PlannedCohort) -> list[PlannedCohort]:
    """The cohort as two, by lanes, or by seeds where it has one lane; a single trial stays one cohort."""
    lanes = [(column[0].recipe, list(column)) for column in zip(*cohort.trials, strict=True)]
    if len(lanes) > 1:
        parts = [lanes[: len(lanes) // 2], lanes[len(lanes) // 2 :]]
        return [_cohort(f"{cohort.name}{letter}", cohort.seeds, part) for letter, part in zip("ab", parts, strict=True)]
    return _by_seeds(cohort) if len(cohort.seeds) > 1 else [cohort]


def _by_seeds(cohort: PlannedCohort) -> list[PlannedCohort]:
    middle = len(cohort.seeds) // 2
    return [
        rebuild(f"{cohort.name}{letter}", rows)
        for letter, rows in zip("ab", (cohort.trials[:middle], cohort.trials[middle:]), strict=True)
    ]


def rebuild(name: str, trials: Sequence[Sequence[Trial]]) -> PlannedCohort:
    """The cohort of these trials, [seed][lane], as it was planned before."""
    lanes = [(column[0].recipe, list(column)) for column in zip(*trials, strict=True)]
    return _cohort(name, tuple(row[0].seed for row in trials), lanes)


def default_evaluate_every(steps: int) -> int:
    """Twenty evaluations of the validation split."""
    return -(-steps // 20)


def _points(trial: Trial) -> int:
    """Points of its curve."""
    return trial.recipe.steps // trial.record_every + 1


def _shape(trial: Trial) -> tuple[Any, ...]:
    """What trials must share to be trained by one program and one loop."""
    recipe = trial.recipe
    return (
        trial.task.name,
        trial.data_as_cut,
        recipe.loss.name,
        fields_of_a_program(recipe),
        trial.evaluate_every,
        trial.record_every,
    )


def _rule_ranks(recipes: Iterable[Recipe]) -> dict[str, int]:
    """Update rules in the order they first come."""
    ranks: dict[str, int] = {}
    for recipe in recipes:
        ranks.setdefault(recipe.optimizer.name, len(ranks))
    return ranks


def _cohort(name: str, seeds: tuple[int, ...], lanes: Sequence[tuple[Recipe, list[Trial]]]) -> PlannedCohort:
    by_rule = _grouped([recipe for recipe, _ in lanes], lambda recipe: recipe.optimizer.name)
    segments = tuple(PlannedSegment(recipes[0].optimizer, tuple(recipes)) for recipes in by_rule.values())
    first = lanes[0][1][0]
    trials = tuple(tuple(column[seed] for _, column in lanes) for seed in range(len(seeds)))
    return PlannedCohort(
        name,
        first.task,
        first.data_as_cut,
        segments,
        seeds,
        first.evaluate_every or default_evaluate_every(first.recipe.steps),
        first.record_every,
        trials,
    )


def _parts(lanes: Sequence[Any], most: int) -> Iterable[Sequence[Any]]:
    count = -(-len(lanes) // most)
    size = -(-len(lanes) // count)
    return [lanes[first : first + size] for first in range(0, len(lanes), size)]


def _grouped(items: Iterable[Any], key: Callable[[Any], Any]) -> dict[Any, list[Any]]:
    groups: dict[Any, list[Any]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups
