"""What the columns of a trial are: recipe, numbers, metrics; which of them vary; which one ranks."""

from __future__ import annotations

import re
from dataclasses import dataclass

import polars as pl

from fallline.errors import StoreError
from fallline.store import Run

RECIPE = ("task", "data", "optimizer", "loss", "batch_size", "order", "steps")
"""The recipe columns every trial has; the numbers of the rules stand beside them."""

_RECORD = {
    "trial",
    "block",
    "cohort",
    "seed",
    "status",
    "diverged_at",
    "steps_to_target",
    "parameters",
    "configuration",
}
_RESULT = re.compile(r"(final|min|best|train|validation|test)_\w+")


@dataclass(frozen=True)
class Metric:
    """The metric that ranks a run: its column in the trials, its direction, and a note where it is a stand-in."""

    column: str
    note: str = ""

    @property
    def up(self) -> bool:
        """Whether larger is better."""
        return direction(self.column) == "up"

    @property
    def label(self) -> str:
        return label(self.column)

    @property
    def best_column(self) -> str:
        """The best value on the way: over the evaluated steps, or over all steps for the training loss."""
        curve = curve_column(self.column)
        return {"train": f"min_{curve}", "validation": f"best_{curve}"}.get(curve.partition("_")[0], "")


def direction(metric: str) -> str:
    """ "down" for losses and errors, "up" for accuracies and all else."""
    return "down" if metric.endswith(("loss", "error")) else "up"


def curve_column(metric: str) -> str:
    """The column of the curves that a trial's metric was read from."""
    return re.sub(r"^(final|min|best)_", "", metric)


def label(metric: str) -> str:
    """The metric in words: ``final_train_loss`` is "final training loss"."""
    return metric.replace("train_", "training_").replace("min_", "lowest_").replace("_", " ")


def trials_of(run: Run) -> pl.DataFrame:
    """The finished trials, or StoreError where there is none yet."""
    if run.trials.is_empty():
        raise StoreError(f"{run.folder} holds no finished trials yet; run again with --resume")
    return run.trials


def number_columns(trials: pl.DataFrame) -> list[str]:
    """The numbers of the rules, the learning rate first."""
    found = [
        name
        for name, kind in trials.schema.items()
        if name not in _RECORD and name not in RECIPE and not _RESULT.fullmatch(name) and kind.is_numeric()
    ]
    return sorted(found, key=lambda name: name != "learning_rate")


def recipe_columns(trials: pl.DataFrame) -> list[str]:
    """All that makes a configuration: everything but the seed."""
    head = [name for name in ("task", "data", "optimizer") if name in trials.columns]
    return head + number_columns(trials) + [name for name in RECIPE[3:] if name in trials.columns]


def metric_columns(trials: pl.DataFrame) -> list[str]:
    """The results, without the steps at which they were reached, that any trial has."""
    return [
        name
        for name in trials.columns
        if _RESULT.fullmatch(name) and not name.endswith("_step") and trials[name].null_count() < trials.height
    ]


def configurations(run: Run) -> pl.DataFrame:
    """The trials with a column ``configuration``: trials that differ in the seed alone share its number."""
    trials = trials_of(run)
    keys = recipe_columns(trials)
    known = trials.select(keys).unique(maintain_order=True).with_row_index("configuration")
    return trials.join(known, on=keys, nulls_equal=True, how="left", maintain_order="left")


def varying(run: Run) -> list[str]:
    """The recipe columns a reader must see to tell configurations apart.

    A number other than the learning rate counts where it differs between trials of one optimizer: that two rules
    have different defaults is no choice of the study.
    """
    trials = trials_of(run)
    found = []
    for name in recipe_columns(trials):
        if name in RECIPE or name == "learning_rate":
            values = trials[name] if name in RECIPE else trials[name].drop_nulls()
            if values.n_unique() > 1:
                found.append(name)
        elif trials.group_by("optimizer").agg(pl.col(name).n_unique()).get_column(name).max() > 1:
            found.append(name)
    return found


def primary(run: Run) -> Metric:
    """The metric that ranks: the study's own, or what was recorded in its place, with a note that says so.

    A test metric never chooses: its validation twin ranks where there is one.
    """
    trials = trials_of(run)
    asked = run.study.metric
    wanted = f"final_{asked}" if asked.startswith("train_") else asked
    recorded = metric_columns(trials)
    if wanted.startswith("test_") and wanted.replace("test_", "validation_") in recorded:
        twin = wanted.replace("test_", "validation_")
        return Metric(
            twin, f"The study names {label(asked)}; choices are made on {label(twin)}, and test is read once."
        )
    if wanted in recorded or wanted in trials.columns:
        note = ""
        if wanted.startswith("test_"):
            note = "There is no validation split: what is chosen on the test set looks better there than it is."
        return Metric(wanted, note)
    for stand_in in ("validation_accuracy", "validation_loss", "final_train_loss"):
        if stand_in in trials.columns:
            return Metric(stand_in, f"The study's metric, {label(asked)}, was not recorded; {label(stand_in)} ranks.")
    raise StoreError(f"{run.folder} records neither {asked} nor any other metric to rank by")
