"""The first figures of a report: the metric against the learning rate, curves with bands, ranks."""

from __future__ import annotations

import polars as pl

from fallline.report.figures import figure_kinds, specs
from fallline.report.headline import Opening
from fallline.report.results import Results
from fallline.stats import configurations, curve_column, label
from fallline.stats.analysis import Analysis
from fallline.store import Run
from fallline.study import Figure

BEST_CURVES = "curves-of-the-best"
"""The name of the curves of each arm at its chosen setting."""


def leading(opening: Opening, named: dict[str, Figure]) -> dict[str, Figure]:
    """The first figures by name: those of the study where they show the ranking metric, else the default ones."""
    found = _sensitivity(opening, named) | _curves(opening, named) | _ranks(opening, named)
    return {
        name: spec
        for name, spec in found.items()
        if figure_kinds()[spec.kind].fits(Analysis.of(opening.results.run)) or name in named
    }


def of_the_page(run: Run) -> dict[str, Figure]:
    """Every figure of the run's page by name, the first ones first; none where it has no results."""
    if run.trials.is_empty():
        return {}
    named = specs(run)
    return leading(Opening.of(Results.of(run)), named) | named


def _sensitivity(opening: Opening, named: dict[str, Figure]) -> dict[str, Figure]:
    own = _of_kind(named, "sensitivity")
    ranking = {name: spec for name, spec in own.items() if _metric(opening, spec) == _metric(opening, Figure(kind=""))}
    several = 1 if opening.comparison is None else len(opening.comparison.compared.groups)
    first = dict(list((ranking or own).items())[: max(several, 1)])
    return first or {"sensitivity": Figure(kind="sensitivity")}


def _curves(opening: Opening, named: dict[str, Figure]) -> dict[str, Figure]:
    """Each arm at its best, where one column distinguishes arms and another was tuned; else the first of the study."""
    own = dict(list(_of_kind(named, "curves").items())[:1])
    comparison = opening.comparison
    if comparison is None or len(comparison.compared.by) > 1 or len(comparison.compared.held) > 1:
        return own
    compared = comparison.compared
    if not compared.tune and own:
        return own
    trials = configurations(opening.results.run)
    names = pl.concat([arm.chosen_rows["trial"] for group in compared.groups for arm in group.arms])
    best = trials.filter(pl.col("trial").is_in(names.implode()))["configuration"].unique().sort()
    if best.len() == trials["configuration"].n_unique() and own:
        return own
    metric = curve_column(compared.metric)
    return {
        BEST_CURVES: Figure(
            kind="curves",
            metric=metric,
            color=compared.by[0],
            panel=compared.held[0] if compared.held else None,
            title=f"{label(metric)} against the step, each at its best setting",
            where={"configuration": best.to_list()},
        )
    }


def _ranks(opening: Opening, named: dict[str, Figure]) -> dict[str, Figure]:
    own = dict(list(_of_kind(named, "ranks").items())[:1])
    if own or opening.comparison is None or "ranks" not in figure_kinds():
        return own
    by = opening.comparison.compared.by
    return {"ranks": Figure(kind="ranks", color=by[0])} if len(by) == 1 else {}


def _of_kind(named: dict[str, Figure], kind: str) -> dict[str, Figure]:
    return {name: spec for name, spec in named.items() if spec.kind == kind}


def _metric(opening: Opening, spec: Figure) -> str:
    """The curve that the figure is about."""
    return curve_column(spec.metric or opening.results.metric.column)
