"""Two runs beside each other: what differs between their studies, the best setting of each, and the difference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from fallline.errors import StudyError, UnknownName
from fallline.report import formatting
from fallline.stats import label, primary
from fallline.stats.columns import configurations, finished, metric_columns, recipe_columns
from fallline.stats.distributions import t_above, t_quantile
from fallline.stats.metric import MetricView, direction
from fallline.store import Run
from fallline.study import plain

LEVEL = 0.05


@dataclass(frozen=True)
class BestOfRun:
    """The best setting of a run by ``metric``: its recipe in words, and the values of its seeds."""

    run: Run
    setting: str
    values: np.ndarray

    @property
    def half_interval(self) -> float | None:
        """Half the 95 % confidence interval of the mean; None for one seed."""
        n = len(self.values)
        return None if n < 2 else float(t_quantile(0.975, n - 1) * self.values.std(ddof=1) / n**0.5)


@dataclass(frozen=True)
class TwoRuns:
    """``difference`` is the mean of the first best setting minus that of the second, with its 95 % confidence interval
    ``low`` to ``high`` and p-value (Welch, 1947); None where a run has one seed. ``studies`` are the fields that
    differ: (field, first, second).
    """

    metric: MetricView
    best: tuple[BestOfRun, BestOfRun]
    studies: list[tuple[str, str, str]]
    other_data: str
    difference: float
    low: float | None = None
    high: float | None = None
    p: float | None = None

    @property
    def sentences(self) -> list[str]:
        """The answer in words, then what it does not say."""
        names = [str(best.run.folder) for best in self.best]
        up = self.metric.up
        what = self.metric.label
        if self.p is None:
            lines = [f"No answer: a run with one seed has no spread to judge {what} by; add seeds to both."]
        elif self.p < LEVEL:
            ahead = names[(self.difference > 0) != up]
            interval = f"{formatting.signed(self.low)} to {formatting.signed(self.high)}"
            lines = [
                f"The best setting of {ahead} is significantly better: {what} differs by "
                f"{formatting.signed(self.difference)} (95 % CI {interval}, p = {self.p:.2g})."
            ]
        else:
            interval = f"{formatting.signed(self.low)} to {formatting.signed(self.high)}"
            lines = [
                f"Not significantly different: {what} differs by {formatting.signed(self.difference)} (95 % CI "
                f"{interval}, p = {self.p:.2g})."
            ]
        if self.other_data:
            lines.append(f"The runs saw other data ({self.other_data}), so the values may not be comparable.")
        lines.append(
            "Each run's setting was chosen by the same values, which favours the run with more settings; the held-out "
            "test set of the chosen settings does not."
        )
        return lines


def compare_runs(first: Run, second: Run, metric: str | None = None) -> TwoRuns:
    """The best settings of two runs by ``metric``, by default that which ranks the first.

    UnknownName where a run did not record it, StudyError where a run has no finished trial with a number.
    """
    view = primary(first)
    if metric is not None and metric != view.column:
        view = replace(view, column=metric, up=direction(metric, first.study.goals) == "up")
    best = tuple(_best(run, view) for run in (first, second))
    difference, low, high, p = _welch(best[0].values, best[1].values)
    return TwoRuns(
        view, (best[0], best[1]), differing(first, second), _other_data(first, second), difference, low, high, p
    )


def differing(first: Run, second: Run) -> list[tuple[str, str, str]]:
    """The fields of the studies that differ, as (field, value in the first, value in the second); "-": not given."""
    flat = [dict(_flat(plain(run.study))) for run in (first, second)]
    names = dict.fromkeys([*flat[0], *flat[1]])
    return [
        (name, _text(flat[0].get(name)), _text(flat[1].get(name)))
        for name in names
        if flat[0].get(name) != flat[1].get(name)
    ]


def _flat(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of nested tables by their dotted names; lists are leaves."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{place}.{key}" if place else str(key))
    else:
        yield place, value


def _text(value: Any) -> str:
    if value is None:
        return "-"
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _best(run: Run, view: MetricView) -> BestOfRun:
    trials = configurations(run)
    if view.column not in trials.columns:
        raise UnknownName(f"metric of the run in {run.folder}", view.column, metric_columns(trials), "compare")
    known = trials.filter(finished() & pl.col(view.column).is_not_null())
    if known.is_empty():
        raise StudyError(f"the run in {run.folder} has no finished trial with a number for {label(view.column)}")
    means = known.group_by("configuration", maintain_order=True).agg(pl.col(view.column).mean().alias("mean"), pl.len())
    most = means["len"].max()  # a setting that diverged with some seeds does not win by the others
    chosen = means.filter(pl.col("len") == most).sort("mean", descending=view.up)["configuration"][0]
    own = known.filter(pl.col("configuration") == chosen)
    varying = [name for name in recipe_columns(trials) if trials[name].n_unique() > 1]
    setting = formatting.recipe(own.row(0, named=True), varying) or "the only setting"
    return BestOfRun(run, setting, own.sort("seed")[view.column].to_numpy().astype(float))


def _welch(a: np.ndarray, b: np.ndarray) -> tuple[float, float | None, float | None, float | None]:
    difference = float(a.mean() - b.mean())
    if min(len(a), len(b)) < 2:
        return difference, None, None, None
    parts = [float(values.var(ddof=1) / len(values)) for values in (a, b)]
    error = sum(parts) ** 0.5
    if error == 0:
        return difference, difference, difference, 1.0 if difference == 0 else 0.0
    freedom = sum(parts) ** 2 / sum(part**2 / (len(v) - 1) for part, v in zip(parts, (a, b), strict=True))
    whole = max(1, int(freedom))  # rounded down, so that the interval is never too narrow
    half = t_quantile(0.975, whole) * error
    return difference, difference - half, difference + half, float(2 * t_above(abs(difference) / error, whole))


def _other_data(first: Run, second: Run) -> str:
    """How the data of two runs differs, in words; empty where it is the same as far as the records say."""
    tasks = [sorted(set(run.trials["task"])) for run in (first, second)]
    if tasks[0] != tasks[1]:
        return f"task {', '.join(tasks[0])}, and {', '.join(tasks[1])}"
    files = [{name: known["sha256"] for name, known in run.pipelines.items()} for run in (first, second)]
    if files[0] != files[1]:
        return "the file was changed between them"
    sizes = [sorted(set(run.trials["data"])) for run in (first, second)]
    return f"{', '.join(sizes[0])}, and {', '.join(sizes[1])}" if sizes[0] != sizes[1] else ""
