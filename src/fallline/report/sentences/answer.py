"""The answer in sentences: the best configuration, the next one, and caveats."""

from __future__ import annotations

import re

import numpy as np
import polars as pl

from fallline.report import formatting
from fallline.report.results import Results
from fallline.report.rounding import by_width, interval
from fallline.report.sentences.commands import NO_NUMBER, smaller_rates
from fallline.report.sentences.missing import gone_words
from fallline.report.sentences.tuning import tuning_cautions
from fallline.stats import paired
from fallline.stats.columns import how_diverged
from fallline.stats.differences import alike


def answer(results: Results) -> tuple[str, str, str]:
    """The best configuration: its name, its value, and its confidence interval.

    Without a value the first text is the whole answer: no trial finished, or nothing can be compared.
    """
    first = results.ranked.row(0, named=True)
    column = results.metric.column
    if results.metric.within and results.ranked.filter(pl.col(f"{column}_mean").is_not_null()).height:
        return "Kinds of loss are ranked separately", "", _best_of_each(results)
    mean, low, high, n = (first[f"{column}_{part}"] for part in ("mean", "low", "high", "n"))
    if mean is None and results.ranked["missing"].sum():
        return (
            f"No usable configuration: {results.metric.label} was not a number in any trial that finished",
            "",
            NO_NUMBER,
        )
    if mean is None:
        return (
            f"No usable configuration: every trial diverged, {how_diverged(results.run.trials)}",
            "",
            f"Next: {smaller_rates(results.run)}",
        )
    name = formatting.recipe(first, results.varying, results.digits) or "the only configuration of this study"
    value = f"{results.metric.label} {formatting.number(mean)}"
    if n == 1:
        sure = "One seed: no confidence interval, so small differences may be chance."
    elif low == high:
        sure = f"All {formatting.plural(n, 'seed')} give the identical value."
    else:
        sure = f"95 % CI {interval(low, high)}, {formatting.plural(n, 'seed')}."
    return name, value, sure


def _best_of_each(results: Results) -> str:
    """The best configuration of each kind of loss."""
    first = results.ranked.filter(pl.col("rank") == 1)
    column = f"{results.metric.column}_mean"
    rows = first.iter_rows(named=True)
    said = [
        f"{formatting.recipe(row, results.varying, results.digits)} ({formatting.number(row[column])})" for row in rows
    ]
    return f"Best within each, by {results.metric.label}: {'; '.join(said)}."


def runner_up(results: Results) -> str:
    """The next optimizer (or configuration), and whether the difference is significant."""
    table = results.best if results.by_optimizer else results.ranked
    if table.height < 2 or results.metric.within:
        return ""
    column = results.metric.column
    first, second = table.row(0, named=True), table.row(1, named=True)
    if second[f"{column}_mean"] is None:
        return f"All others {gone_words(results.run, column)}."
    means = [np.array([row[f"{column}_mean"]]) for row in (first, second)]
    tied = bool(alike(*means)[0])
    value = formatting.number(second[f"{column}_mean"])
    said = f"{'Equal' if tied else 'Next'}: {formatting.recipe(second, results.varying, results.digits)}, {value}."
    gap = paired(results.run, first["configuration"], second["configuration"], column)
    if gap is None or gap.low is None or gap.low == gap.high:
        return said
    verdict = "significant" if gap.decided else "not significant"
    if gap.lost:
        verdict += f"; at {formatting.plural(gap.lost, 'more seed')} one of them {gone_words(results.run, column)}"
    return (
        f"{said} Difference {by_width(gap.mean, (gap.high - gap.low) / 2, sign=True)}, "
        f"95 % CI {interval(gap.low, gap.high, sign=True)} "
        f"over {formatting.plural(gap.n, 'paired seed')}: {verdict} (this pair only, not corrected for other "
        f"comparisons)."
    )


def cautions(results: Results) -> list[str]:
    """Caveats of these results."""
    said = [results.metric.note] if results.metric.note else []
    if results.kinds > 1 and not results.metric.within:
        said.append(
            f"There are {formatting.count(results.kinds)} kinds of loss, and their values have different "
            f"scales: compare final, lowest and held-out losses only between rows of the same kind; accuracies "
            f"compare all rows."
        )
    said += tuning_cautions(results.run, ranked=results.ranked)
    lost = int(results.ranked["diverged"].sum())
    if lost:
        said.append(
            f"{formatting.count(lost)} of {formatting.plural(int(results.ranked['trials'].sum()), 'trial')} diverged; "
            "they are ranked last and have no values."
        )
    cut = [re.search(r", (\d+) folds$", data) for data in results.run.trials["data"].unique()]
    if folds := {found[1] for found in cut if found}:
        said.append(
            f"Each seed's value is the mean over {formatting.listed(sorted(folds, key=int))} folds, the same "
            f"for all: n counts seeds, and confidence intervals are about other seeds on these examples, not "
            f"about other examples."
        )
    return said
