"""Which result ranks a run, in which direction, and in which words; losses of different kinds are never ranked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import polars as pl

from fallline.errors import StoreError
from fallline.metrics import higher_is_better
from fallline.stats.cached import once
from fallline.stats.columns import metric_columns, trials_of
from fallline.store import Run

STAND_INS = ("validation_accuracy", "validation_loss", "final_train_loss")


@dataclass(frozen=True)
class MetricView:
    """The metric that ranks a run: its column in the trials, its direction, and a note where it is a stand-in.

    ``within`` names a column where only trials with the same value of it can be compared: the kind of loss, where no
    other metric was recorded. Else it is empty. ``goals`` are those of the study: pairs of a metric and its goal.
    """

    column: str
    note: str = ""
    within: str = ""
    goals: tuple[tuple[str, str], ...] = ()

    @property
    def up(self) -> bool:
        """Whether larger is better."""
        return direction(self.column, dict(self.goals)) == "up"

    @property
    def label(self) -> str:
        return label(self.column)

    @property
    def best_column(self) -> str:
        """The best value on the way: over the evaluated steps, or over all steps for the training loss."""
        curve = curve_column(self.column)
        return {"train": f"min_{curve}", "validation": f"best_{curve}"}.get(curve.partition("_")[0], "")


def direction(metric: str, goals: Mapping[str, str] | None = None) -> str:
    """ "up" where more of a recorded metric is better, else "down"; ``goals`` are those of the study it is of."""
    return "up" if higher_is_better(metric, goals) else "down"


def curve_column(metric: str) -> str:
    """The column of the curves that a trial's metric was read from."""
    return re.sub(r"^(final|tail|min|best)_", "", metric)


def label(metric: str) -> str:
    """The metric in words: ``final_train_loss`` is "final training loss"."""
    words = re.sub(r"^tail_train_(\w+)$", r"mean_final_train_\1", metric)
    words = words.replace("train_", "training_").replace("min_", "lowest_").replace("_", " ")
    return re.sub(r"\bf1$", "F1", words)


def is_loss(metric: str) -> bool:
    """Whether the metric is a value of the loss itself, so that its meaning changes with the kind of loss."""
    return re.fullmatch(r"\w*_loss(_at_\d+)?", metric) is not None


def kind_column(trials: pl.DataFrame) -> str:
    """The column whose values are kinds of loss: the loss with its numbers, or its name in older folders."""
    return "loss_kind" if "loss_kind" in trials.columns else "loss"


def loss_kinds(trials: pl.DataFrame) -> list[str]:
    """The kinds of loss, in the order they were run."""
    name = kind_column(trials)
    return trials[name].drop_nulls().unique(maintain_order=True).to_list() if name in trials.columns else []


def comparable(trials: pl.DataFrame, metric: str) -> bool:
    """Whether the values of ``metric`` mean the same for all of these trials."""
    return not is_loss(metric) or len(loss_kinds(trials)) < 2


@once
def primary(run: Run) -> MetricView:
    """The metric that ranks: the study's own, or what was recorded in its place, with a note that says so.

    A test metric never chooses: its validation twin ranks where there is one. Where trials differ in the kind of loss,
    a loss never ranks across kinds: an accuracy takes its place, or where there is none, each kind is ranked alone.
    """
    trials = trials_of(run)
    metric = replace(_asked(run, trials), goals=tuple(run.study.goals.items()))
    if comparable(trials, metric.column):
        return metric
    told = f"The values of {len(loss_kinds(trials))} kinds of loss cannot be compared"
    other = _of_another_sort(metric_columns(trials))
    if other is None:
        note = f"{told}, and nothing else was recorded: each kind is ranked by itself, and none is best of all."
        return replace(metric, note=note, within=kind_column(trials))
    note = f"{told}, so {label(other)} ranks in place of {metric.label}."
    return replace(metric, column=other, note=note + (f" {_on_test()}" if other.startswith("test_") else ""))


def _asked(run: Run, trials: pl.DataFrame) -> MetricView:
    """The study's metric, or what was recorded in its place."""
    asked = run.study.metric
    wanted = f"final_{asked}" if asked.startswith("train_") else asked
    recorded = metric_columns(trials)
    if wanted.startswith("test_") and wanted.replace("test_", "validation_") in recorded:
        twin = wanted.replace("test_", "validation_")
        return MetricView(
            twin, f"The study names {label(asked)}; choices are made on {label(twin)}, and test is read once."
        )
    if wanted in recorded or wanted in trials.columns:
        return MetricView(wanted, _on_test() if wanted.startswith("test_") else "")
    for stand_in in STAND_INS:
        if stand_in in trials.columns:
            return MetricView(
                stand_in, f"The study's metric, {label(asked)}, was not recorded; {label(stand_in)} ranks."
            )
    raise StoreError(f"{run.folder} records neither {asked} nor any other metric to rank by")


def _on_test() -> str:
    return "There is no validation split: what is chosen on the test set looks better there than it is."


def _of_another_sort(recorded: list[str]) -> str | None:
    """The first metric that is no loss: on validation, else test, else training data; the accuracy before others."""
    splits = ("validation_", "test_", "final_train_")
    found = [name for name in recorded if name.startswith(splits) and not is_loss(name)]
    place = {split: number for number, split in enumerate(splits)}
    found.sort(key=lambda name: (next(place[s] for s in splits if name.startswith(s)), not name.endswith("accuracy")))
    return found[0] if found else None
