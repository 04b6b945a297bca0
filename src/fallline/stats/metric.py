"""Which result ranks a run, in which direction, and in which words; losses of different kinds are never ranked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import polars as pl

from fallline.contracts import MetricName
from fallline.errors import StoreError
from fallline.metrics import higher_is_better
from fallline.stats.cached import once
from fallline.stats.columns import metric_columns, trials_of
from fallline.store import Run
from fallline.study.test_leakage import on_test
from fallline.study.test_leakage import twin as validation_twin

STAND_INS = ("validation_accuracy", "validation_loss", "final_train_loss")

_STATISTICS = {"tail": "mean final", "min": "lowest"}
"""In words, where they are not those of the column."""


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
    def name(self) -> MetricName:
        """The column's name, taken apart."""
        return MetricName.parse(self.column)

    @property
    def label(self) -> str:
        return label(self.column)

    @property
    def best_column(self) -> str:
        """The best value on the way: over the evaluated steps, or over all steps for the training loss."""
        statistic = {"train": "min", "validation": "best"}.get(self.name.split)
        return str(replace(self.name, statistic=statistic)) if statistic else ""


def direction(metric: str, goals: Mapping[str, str] | None = None) -> str:
    """ "up" where more of a recorded metric is better, else "down"; ``goals`` are those of the study it is of."""
    return "up" if higher_is_better(metric, goals) else "down"


def curve_column(metric: str) -> str:
    """The column of the curves that a trial's metric was read from."""
    return str(MetricName.parse(metric).curve)


def after_training(metric: str) -> str:
    """The column of the trials that holds the metric after the last step: that of a training curve is ``final``."""
    return str(MetricName.parse(metric).after_training)


def label(metric: str) -> str:
    """The metric in words: ``final_train_loss`` is "final training loss"."""
    name = MetricName.parse(metric)
    words = [
        _STATISTICS.get(name.statistic, name.statistic),
        {"train": "training"}.get(name.split, name.split),
        *("F1" if word == "f1" else word for word in name.metric.split("_")),
        "" if name.at is None else f"at {name.at}",
        "step" if name.is_step_of else "",
    ]
    return " ".join(word for word in words if word)


def is_loss(metric: str) -> bool:
    """Whether the metric is a value of the loss itself, so that its meaning changes with the kind of loss."""
    return MetricName.parse(metric).is_loss


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
    return replace(metric, column=other, note=note + (f" {_on_test()}" if on_test(other) else ""))


def _asked(run: Run, trials: pl.DataFrame) -> MetricView:
    """The study's metric, or what was recorded in its place."""
    asked = run.study.metric
    wanted = after_training(asked)
    recorded = metric_columns(trials)
    if on_test(wanted) and (twin := validation_twin(wanted)) in recorded:
        return MetricView(
            twin, f"The study names {label(asked)}; choices are made on {label(twin)}, and test is read once."
        )
    if wanted in recorded or wanted in trials.columns:
        return MetricView(wanted, _on_test() if on_test(wanted) else "")
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
    splits = [("", "validation"), ("", "test"), ("final", "train")]
    names = [MetricName.parse(column) for column in recorded]
    found = [name for name in names if (name.statistic, name.split) in splits and not name.is_loss]
    found.sort(key=lambda name: (splits.index((name.statistic, name.split)), not name.metric.endswith("accuracy")))
    return str(found[0]) if found else None
