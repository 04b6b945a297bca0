"""A comparison as frames: one row per arm, one row per pair."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import polars as pl

from fallline.stats.best import Standing
from fallline.stats.compare import ArmGroup, Compared, lost
from fallline.stats.pairwise import Pair
from fallline.stats.same_examples import Mcnemar

ARM_FIGURES = {
    "place": pl.Int64,
    "metric": pl.String,
    "mean": pl.Float64,
    "sd": pl.Float64,
    "median": pl.Float64,
    "n": pl.Int64,
    "low": pl.Float64,
    "high": pl.Float64,
    "method": pl.String,
    "mean_rank": pl.Float64,
    "rank_low": pl.Float64,
    "rank_high": pl.Float64,
    "rank_n": pl.Int64,
    "tried": pl.Int64,
    "trials": pl.Int64,
    "diverged": pl.Int64,
    "missing": pl.Int64,
    "lost": pl.Int64,
    "one_choice": pl.Boolean,
    "verdict": pl.String,
    "p_best": pl.Float64,
    "best_share": pl.Float64,
    "p_as_good": pl.Float64,
    "margin": pl.Float64,
    "seeds_needed": pl.Int64,
    "seeds_most": pl.Int64,
}
PAIR_FIGURES = {
    "metric": pl.String,
    "difference": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "n": pl.Int64,
    "method": pl.String,
    "p": pl.Float64,
    "p_permutation": pl.Float64,
    "p_wilcoxon": pl.Float64,
    "p_holm": pl.Float64,
    "significant": pl.Boolean,
    "p_as_tuned": pl.Float64,
    "p_as_tuned_holm": pl.Float64,
    "significant_as_tuned": pl.Boolean,
    "effect_size": pl.Float64,
    "better": pl.Float64,
    "better_low": pl.Float64,
    "better_high": pl.Float64,
    "same": pl.Boolean,
    "logs": pl.Boolean,
    "p_mcnemar": pl.Float64,
    "only_first": pl.Float64,
    "only_second": pl.Float64,
    "p_folds": pl.Float64,
    "seeds_needed": pl.Int64,
    "seeds_most": pl.Int64,
}


def arms_frame(compared: Compared) -> pl.DataFrame:
    """One row per arm, group by group, in each the best first.

    Columns: what is held, compared and tuned (its chosen value); place; metric; mean, sd (n - 1) and n over seeds with
    the 95 % CI low to high. Where chosen trials diverged, missed the target or finished without a number (``lost``, a
    count of seeds) there is no mean: median and CI are those of all n seeds, with lost ones as the worst values;
    ``method`` is "t", "sign", "values" (deterministic) or "one seed". mean_rank, rank_low, rank_high over rank_n seeds;
    tried (settings), trials, diverged and missing (finished without a number; of all settings tried); one_choice:
    whether every seed is evaluated at the setting named, which is the choice of all seeds together; verdict, p_best,
    best_share, p_as_good, margin, seeds_needed and seeds_most as in ``stats.best.Standing``.
    """
    rows = [
        _arm_row(compared, group, place) | _standing(standing)
        for group, own in zip(compared.groups, compared.standings, strict=True)
        for place, standing in enumerate(own)
    ]
    names = [*compared.held, *compared.by, *compared.tune]
    return pl.DataFrame(rows, schema=_of_recipe(compared, names) | ARM_FIGURES)


def pairs_frame(compared: Compared) -> pl.DataFrame:
    """One row per pair, group by group, in each the pairs with the best arm first.

    Columns: what is held, first_X and second_X for each column X compared; difference (first minus second) and its
    95 % CI low to high over n common seeds; method; p, p_permutation, p_wilcoxon, p_holm, significant, p_as_tuned,
    p_as_tuned_holm, significant_as_tuned, effect_size, better, better_low, better_high, same, seeds_needed and
    seeds_most as in ``Pair``; logs: whether p is that of the logarithms (``evidence.weighed``); p_mcnemar with
    only_first and only_second, examples per seed that only one of the two classified correctly; p_folds of
    ``over_folds``, where the data was cut into folds.
    """
    rows = [
        _pair_row(compared, group, place, pair, same) | {"p_folds": None if cut is None else cut.p}
        for group, pairs, examples, folds in zip(
            compared.groups, compared.pairs, compared.same_examples, compared.over_folds, strict=True
        )
        for place, pair, same, cut in zip(group.places, pairs, examples, folds, strict=True)
    ]
    schema = _of_recipe(compared, compared.held)
    for name, kind in _of_recipe(compared, compared.by).items():
        schema |= {f"first_{name}": kind, f"second_{name}": kind}
    return pl.DataFrame(rows, schema=schema | PAIR_FIGURES)


def _of_recipe(compared: Compared, names: Any) -> dict[str, Any]:
    schema = compared.run.trials.schema
    return {name: schema[name] for name in dict.fromkeys(names)}


def _arm_row(compared: Compared, group: ArmGroup, place: int) -> dict[str, Any]:
    arm, own = group.arms[place], group.arms[place].standing
    gone, values = lost(arm), np.array(list(arm.sample.values()))
    chosen = {name: arm.chosen.get(name) for name in compared.tune}
    row = (
        arm.settings
        | chosen
        | {
            "place": place + 1,
            "metric": compared.metric,
            "n": own.n,
            "method": own.method,
            "low": own.low,
            "high": own.high,
            "lost": gone,
            "one_choice": arm.one_choice,
        }
    )
    if gone:
        row |= {"median": own.estimate}
    else:
        row |= {"mean": float(values.mean()), "sd": _sd(values, own.method), "median": float(np.median(values))}
    ranks = group.ranks
    if ranks is not None:
        row |= {"mean_rank": float(ranks.mean[place]), "rank_n": ranks.n}
        row |= {} if ranks.low is None else {"rank_low": float(ranks.low[place]), "rank_high": float(ranks.high[place])}
    return row | {"tried": arm.tried, "trials": arm.rows.height, "diverged": arm.diverged, "missing": arm.missing}


def _standing(own: Standing) -> dict[str, Any]:
    return {
        name: getattr(own, name)
        for name in ("p_best", "best_share", "p_as_good", "margin", "seeds_needed", "seeds_most")
    } | {"verdict": own.verdict or None}


def _sd(values: np.ndarray, method: str) -> float | None:
    return None if method in ("one seed", "values") else float(values.std(ddof=1))


def _pair_row(
    compared: Compared, group: ArmGroup, place: tuple[int, int], pair: Pair, same: Mcnemar | None
) -> dict[str, Any]:
    first, second = (group.arms[side] for side in place)
    evidence = pair.evidence
    row: dict[str, Any] = dict(group.within)
    for name in compared.by:
        row |= {f"first_{name}": first.settings[name], f"second_{name}": second.settings[name]}
    row |= {
        "metric": compared.metric,
        "difference": None if math.isnan(evidence.estimate) else evidence.estimate,
        "low": evidence.low,
        "high": evidence.high,
        "n": evidence.n,
        "method": evidence.method,
        "p": pair.p,
        "p_permutation": pair.p_permutation,
        "p_wilcoxon": pair.p_wilcoxon,
        "p_holm": pair.p_holm,
        "significant": pair.significant,
        "p_as_tuned": pair.p_as_tuned,
        "p_as_tuned_holm": pair.p_as_tuned_holm,
        "significant_as_tuned": pair.significant_as_tuned,
        "effect_size": pair.effect_size,
        "better": pair.better,
        "better_low": pair.better_low,
        "better_high": pair.better_high,
        "same": pair.same,
        "logs": evidence.logs,
        "seeds_needed": pair.seeds_needed,
        "seeds_most": pair.seeds_most,
    }
    if same is not None:
        row |= {"p_mcnemar": same.p, "only_first": same.only_first, "only_second": same.only_second}
    return row
