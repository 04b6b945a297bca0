"""What the claims of a study are about: its configurations before presets and settings were applied."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from fallline.batching import BatchStream
from fallline.errors import FalllineError
from fallline.study.recipe_columns import recipe_columns
from fallline.study.spec import Study
from fallline.study.tables import Claim
from fallline.study.trial import Trial, settings_in_use

IN_EVERY_ROW = {"data", "steps", "images", "configurations"}
"""The columns of every row."""


def original_configurations(study: Study) -> list[dict[str, Any]]:
    """One row per kind of configuration of the original study: the columns that its claims name, data, steps, the
    number of training examples as ``images`` (None: the task does not say it), and how many ``configurations`` are of
    this kind.

    No rows where the study was not changed, and where the original cannot be expanded here.
    """
    whole = study.original
    if whole is study or not study.claims:
        return []
    try:
        trials = whole.with_({"seeds": 1}).trials()
        shown = settings_in_use(trials)
        named = {name for claim in study.claims for table in tables(claim) for name in table}
        each = {(trial.task.name, trial.recipe): _row(trial, shown, named) for trial in trials}
    except FalllineError:  # it may need a package or a file that only the full study uses
        return []
    counts = Counter(tuple(row.items()) for row in each.values())
    return [dict(row) | {"configurations": count} for row, count in counts.items()]


def tables(claim: Claim) -> list[Mapping[str, Any]]:
    """The tables of settings by which a claim selects its trials."""
    arms = claim.equal if isinstance(claim.equal, list) else [claim.equal]
    return [table for table in (claim.where, claim.arm, claim.better, claim.worse, *arms) if isinstance(table, Mapping)]


def _row(trial: Trial, shown: frozenset[str], named: set[str]) -> dict[str, Any]:
    recipe, examples = trial.recipe, trial.task.examples.get(trial.data)
    if examples is not None and trial.cut is not None:
        examples = trial.cut.left(examples)
    columns = {"task": trial.task.name, **recipe_columns(recipe, shown)}
    if examples is not None and "epochs" in named:
        columns["epochs"] = float(BatchStream(recipe.batches, examples, seed=0).position([recipe.steps])[0])
    kept = {name: value for name, value in columns.items() if name in named}
    images = None if examples is None else min(recipe.batches.subset or examples, examples)
    return kept | {"data": trial.data, "steps": recipe.steps, "images": images}
