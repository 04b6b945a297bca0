"""A recipe in a table of trials: a column each of its parts and numbers."""

from __future__ import annotations

from typing import Any

from fallline.contracts.hyperparameters import Value
from fallline.study.formatting import exact
from fallline.study.trial import Recipe


def recipe_columns(recipe: Recipe, shown: frozenset[str]) -> dict[str, Any]:
    """All of a recipe but its budget and precision. Of the numbers of schedules, regularisation and stopping those
    ``shown``: what is off in the whole study has no column."""
    hyperparameters, batches = recipe.hyperparameters, recipe.batches

    def columns(own: tuple[tuple[str, Value], ...]) -> dict[str, Any]:
        return {
            name: ", ".join(map(exact, value)) if isinstance(value, tuple) else value
            for name, value in own
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
        "batch_size": batches.size,
        "order": batches.order,
        "overlap": batches.overlap,
        "subset": batches.subset,
        "subset_from": None if batches.subset is None else batches.subset_from,
        "last_batch": batches.last,
    }
