"""What the page and the terminal say of the results: the ranked rows, the answer, what to be careful about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from fallline.report import words
from fallline.stats import Metric, best_of, label, paired, primary, summary, varying
from fallline.stats.columns import RECIPE
from fallline.store import Run

MOST_NUMBERS = 3
"""So many numbers of rules have a column each; more share one."""


@dataclass(frozen=True)
class Column:
    """A column of a table: its heading, a text and a sorting value a row, and whether it holds numbers."""

    heading: str
    texts: list[str]
    values: list[Any]
    numeric: bool = True
    help: str = ""
    names: bool = False
    """Whether the column names optimizers, which carry their colour."""


@dataclass(frozen=True)
class Results:
    """The frames behind the tables, computed once."""

    run: Run
    metric: Metric
    ranked: pl.DataFrame
    best: pl.DataFrame
    varying: list[str]

    @classmethod
    def of(cls, run: Run) -> Results:
        """The results of a run, or StoreError where it has none."""
        ranked = summary(run)
        return cls(run, primary(run), ranked, best_of(run, ranked), varying(run))

    @property
    def by_optimizer(self) -> bool:
        """Whether a table of each optimizer at its best says something the full one does not."""
        return 1 < self.best.height < self.ranked.height

    @property
    def seeds(self) -> int:
        return int(self.ranked["trials"].max())


def columns(results: Results, frame: pl.DataFrame) -> list[Column]:
    """The columns of a ranked table, for the rows of ``frame`` (of ``ranked`` or ``best``)."""
    metric, rows = results.metric, frame.to_dicts()
    found = [Column("#", [words.count(row["rank"]) for row in rows], frame["rank"].to_list())]
    shown, joined = _settings(results)
    for name in shown:
        told = not frame.schema[name].is_numeric()
        found.append(
            Column(
                words.name(name),
                [words.value_of(name, row[name]) for row in rows],
                frame[name].to_list(),
                numeric=not told,
                names=name == "optimizer",
            )
        )
    if joined:
        texts = [words.recipe(row, joined) or words.MISSING for row in rows]
        found.append(Column("other numbers", texts, texts, numeric=False))
    mean, sd, n, low, high = (f"{metric.column}_{part}" for part in ("mean", "sd", "n", "low", "high"))
    found += [
        _numbers(metric.label, rows, mean, "mean over seeds"),
        Column(
            "sd",
            [words.number(row[sd], 2) for row in rows],
            frame[sd].to_list(),
            help="standard deviation over seeds, n − 1 in the divisor",
        ),
        Column("n", [words.count(row[n]) for row in rows], frame[n].to_list(), help="seeds that finished"),
        Column(
            "95 % interval",
            [_interval(row[low], row[high]) for row in rows],
            frame[low].to_list(),
            help="of the mean, Student's t",
        ),
    ]
    if "best" in frame.columns and frame["best"].null_count() < frame.height:
        found += [
            _numbers("best", rows, "best", f"best {metric.label.replace('final ', '')} on the way, mean over seeds"),
            Column(
                "at step",
                [words.count(row["when"]) for row in rows],
                frame["when"].to_list(),
                help="the step of the best value, median over seeds",
            ),
        ]
    found += [
        _numbers(f"loss at {words.count(step)}", rows, f"train_loss_at_{step}_mean", f"training loss at step {step}")
        for step in results.run.study.marks
        if f"train_loss_at_{step}_mean" in frame.columns and step < results.ranked["steps"].max()
    ]
    if "steps_to_target" in frame.columns and results.run.study.target:
        found.append(
            Column(
                "to target",
                [words.count(row["steps_to_target"]) for row in rows],
                frame["steps_to_target"].to_list(),
                help="steps to the target, median; a miss counts as infinite",
            )
        )
    tested = metric.column.replace("validation_", "test_")
    if tested != metric.column and f"{tested}_mean" in frame.columns:
        found.append(
            _numbers(label(tested), rows, f"{tested}_mean", "read once, for the configuration chosen on validation")
        )
    if frame["diverged"].sum() or results.ranked["diverged"].sum():
        stopped, of = ("tried_diverged", "tried_trials") if "tried_trials" in frame.columns else ("diverged", "trials")
        found.append(
            Column(
                "diverged",
                [f"{words.count(row[stopped])} of {words.count(row[of])}" if row[stopped] else "0" for row in rows],
                frame[stopped].to_list(),
                help="trials whose loss stopped being finite"
                + (", over all settings tried" if stopped == "tried_diverged" else ""),
            )
        )
    return [column for column in found if set(column.texts) != {words.MISSING}]


def _settings(results: Results) -> tuple[list[str], list[str]]:
    """The varying columns that stand alone, and those that share a column because they are many."""
    alone = [name for name in results.varying if name in RECIPE or name == "learning_rate"]
    others = [name for name in results.varying if name not in alone]
    return (results.varying, []) if len(others) <= MOST_NUMBERS else (alone, others)


def _numbers(heading: str, rows: list[dict[str, Any]], name: str, note: str) -> Column:
    return Column(heading, [words.number(row[name]) for row in rows], [row[name] for row in rows], help=note)


def _interval(low: float | None, high: float | None) -> str:
    return words.MISSING if low is None else f"{words.number(low)} to {words.number(high)}"


def constants(results: Results) -> str:
    """What is the same for every trial, for a caption."""
    row = results.ranked.row(0, named=True)
    names = [
        name
        for name in ("optimizer", "learning_rate", "loss", "batch_size", "order", "steps")
        if name not in results.varying and name in row
    ]
    return words.recipe(row, names)


def answer(results: Results) -> tuple[str, str, str]:
    """The best configuration in words: its name, its value, and how sure that is."""
    first = results.ranked.row(0, named=True)
    column = results.metric.column
    mean, low, high, n = (first[f"{column}_{part}"] for part in ("mean", "low", "high", "n"))
    if mean is None:
        return "No configuration finished", "", "every trial diverged; try lower learning rates."
    name = words.recipe(first, results.varying) or "the one configuration of this study"
    value = f"{results.metric.label} {words.number(mean)}"
    if n == 1:
        sure = "One seed: no interval, so close results are not told apart."
    elif low == high:
        sure = f"All {words.plural(n, 'seed')} agree to the last digit."
    else:
        sure = f"95 % interval {words.number(low)} to {words.number(high)}, {words.plural(n, 'seed')}."
    return name, value, sure


def runner_up(results: Results) -> str:
    """The next optimizer (or configuration) and whether the seeds tell the two apart."""
    table = results.best if results.by_optimizer else results.ranked
    if table.height < 2:
        return ""
    column = results.metric.column
    first, second = table.row(0, named=True), table.row(1, named=True)
    if second[f"{column}_mean"] is None:
        return "All others diverged."
    tied = second[f"{column}_mean"] == first[f"{column}_mean"]
    value = words.number(second[f"{column}_mean"])
    said = f"{'As good' if tied else 'Next'}: {words.recipe(second, results.varying)}, {value}."
    gap = paired(results.run, first["configuration"], second["configuration"], column)
    if gap is None or gap.low is None or gap.low == gap.high:
        return said
    verdict = "the seeds tell them apart" if gap.decided else "too close to tell apart with these seeds"
    return (
        f"{said} Difference {words.signed(gap.mean)}, "
        f"95 % interval {words.signed(gap.low)} to {words.signed(gap.high)} "
        f"over {words.plural(gap.n, 'paired seed')}: {verdict}."
    )


def cautions(results: Results) -> list[str]:
    """What a reader should hold against these numbers."""
    said = [results.metric.note] if results.metric.note else []
    edge = results.best.filter(pl.col("border").is_not_null())
    if edge.height:
        names = [f"{words.name(row['optimizer'])} ({row['border']})" for row in edge.iter_rows(named=True)]
        said.append(f"Best at the end of the learning rates tried: {words.listed(names)}. A wider range may do better.")
    stopped = int(results.ranked["diverged"].sum())
    if stopped:
        said.append(
            f"{words.count(stopped)} of {words.plural(int(results.ranked['trials'].sum()), 'trial')} diverged; "
            "they stand last and have no values."
        )
    missing = len(results.run.missing)
    if missing:
        said.append(
            f"The run is not complete: {words.plural(missing, 'block')} of {words.count(len(results.run.planned))} "
            "are still to be trained."
        )
    return said
