"""Recipes of the same components: the tables of a study put together, checked once and shared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fallline.batching import BatchPolicy
from fallline.contracts import Task
from fallline.study.architecture import with_architecture
from fallline.study.budget import batches_of, settings_of, steps_in_budget
from fallline.study.components import CheckedHyperparameters
from fallline.study.recipe_fields import BUDGETS, FIELD_NAMES
from fallline.study.trial import Recipe
from fallline.tasks.folds import FoldSplit

Settings = dict[str, Any]
"""Values of a study by the name of a field, a component or a hyperparameter."""

_Fields = tuple[BatchPolicy, int, tuple[tuple[str, Any], ...]]


class Recipes:
    """Recipes of the same components over the same ``tables`` of a study; ``data`` is its size, "sample" or "full"."""

    def __init__(
        self,
        data: str,
        hyperparameters: CheckedHyperparameters,
        tables: Sequence[Mapping[str, Any]],
        cut: FoldSplit | None,
    ):
        self.data, self.hyperparameters, self.cut = data, hyperparameters, cut
        self.common: Settings = {}
        for table in tables:
            self.common = self._with(self.common, table)
        self._known: dict[tuple[int, ...], _Fields] = {}

    def recipe(self, settings: Mapping[str, Any]) -> tuple[Task, Recipe]:
        """The recipe with ``settings``, values of the study, in place of the common ones."""
        full, components = self._with(self.common, settings), self.hyperparameters.components
        batches, steps, fields = self._fields(full)
        task, fields = with_architecture(components.task, fields, self.hyperparameters.where)
        return task, Recipe(
            components.optimizer,
            components.loss,
            components.schedule,
            batches,
            steps,
            self.hyperparameters.of(full),
            fields,
        )

    def _with(self, below: Settings, table: Mapping[str, Any]) -> Settings:
        """``table`` over another one, as far as these components take its keys."""
        if any(budget in table for budget in BUDGETS):  # a budget in epochs replaces one in steps, and the reverse
            below = {key: value for key, value in below.items() if key not in BUDGETS}
        return below | {key: value for key, value in table.items() if key in self.hyperparameters.taken}

    def _fields(self, full: Settings) -> _Fields:
        """Batches, steps and settings, worked out once for all recipes with the same fields."""
        key = tuple([id(full.get(name)) for name in (*FIELD_NAMES, "workers")])
        if key not in self._known:
            where, task = self.hyperparameters.where, self.hyperparameters.components.task
            batches = batches_of(full, where)
            steps = steps_in_budget(full, batches, task, self.data, where, self.cut)
            self._known[key] = batches, steps, settings_of(full, where)
        return self._known[key]
