"""From a study to its trials: axes cross or zip, components take their hyperparameters, seeds multiply."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fallline.contracts import Task
from fallline.errors import StudyError
from fallline.study.components import COMPONENT_KINDS, CheckedHyperparameters, Components
from fallline.study.recipe_fields import FIELD_NAMES
from fallline.study.recipe_tables import RecipeTables
from fallline.study.recipes import Recipes, Settings
from fallline.study.table_checks import check_tables
from fallline.study.trial import Recipe, Trial
from fallline.tasks.folds import cuts

if TYPE_CHECKING:
    from fallline.study.spec import Study

MAX_TRIALS = 200_000
MAX_ROWS = 500_000_000
"""Points of curves in a study: some 10 GB; more is a mistake."""


def expand(study: Study) -> list[Trial]:
    """Every trial of ``study`` once: configurations in the order of their axes, each with all seeds."""
    seeds, parts, tasks = study.seed_list, cuts(study.holdout, study.folds), dict[tuple[str, Recipe], Task]()
    for task, recipe in Expansion(study).recipes():
        tasks[task.name, recipe] = task
        if len(tasks) * len(seeds) * len(parts) > MAX_TRIALS:
            raise StudyError(f"study {study.name} has more than {MAX_TRIALS:,} trials; give fewer values or seeds")
    rows = len(seeds) * len(parts) * sum(recipe.steps // study.record_every + 1 for _, recipe in tasks)
    if rows > MAX_ROWS:
        raise StudyError(
            f"study {study.name} would record {rows:,} points of curves, more than {MAX_ROWS:,}; "
            f"record fewer: record_every = {study.record_every * -(-rows // MAX_ROWS)}"
        )
    return [
        Trial(task, study.data_size, recipe, seed, study.evaluate_every, study.record_every, cut)
        for cut in parts
        for (_, recipe), task in tasks.items()
        for seed in seeds
    ]


class Expansion:
    """The recipes of a study, whose tables are checked; ``named`` are its components by kind and name."""

    def __init__(self, study: Study):
        self.study, self.tables = study, RecipeTables(study)
        self.cut = cuts(study.holdout, study.folds)[0]
        self._recipes: dict[tuple[Any, ...], Recipes] = {}
        self.named = self.tables.all_named()
        check_tables(self.tables, self.named)

    def recipes(self) -> Iterator[tuple[Task, Recipe]]:
        """Recipes with their tasks, in order; the same one may come twice."""
        tables, study = self.tables, self.study
        choices = {key: tables.axes[key] for key in ("optimizer", *COMPONENT_KINDS) if key in tables.axes}
        groups = [_rows(group, tables.place(place)) for place, group in tables.varied[1:]]
        if study.axes or study.zip or not study.points:
            for chosen in itertools.product(*choices.values()):
                for rows in itertools.product(*groups):
                    outer = dict(zip(choices, chosen, strict=True))
                    for row in rows:
                        outer |= row
                    yield from self._inner(outer)
        for place, point in tables.points:
            yield self._of(tables.components(point), tables.place(place)).recipe(point)

    def _inner(self, outer: Settings) -> Iterator[tuple[Task, Recipe]]:
        """All recipes with the same components and one row of each zip group."""
        components = self.tables.components(outer)
        taken = {*FIELD_NAMES, *components.taken}.difference(outer, COMPONENT_KINDS)
        axes = {key: values for key, values in self.tables.axes.items() if key in taken}
        for name in components.names:
            axes |= self.tables.component_axes.get(name, {})
        if math.prod(len(values) for values in axes.values()) > MAX_TRIALS:
            raise StudyError(
                f"study {self.study.name}: the axes of {components.optimizer.name} alone cross to more than "
                f"{MAX_TRIALS:,} recipes; zip some of them or give fewer values"
            )
        if self.study.design == "one_at_a_time":
            rows: Any = [{}, *({key: value} for key, values in axes.items() for value in values)]
        else:
            rows = (dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values()))
        recipes = self._of(components, self.tables.place("base"))
        for row in rows:
            yield recipes.recipe(outer | row)

    def _of(self, components: Components, where: str) -> Recipes:
        """All recipes of these components that are written in one place."""
        key = (where, *map(id, components))
        if key not in self._recipes:
            tables = [self.tables.base, *(self.tables.component_bases.get(name, {}) for name in components.names)]
            hyperparameters = CheckedHyperparameters(components, where)
            self._recipes[key] = Recipes(self.study.data_size, hyperparameters, tables, self.cut)
        return self._recipes[key]


def _rows(group: Mapping[str, Sequence[Any]], where: str) -> list[Settings]:
    """A zip group as rows: the first values of all its lists, then the second, ..."""
    lengths = {key: len(values) for key, values in group.items()}
    if len(set(lengths.values())) != 1:
        counts = ", ".join(f"{key} has {length}" for key, length in lengths.items()) or "it has none"
        raise StudyError(f"the lists of a zip group move together, so they need equal lengths: {counts} ({where})")
    return [dict(zip(group, values, strict=True)) for values in zip(*group.values(), strict=True)]
