"""The columns of a trial: recipe, hyperparameters, results; and which of them distinguish configurations."""

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
"""The batch policy."""

RECIPE = (
    *("task", "data", "optimizer", "schedule", "loss"),
    *(field.name for field in KEPT if not field.budget),
    *(field.name for field in KEPT if field.budget),
    "early_stop",
)
"""The recipe columns that are not hyperparameters of a component."""

FINISHED = ("done", "stopped")
"""The status of trials with results: trained to the last step, or ended by early stopping."""

_DERIVED = {"loss_kind", "epochs", "examples_seen", "train_examples", "parameters"}
"""Columns that follow from the recipe."""

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
    """Whether a trial has results: a boolean column."""
    return pl.col("status").is_in(FINISHED)


def how_diverged(trials: pl.DataFrame) -> str:
    """What happened to the loss of trials that diverged, in words."""
    return "its loss was not finite before the first update" if from_the_start(trials) else "its loss became infinite"


def from_the_start(trials: pl.DataFrame) -> bool:
    """Whether no diverged trial had a finite loss before its first update: then the learning rate is not the cause."""
    last = trials.filter(pl.col("status") == "diverged")["diverged_at"].max()
    return last == 0


def trials_of(run: Run) -> pl.DataFrame:
    """The finished trials, or StoreError where there is none yet."""
    if run.trials.is_empty():
        raise StoreError(f"{run.folder} holds no finished trials yet; run again with --resume")
    return run.trials


def hyperparameter_columns(trials: pl.DataFrame) -> list[str]:
    """The hyperparameters of a recipe's components, the learning rate first; lists of numbers, kept as text, are left
    out."""
    schema = trials.schema
    return [name for name in _component_columns(trials) if schema[name].is_numeric()]


def _component_columns(trials: pl.DataFrame) -> list[str]:
    """All columns but records, results and ``RECIPE``, the learning rate first."""
    columns = [
        name
        for name, kind in trials.schema.items()
        if name not in (*_RECORD, *RECIPE) and not _is_result(name) and (kind.is_numeric() or kind == pl.String)
    ]
    return sorted(columns, key=lambda name: name != "learning_rate")


def loss_hyperparameters(trials: pl.DataFrame) -> set[str]:
    """The hyperparameters of losses, as named in ``loss_kind``: "sigmoid_focal(alpha=0.25, gamma=2)"."""
    if "loss_kind" not in trials.columns:
        return set()
    return {name for kind in trials["loss_kind"].drop_nulls().unique() for name in re.findall(r"(\w+)=", kind)}


def recipe_columns(trials: pl.DataFrame) -> list[str]:
    """All columns of a configuration, which is everything but the seed, in the order of its name in words."""
    of_components, of_loss = _component_columns(trials), loss_hyperparameters(trials)
    rate = [name for name in of_components if name == "learning_rate"]
    others = [name for name in of_components if name not in rate and name not in of_loss]
    order = [*RECIPE[:3], *rate, "schedule", *others, "loss", *(n for n in of_components if n in of_loss), *RECIPE[5:]]
    return [name for name in order if name in trials.columns]


def metric_columns(trials: pl.DataFrame) -> list[str]:
    """The result columns in which any trial has a value, without the steps at which values were reached."""
    return [
        name
        for name in trials.columns
        if _is_result(name) and not MetricName.parse(name).is_step and trials[name].null_count() < trials.height
    ]


def _is_result(name: str) -> bool:
    return name not in _RECORD and MetricName.parse(name).is_result


@once
def configurations(run: Run) -> pl.DataFrame:
    """The trials with a column ``configuration``, a number that trials share which differ only in the seed."""
    trials = trials_of(run)
    keys = recipe_columns(trials)
    known = trials.select(keys).unique(maintain_order=True).with_row_index("configuration")
    return trials.join(known, on=keys, nulls_equal=True, how="left", maintain_order="left")


@once
def varying(run: Run) -> list[str]:
    """The recipe columns that distinguish configurations.

    A hyperparameter counts where it differs between trials with the same component: different defaults of two
    optimizers, schedules or losses are no choice of the study. Of the two forms of the budget, steps and epochs, the
    one with fewer values is taken; neither where all trials have the same number of epochs.
    """
    trials = trials_of(run)
    of_loss = loss_hyperparameters(trials)
    result = [name for name in recipe_columns(trials) if _varies(trials, name, of_loss)]
    if "steps" not in result or "epochs" not in trials.columns or trials["epochs"].null_count():
        return result
    epochs = trials["epochs"].round(2).n_unique()
    if epochs == 1 and len(result) > 1:
        return [name for name in result if name != "steps"]
    if epochs < trials["steps"].n_unique():
        return ["epochs" if name == "steps" else name for name in result]
    return result


def _varies(trials: pl.DataFrame, name: str, of_loss: set[str]) -> bool:
    if name in ("learning_rate", "subset_from"):  # trials without a subset have a null here
        return trials[name].drop_nulls().n_unique() > 1
    if name in ARCHITECTURE[1:] and "model" in trials.columns:  # that two models have different sizes is no choice
        return trials.group_by("model").agg(pl.col(name).n_unique()).get_column(name).max() > 1
    if name in RECIPE or (name in OFF and name != "weight_decay"):
        return trials[name].n_unique() > 1
    parts = ["loss"] if name in of_loss else [part for part in ("optimizer", "schedule") if part in trials.columns]
    return trials.group_by(parts).agg(pl.col(name).n_unique()).get_column(name).max() > 1
