"""The results for page and terminal: ranked rows and their columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from fallline.contracts import MetricName
from fallline.report import formatting
from fallline.report.document import Column
from fallline.report.naming import digits_of
from fallline.report.rounding import interval
from fallline.stats import MetricView, best_of, label, primary, summary, varying
from fallline.stats.columns import OFF, RECIPE
from fallline.stats.metric import is_loss, loss_kinds
from fallline.stats.test_reads import chosen_alone
from fallline.store import Run
from fallline.study.recipe_fields import KEPT

MOST_NUMBERS, MOST_SETTINGS = 3, 6
"""So many hyperparameters, and settings in total, have a column each; more share one."""


JOINED = "other settings"
"""The heading of that column."""


@dataclass(frozen=True)
class Results:
    """The frames behind the tables, computed once."""

    run: Run
    metric: MetricView
    ranked: pl.DataFrame
    best: pl.DataFrame
    varying: list[str]

    @classmethod
    def of(cls, run: Run) -> Results:
        """The results of a run, or StoreError where it has none."""
        ranked = summary(run)
        best = best_of(run, ranked)
        return cls(run, primary(run), chosen_alone(run, ranked, best), best, varying(run))

    @property
    def by_optimizer(self) -> bool:
        """Whether a table of each optimizer at its best differs from the full one."""
        return 1 < self.best.height < self.ranked.height

    @property
    def digits(self) -> dict[str, int]:
        """The digits that distinguish different settings."""
        return digits_of(self.run)

    @property
    def kinds(self) -> int:
        """How many kinds of loss there are; the values of different kinds cannot be compared."""
        return len(loss_kinds(self.run.trials))

    @property
    def seeds(self) -> int:
        return int(self.ranked["trials"].max())


def columns(results: Results, frame: pl.DataFrame) -> list[Column]:
    """The columns of a ranked table, for the rows of ``frame`` (of ``ranked`` or ``best``)."""
    metric, rows = results.metric, frame.to_dicts()
    found = [Column("#", [formatting.count(row["rank"]) for row in rows], frame["rank"].to_list(), soft=True)]
    shown, joined = _settings(results)
    for name in shown:
        told = not frame.schema[name].is_numeric()
        found.append(
            Column(
                formatting.name(name),
                [formatting.value_of(name, row[name], results.digits) for row in rows],
                frame[name].to_list(),
                numeric=not told,
                names=name == "optimizer",
            )
        )
    if joined:
        texts = [formatting.recipe(row, joined, results.digits) or formatting.MISSING for row in rows]
        found.append(Column.of_texts(JOINED, texts, width="wrap"))
    mean, sd, n, low, high = (f"{metric.column}_{part}" for part in ("mean", "sd", "n", "low", "high"))
    found += [
        _hyperparameters(metric.label, rows, mean, "mean over seeds" + _caution(results, metric.column)),
        Column(
            "sd",
            [formatting.number(row[sd], 2) for row in rows],
            frame[sd].to_list(),
            help="standard deviation over seeds (n − 1)",
            soft=True,
        ),
        Column(
            "n",
            [formatting.count(row[n]) for row in rows],
            frame[n].to_list(),
            help="seeds with a value" if results.ranked["missing"].sum() else "seeds that finished",
            soft=True,
        ),
        Column(
            "95 % CI",
            [interval(row[low], row[high]) for row in rows],
            frame[low].to_list(),
            help="confidence interval of the mean (Student's t)",
        ),
    ]
    if "best" in frame.columns and frame["best"].null_count() < frame.height:
        found += [
            _hyperparameters(
                "best",
                rows,
                "best",
                f"best {metric.label.replace('final ', '')} during training, mean over seeds"
                + _caution(results, metric.column),
            ),
            Column(
                "at step",
                [formatting.count(row["when"]) for row in rows],
                frame["when"].to_list(),
                help="the step of the best value, median over seeds",
                soft=True,
            ),
        ]
    found += [
        _hyperparameters(
            f"loss at {formatting.count(step)}",
            rows,
            f"train_loss_at_{step}_mean",
            f"training loss at step {step}" + _caution(results, "train_loss"),
        )
        for step in results.run.study.marks
        if f"train_loss_at_{step}_mean" in frame.columns and step < results.ranked["steps"].max()
    ]
    if "steps_to_target" in frame.columns and results.run.study.target:
        found.append(
            Column(
                "to target",
                [formatting.count(row["steps_to_target"]) for row in rows],
                frame["steps_to_target"].to_list(),
                help="median steps to the target; runs that do not reach it count as infinite",
            )
        )
    tested = str(MetricName.parse(metric.column).on("test"))
    if tested != metric.column and f"{tested}_mean" in frame.columns:
        found.append(
            _hyperparameters(
                label(tested),
                rows,
                f"{tested}_mean",
                "held-out test set, evaluated once for the configuration chosen on validation"
                + _caution(results, tested),
            )
        )
    if "stopped" in frame.columns and results.ranked["stopped"].sum():
        told = [
            f"{formatting.count(row['stopped'])} at {formatting.count(row['stopped_at'])}" if row["stopped"] else "0"
            for row in rows
        ]
        note = "trials ended by early stopping, and the median step"
        found.append(Column("stopped early", told, frame["stopped"].to_list(), help=note))
    if frame["diverged"].sum() or results.ranked["diverged"].sum():
        lost, of = ("tried_diverged", "tried_trials") if "tried_trials" in frame.columns else ("diverged", "trials")
        found.append(
            Column(
                "diverged",
                [f"{formatting.count(row[lost])} of {formatting.count(row[of])}" if row[lost] else "0" for row in rows],
                frame[lost].to_list(),
                help="trials whose loss stopped being finite"
                + (", over all settings tried" if lost == "tried_diverged" else ""),
            )
        )
    if results.ranked["missing"].sum():
        gaps, of = ("tried_missing", "tried_trials") if "tried_missing" in frame.columns else ("missing", "trials")
        texts = [f"{formatting.count(row[gaps])} of {formatting.count(row[of])}" if row[gaps] else "0" for row in rows]
        found.append(
            Column(
                "no value",
                texts,
                frame[gaps].to_list(),
                help="trials that finished and whose "
                f"{metric.label} is not a number" + (", over all settings tried" if gaps == "tried_missing" else ""),
            )
        )
    return [column for column in found if set(column.texts) != {formatting.MISSING}]


def _settings(results: Results) -> tuple[list[str], list[str]]:
    """The varying columns with a column of their own, and those that share one because they are many."""
    alone = [name for name in results.varying if name in (*RECIPE, "learning_rate", "epochs")]
    if len(alone) > MOST_SETTINGS or (len(results.varying) > MOST_SETTINGS and len(alone) > MOST_NUMBERS):
        alone = [name for name in alone if name in (*RECIPE[:3], "learning_rate")]
    others = [name for name in results.varying if name not in alone]
    few = len(results.varying) <= MOST_SETTINGS and len(others) <= MOST_NUMBERS
    return (results.varying, []) if few else (alone, others)


def _hyperparameters(heading: str, rows: list[dict[str, Any]], name: str, note: str) -> Column:
    return Column(heading, [formatting.number(row[name]) for row in rows], [row[name] for row in rows], help=note)


def _caution(results: Results, metric: str) -> str:
    """The note on a column of losses of different kinds."""
    return "; compare only rows of the same loss" if is_loss(metric) and results.kinds > 1 else ""


def constants(results: Results) -> str:
    """The settings that all trials share, for a caption."""
    row = results.ranked.row(0, named=True)
    names = [
        "optimizer",
        "learning_rate",
        "schedule",
        "loss_kind" if "loss_kind" in row else "loss",
        *OFF,
        *(field.name for field in KEPT),
    ]
    varied = {*results.varying, *(["loss_kind"] if results.kinds > 1 else [])}
    off = {name for name in (*OFF, "subset") if row.get(name) is None}
    usual = {"schedule": "constant"} | {
        field.name: field.default for field in KEPT if field.name not in ("batch_size", "order")
    }
    off |= {name for name, value in usual.items() if row.get(name) == value}
    if "epochs" in varied:
        off.add("steps")
    return formatting.recipe(row, [name for name in names if name in row and name not in varied | off])
