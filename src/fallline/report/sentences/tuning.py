"""Caveats of a comparison that come from how its arms were tuned, one sentence each."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from fallline.report import formatting
from fallline.report.naming import digits_of, named
from fallline.report.rounding import by_width, interval
from fallline.report.sentences.commands import wider
from fallline.stats import select_trials
from fallline.stats.defaults import MISSING
from fallline.stats.search import RATE, Search, groups, searches
from fallline.stats.tuning import Defeat, at_equal_tries, defeats
from fallline.store import Run

SHOWN = 6
"""The most arms named in a sentence."""


def tuning_cautions(run: Run, by: str | Sequence[str] = "optimizer", ranked: pl.DataFrame | None = None) -> list[str]:
    """The warnings of a run whose arms are the values of the column(s) ``by``, most serious first; often none.

    They are: an arm that loses to its own special case; a best value at an edge of its search range, with the wider
    study; learning rates that were not tuned; unequal search budgets, and what equal ones would have found; unequal
    training budgets; a missing arm "all defaults"; fixed hyperparameters; the share of each arm's trials that diverged.
    Those about an optimizer's hyperparameters are given where the arms are optimizers.
    """
    if run.study.search is not None:
        return []  # each arm was tuned by the search, on other seeds; the section on it says how
    found = searches(run, by, ranked)
    told = [_defeated(defeat) for defeat in defeats(run, found)]
    told += _borders(run, found)
    for group in groups(found):
        if len(group) > 1:
            place = _place(group[0])
            texts = [*_tries(group), *_budgets(group)]
            if "optimizer" in group[0].arm:
                texts = [*_untuned(group), *texts, *_defaults(group), *_fixed(group)]
            told += [place + text for text in texts]
    return told + _diverged(found)


def arm_name(search: Search) -> str:
    """The arm in words: "gradient descent"."""
    return named(search.run, search.arm, search.arm) or "all trials"


def _place(search: Search) -> str:
    """The task, where there are several: "mnist: "."""
    said = named(search.run, search.group, search.group)
    return f"{said}: " if said else ""


def _defeated(defeat: Defeat) -> str:
    general, special = arm_name(defeat.general), arm_name(defeat.special)
    values = [formatting.number(search.value) for search in (defeat.general, defeat.special)]
    gap = defeat.difference
    told = f"{values[0]} against {values[1]}"
    if gap is None:
        told += "; it diverged more often"
    elif gap.low is None:
        told += "; one seed"
    else:
        told += (
            f"; difference {by_width(gap.mean, (gap.high - gap.low) / 2, sign=True)}, 95 % CI "
            f"{interval(gap.low, gap.high, sign=True)}"
        )
    at = defeat.case.reason
    also = "" if _had(defeat) else f", and {at} among its values"
    return (
        f"{_place(defeat.general)}{formatting.capital(general)} contains {special} (at {at}) but loses to it "
        f"({told}): it was not tuned enough. Try more learning rates{also}."
    )


def _had(defeat: Defeat) -> bool:
    """Whether the special case was among the settings of the general optimizer, so that only its learning rates can
    be the reason.
    """
    return not select_trials(defeat.general.rows, dict(defeat.case.hyperparameters)).is_empty()


def _borders(run: Run, found: Sequence[Search]) -> list[str]:
    at = [(search, border) for search in found for border in search.edges]
    rates = [f"{_place(search)}{arm_name(search)} ({border.side})" for search, border in at if border.number == RATE]
    told = []
    if rates:
        offer = wider(run, [(search.arm.get("optimizer"), border) for search, border in at if border.number == RATE])
        told.append(
            f"Best at an edge of the searched learning rates: {formatting.listed(rates)}. A wider range may be better"
            + (f": {offer}" if offer else ".")
        )
    others = [
        f"{_place(search)}{formatting.name(border.number)} of {arm_name(search)} "
        f"({border.side}, {formatting.value_of(border.number, search.best[border.number], digits_of(search.run))})"
        for search, border in at
        if border.number != RATE
    ]
    if others:
        told.append(
            f"Best at an edge of the searched values: {formatting.listed(others)}. A wider range may be better."
        )
    return told


def _untuned(group: Sequence[Search]) -> list[str]:
    """Arms at one learning rate."""
    one = [search for search in group if RATE in search.rows.columns and search.rows[RATE].drop_nulls().n_unique() == 1]
    if not one:
        return []
    who = (
        "Every optimizer"
        if len(one) == len(group)
        else formatting.capital(formatting.listed(map(arm_name, one), SHOWN))
    )
    return [f"{who} ran at one learning rate only; its performance at its best learning rate is unknown."]


def _tries(group: Sequence[Search]) -> list[str]:
    counts = {search.tried for search in group}
    if len(counts) == 1:
        return []
    least = min(counts)
    told = [
        f"{formatting.listed([arm_name(search) for search in group if search.tried == count], SHOWN)} "
        f"{formatting.plural(count, 'setting')}"
        for count in sorted(counts, reverse=True)
    ]
    tries = "try" if least == 1 else "tries"
    values = [
        f"{formatting.number(value)} for {arm_name(search)}"
        for search, value in at_equal_tries(group, least)
        if value is not None
    ]
    return [
        f"Unequal search budgets: {'; '.join(told)}. A larger search finds better settings; after {least} "
        f"{tries} each, drawn at "
        f"random, the expected best {group[0].metric.label} is {formatting.listed(values, SHOWN)}."
    ]


def _budgets(group: Sequence[Search]) -> list[str]:
    told = []
    for key, unit in (("steps", "step"), ("examples", "example"), ("seeds", "seed")):
        counts = {search.budget[key] for search in group}
        if len(counts) > 1 and None not in counts:
            by_count = [
                f"{formatting.listed([arm_name(s) for s in group if s.budget[key] == count], SHOWN)} "
                f"{formatting.plural(count, unit)}"
                for count in sorted(counts, reverse=True)
            ]
            told.append("; ".join(by_count))
    return [f"Unequal training budgets: {', and '.join(told)} (the maximum of any trial)."] if told else []


def _defaults(group: Sequence[Search]) -> list[str]:
    lacking = [search for search in group if search.defaults.state == MISSING]
    if not lacking:
        return []
    said = [
        f"{arm_name(search)} ({formatting.recipe(search.defaults.hyperparameters, search.defaults.hyperparameters)})"
        for search in lacking
    ]
    return [
        f"Not trained at all defaults: {formatting.listed(said, SHOWN)}. The gain from tuning is unknown; a "
        f"[[points]] with these hyperparameters in the study adds them."
    ]


def _fixed(group: Sequence[Search]) -> list[str]:
    """The optimizers' hyperparameters with one value only."""
    said = []
    for search in group:
        own = [name for name in search.defaults.hyperparameters if name != RATE and search.rows[name].n_unique() == 1]
        if own:
            said.append(f"{arm_name(search)} ({named(search.run, search.best, own)})")
    return [f"Fixed, not tuned: {formatting.listed(said, SHOWN)}."] if said else []


def _diverged(found: Sequence[Search]) -> list[str]:
    """The share of each arm, where there are several."""
    lost = sorted((search for search in found if search.diverged), key=lambda search: -search.diverged_share)
    if not lost or len(found) < 2:
        return []
    said = [f"{_place(search)}{arm_name(search)} {100 * search.diverged_share:.0f} %" for search in lost]
    return [f"Share of trials that diverged: {formatting.listed(said)}."]
