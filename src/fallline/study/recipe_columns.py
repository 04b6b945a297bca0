"""A recipe in a table of trials: a column for each of its components, hyperparameters and fields."""

from __future__ import annotations

from typing import Any

from fallline.study.formatting import exact
from fallline.study.recipe_fields import KEPT
from fallline.study.trial import NamedValues, Recipe


def recipe_columns(recipe: Recipe, shown: frozenset[str]) -> dict[str, Any]:
    """The columns of a recipe by name.

    Hyperparameters of schedules, regularisation and early stopping and fields have a column where they are ``shown``
    (``trial.settings_in_use``): what is off in the whole study has none.
    """
    hyperparameters = recipe.hyperparameters

    def columns(values: NamedValues) -> dict[str, Any]:
        return {
            name: ", ".join(map(exact, value)) if isinstance(value, tuple) else value
            for name, value in values
            if name in shown
        }

    return {
        "optimizer": recipe.optimizer.name,
        **dict(hyperparameters.optimizer),
        "loss": recipe.loss.name,
        **dict(hyperparameters.loss),
        "loss_kind": recipe.loss_kind,
        "schedule": recipe.schedule.name,
        **columns(hyperparameters.schedule),
        **dict(hyperparameters.model),
        **columns(hyperparameters.regularisation),
        **columns(hyperparameters.stopping),
        **{field.name: field.of(recipe) for field in KEPT if field.name in shown},
    }
