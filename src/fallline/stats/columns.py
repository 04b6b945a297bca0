"""What the columns of a trial are: recipe, numbers, results; which of them a reader must see."""

from __future__ import annotations

import re

import polars as pl

from fallline.contracts import MetricName
from fallline.errors import StoreError
from fallline.stats.cached import once
from fallline.store import Run
from fallline.study.column_words import OFF
from fallline.study.recipe_fields import ARCHITECTURE, KEPT

POLICY = tuple(field.name for field in KEPT if field.policy)
"""How batches are drawn."""

RECIPE = (
    *("task", "data", "optimizer", "schedule", "loss"),
    *(field.name for field in KEPT if not field.budget),
    *(field.name for field in KEPT if field.budget),
    "early_stop",
)
"""The recipe columns that are no numbers of a part; the numbers of the parts stand beside them."""

FINISHED = ("done", "stopped")
"""A trial with results: it ran to its last step, or early stopping ended it."""

_DERIVED = {"loss_kind", "epochs", "examples_seen", "train_examples", "parameters"}
"""What follows from the recipe."""

_RECORD = {
    "trial",
    "block",
    "cohort",
    "seed",
    "status",
    "diverged_at",
    "stopped_at",
    "steps_to_target",
    "configuration",
    *_DERIVED,
}


def finished() -> pl.Expr:
    """Whether a trial has results."""
    return pl.col("status").is_in(FINISHED)


def how_diverged(trials: pl.DataFrame) -> str:
    """What became of the loss of trials that diverged, in words: "its loss grew without end"."""
    return "its loss was not finite before the first update" if from_the_start(trials) else "its loss grew without end"


def from_the_start(trials: pl.DataFrame) -> bool:
    """Whether no trial that diverged had a finite loss before its first update: then no rate is at fault."""
    last = trials.filter(pl.col("status") == "diverged")["diverged_at"].max()
    return last == 0


def trials_of(run: Run) -> pl.DataFrame:
    """The finished trials, or StoreError where there is none yet."""
    if run.trials.is_empty():
        raise StoreError(f"{run.folder} holds no finished trials yet; run again with --resume")
    return run.trials


def number_columns(trials: pl.DataFrame) -> list[str]:
    """The numbers of the parts of a recipe, the learning rate first; lists of numbers, kept as text, are left out."""
    schema = trials.schema
    return [name for name in _own_columns(trials) if schema[name].is_numeric()]


def _own_columns(trials: pl.DataFrame) -> list[str]:
    """All that is neither record nor result nor one of ``RECIPE``."""
    found = [
        name
        for name, kind in trials.schema.items()
        if name not in (*_RECORD, *RECIPE) and not _is_result(name) and (kind.is_numeric() or kind == pl.String)
    ]
    return sorted(found, key=lambda name: name != "learning_rate")


def loss_hyperparameters(trials: pl.DataFrame) -> set[str]:
    """The numbers that losses take, as ``loss_kind`` names them: "sigmoid_focal(alpha=0.25, gamma=2)"."""
    if "loss_kind" not in trials.columns:
        return set()
    return {name for kind in trials["loss_kind"].drop_nulls().unique() for name in re.findall(r"(\w+)=", kind)}


def recipe_columns(trials: pl.DataFrame) -> list[str]:
    """All that makes a configuration, in the order in which it is said: everything but the seed."""
    own, of_loss = _own_columns(trials), loss_hyperparameters(trials)
    rate = [name for name in own if name == "learning_rate"]
    others = [name for name in own if name not in rate and name not in of_loss]
    order = [*RECIPE[:3], *rate, "schedule", *others, "loss", *(n for n in own if n in of_loss), *RECIPE[5:]]
    return [name for name in order if name in trials.columns]


def metric_columns(trials: pl.DataFrame) -> list[str]:
    """The results, without the steps at which they were reached, that any trial has."""
    return [
        name
        for name in trials.columns
        if _is_result(name) and not MetricName.parse(name).is_step and trials[name].null_count() < trials.height
    ]


def _is_result(name: str) -> bool:
    return name not in _RECORD and MetricName.parse(name).is_result


@once
def configurations(run: Run) -> pl.DataFrame:
    """The trials with a column ``configuration``: trials that differ in the seed alone share its number."""
    trials = trials_of(run)
    keys = recipe_columns(trials)
    known = trials.select(keys).unique(maintain_order=True).with_row_index("configuration")
    return trials.join(known, on=keys, nulls_equal=True, how="left", maintain_order="left")


@once
def varying(run: Run) -> list[str]:
    """The recipe columns a reader must see to tell configurations apart.

    A number counts where it differs between trials with the same part that takes it: that two optimizers, schedules or
    losses have different defaults is no choice of the study. Of the budget's two forms, steps and epochs, the one
    that takes fewer values stands; neither does where all trials make the same number of epochs.
    """
    trials = trials_of(run)
    of_loss = loss_hyperparameters(trials)
    found = [name for name in recipe_columns(trials) if _varies(trials, name, of_loss)]
    if "steps" not in found or "epochs" not in trials.columns or trials["epochs"].null_count():
        return found
    epochs = trials["epochs"].round(2).n_unique()
    if epochs == 1 and len(found) > 1:
        return [name for name in found if name != "steps"]
    if epochs < trials["steps"].n_unique():
        return ["epochs" if name == "steps" else name for name in found]
    return found


def _varies(trials: pl.DataFrame, name: str, of_loss: set[str]) -> bool:
    if name in ("learning_rate", "subset_from"):  # what has no subset takes it from nowhere
        return trials[name].drop_nulls().n_unique() > 1
    if name in ARCHITECTURE[1:] and "model" in trials.columns:  # that two models have different sizes is no choice
        return trials.group_by("model").agg(pl.col(name).n_unique()).get_column(name).max() > 1
    if name in RECIPE or (name in OFF and name != "weight_decay"):
        return trials[name].n_unique() > 1
    parts = ["loss"] if name in of_loss else [part for part in ("optimizer", "schedule") if part in trials.columns]
    return trials.group_by(parts).agg(pl.col(name).n_unique()).get_column(name).max() > 1
