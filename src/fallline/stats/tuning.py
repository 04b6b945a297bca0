"""How well each arm was tuned: search budget, edges of its ranges, special cases that beat it, its defaults."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from fallline.stats.differences import alike, negligible
from fallline.stats.expected_best import band, expected_best, points
from fallline.stats.paired import Difference, paired
from fallline.stats.search import RATE, Search, groups, searches
from fallline.stats.special_cases import SpecialCase, special_cases
from fallline.store import Run


def worst(found: Sequence[Search]) -> float:
    """The value of a diverged setting: the worst mean of any arm of the group that finished; NaN where none did."""
    means = np.concatenate([search.means for search in found])
    if not means.size:
        return math.nan
    return float(means.min() if found[0].metric.up else means.max())


def expected(found: Sequence[Search]) -> pl.DataFrame:
    """One row per arm and search budget k, for arms of one run: group, arm, k, tried, value (the expected best of k
    settings drawn at random from those tried), low and high (95 % bootstrap band), none (the probability that all k
    are lost).

    A setting that diverged with any seed counts as the worst mean of any arm of the group, which is optimistic for it.
    value is null where nothing of the arm finished. See ``expected_best`` and ``band``.
    """
    rows = []
    for group in groups(found):
        bad = worst(group)
        for search in group:
            tries, lost, up = points(search.tried), search.lost, search.metric.up
            said = search.group | search.arm
            if lost.all():
                rows += [
                    said | {"k": k, "tried": search.tried, "value": None, "low": None, "high": None, "none": 1.0}
                    for k in tries
                ]
                continue
            means = np.concatenate([search.means, np.full(lost.sum(), bad)])
            ends = band(search.values, lost, bad, tries, up)
            for k, value, low, high in zip(tries, expected_best(means, tries, up), *ends, strict=True):
                rows.append(
                    said
                    | {
                        "k": k,
                        "tried": search.tried,
                        "value": float(value),
                        "low": _number(low),
                        "high": _number(high),
                        "none": float(lost.mean() ** k),
                    }
                )
    floats = dict.fromkeys(("value", "low", "high", "none"), pl.Float64)
    return pl.DataFrame(rows, schema_overrides=floats, infer_schema_length=None)


def at_equal_tries(group: Sequence[Search], tries: int) -> list[tuple[Search, float | None]]:
    """The expected best of each arm of a group at the same search budget; None where nothing finished."""
    bad = worst(group)
    found = []
    for search in group:
        lost = search.lost
        means = np.concatenate([search.means, np.full(lost.sum(), bad)])
        found.append((search, None if lost.all() else float(expected_best(means, [tries], search.metric.up)[0])))
    return found


@dataclass(frozen=True)
class Defeat:
    """An optimizer that is worse than its special case (``case``); ``difference`` is general minus special, None where
    the general one diverged or no seed finished with both."""

    general: Search
    special: Search
    case: SpecialCase
    difference: Difference | None


def defeats(run: Run, searches: Sequence[Search]) -> list[Defeat]:
    """The arms that are worse than their own special case, each at its best: they were not tuned enough.

    Worse means: the paired 95 % CI excludes 0; with one seed, a difference beyond rounding; or the general one diverged
    and the special case did not.
    """
    result = []
    for group in groups(searches):
        by_name = {search.arm["optimizer"]: search for search in group if set(search.arm) == {"optimizer"}}
        for name, general in by_name.items():
            for case in special_cases(name):
                special = by_name.get(case.special)
                if special is not None and special.value is not None:
                    defeat = _defeat(run, general, special, case)
                    result += [defeat] if defeat else []
    return result


def _defeat(run: Run, general: Search, special: Search, case: SpecialCase) -> Defeat | None:
    shares = [
        (search.best["diverged"] + search.best["missing"]) / search.best["trials"] for search in (general, special)
    ]
    if shares[0] != shares[1] or general.value is None:
        return Defeat(general, special, case, None) if shares[0] > shares[1] else None
    gap = paired(run, general.best["configuration"], special.best["configuration"], general.metric.column)
    if gap is None or not (gap.decided or gap.n == 1):
        return None
    own, other = np.array([special.value + gap.mean]), np.array([special.value])
    if alike(own, other, negligible(run.trials[general.metric.column].drop_nulls().to_numpy()))[0]:
        return None
    return Defeat(general, special, case, gap) if (gap.mean < 0) == general.metric.up else None


def tuning(run: Run, by: str | Sequence[str] = "optimizer") -> pl.DataFrame:
    """One row per arm, best first within its group.

    Columns: group, arm; tried (configurations), trials, seeds, steps, examples (most of a trial), total_steps;
    diverged, diverged_share; value (mean of the chosen), learning_rate (chosen), border (hyperparameters at the edge of
    their search range); good_low, good_high, decades, cut, threshold (see ``good_range``); defaults (see ``Defaults``),
    defaults_value; loses_to (special cases).
    """
    arms = searches(run, by)
    defeated = defeats(run, arms)
    rows = [_row(search, [defeat.case.special for defeat in defeated if defeat.general is search]) for search in arms]
    floats = ("value", RATE, "good_low", "good_high", "decades", "threshold", "defaults_value")
    texts = ("border", "cut", "loses_to")
    kinds = dict.fromkeys(floats, pl.Float64) | dict.fromkeys(texts, pl.String) | {"examples": pl.Int64}
    return pl.DataFrame(rows, schema_overrides=kinds, infer_schema_length=None)


def _row(search: Search, special: list[str]) -> dict[str, Any]:
    good, at_defaults = search.rates, search.defaults
    row = search.group | search.arm | {"tried": search.tried, **search.budget, "diverged": search.diverged}
    row |= {"diverged_share": search.diverged_share, "value": search.value}
    row |= {RATE: search.best.get(RATE) if search.value is not None else None}
    row |= {"border": ", ".join(f"{edge.number} {edge.side}" for edge in search.edges) or None}
    row |= {
        "good_low": good and good.low,
        "good_high": good and good.high,
        "decades": good and good.decades,
        "cut": good and (good.cut or None),
        "threshold": good and good.threshold,
    }
    row |= {
        "defaults": at_defaults.state,
        "defaults_value": at_defaults.best and at_defaults.best[f"{search.metric.column}_mean"],
    }
    return row | {"loses_to": ", ".join(special) or None}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
