"""Pairwise tests over seeds: CI and p-values of a difference, effect size, and Holm's correction over all pairs."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fallline.stats.distributions import average_ranks, beta_quantile, sign_flip_p, signed_rank_p
from fallline.stats.evidence import LEVEL, SAME, Evidence, Region, Sample, judge
from fallline.stats.power import MOST_SEEDS, NO_FORECAST, POWER, failing, pilots

RESAMPLES = 2**14
"""The permutation test takes all sign flips up to 14 seeds, beyond that 16,384 random ones (always the same)."""


@dataclass(frozen=True)
class Pair:
    """Two arms over their common seeds; all p-values are two-sided, of the null hypothesis of no difference.

    ``evidence`` has the difference, its 95 % CI and the method: Student's t, or the sign test of the median where
    trials diverged or the differences have no variance. ``p`` is the p-value of that method, ``p_holm`` the one with
    Holm's correction (1979) over all pairs of the comparison. For tuned arms these two hold whichever setting is truly
    best; all else is for the arms at their tuned settings: the difference and its CI, ``p_as_tuned`` and
    ``p_as_tuned_holm``, ``p_permutation`` (sign flips of the differences) and ``p_wilcoxon`` (signed ranks), which
    assume less, ``effect_size`` (Cohen's d of the differences: mean over standard deviation), and ``better``, the share
    of seeds at which the first arm is better, ties counting half, with its 95 % CI ``better_low`` to ``better_high``
    (Clopper and Pearson 1934). Values are None where the seeds do not determine them: with one seed there is no p.
    ``same``: the arms have equal values at every seed but for rounding, and are not tested. ``seeds_needed`` to
    ``seeds_most``: how many seeds would make the difference significant with 80 % power. ``level``: of test and CI.
    """

    evidence: Evidence
    p: float | None
    p_permutation: float | None
    p_wilcoxon: float | None
    effect_size: float | None
    better: float | None
    p_as_tuned: float | None = None
    p_holm: float | None = None
    p_as_tuned_holm: float | None = None
    seeds_needed: int | None = None
    level: float = LEVEL
    better_low: float | None = None
    better_high: float | None = None
    same: bool = False
    seeds_most: int | None = None

    @property
    def significant(self) -> bool:
        """Whether the difference is statistically significant after Holm's correction, or exact (deterministic)."""
        if self.evidence.method == "values":
            return self.evidence.estimate != 0
        return self.p_holm is not None and self.p_holm <= self.level

    @property
    def significant_as_tuned(self) -> bool:
        """Whether the difference is significant at the settings that the seeds chose, if not at all candidates."""
        return self.significant or (self.p_as_tuned_holm is not None and self.p_as_tuned_holm <= self.level)


def all_pairs(
    samples: Sequence[Sample], up: bool, level: float = LEVEL, tested: Sequence[int] | None = None
) -> list[Pair]:
    """Every pair of a comparison tested, in the order given; ``up``: larger values are better.

    Holm's correction over all p-values keeps the probability of any false difference under ``level`` (family-wise).
    ``tested`` has for each pair the position of the pair that is tested for it, where arms are equal but for rounding:
    a test that is made once counts once. ``seeds_needed`` and ``seeds_most``, for pairs without a significant
    difference, are those of ``seeds_to_tell`` by ``power.pilots``, at the level that Holm's correction leaves while as
    many pairs are undecided.
    """
    every = [sample.values for sample in samples]
    found = [_pair(*one, up, level) for one in zip(samples, permutation_p(every), wilcoxon_p(every), strict=True)]
    tested = range(len(found)) if tested is None else tested
    adjusted, as_tuned = (_shared([getattr(pair, name) for pair in found], tested) for name in ("p", "p_as_tuned"))
    found = [
        replace(pair, p_holm=p, p_as_tuned_holm=own) for pair, p, own in zip(found, adjusted, as_tuned, strict=True)
    ]
    undecided = sum(
        pair.p_holm is not None and not pair.significant and tested[place] == place for place, pair in enumerate(found)
    )
    return [_with_seeds(pair, undecided) for pair in found]


def _shared(p_values: Sequence[float | None], tested: Sequence[int]) -> list[float | None]:
    """Holm over the pairs that are tested; the others have the p-value of the pair tested for them."""
    family = [math.nan if p is None or tested[place] != place else p for place, p in enumerate(p_values)]
    adjusted = holm(np.array(family))
    return [None if p is None else _known(adjusted[place]) for p, place in zip(p_values, tested, strict=True)]


def _with_seeds(pair: Pair, undecided: int) -> Pair:
    """The pair with the seeds that would tell it apart, where it is not."""
    if pair.significant or pair.p is None:
        return pair
    least, most = range_to_tell(pair.evidence, undecided, pair.level)
    return replace(pair, seeds_needed=least, seeds_most=most)


def _known(p: float) -> float | None:
    return None if math.isnan(p) else float(p)


def holm(p_values: np.ndarray) -> np.ndarray:
    """Holm's (1979) step-down adjustment along the last axis, one family a row; NaN stays and does not count."""
    p_values = np.asarray(p_values, float)
    if not p_values.size:
        return p_values
    order = np.argsort(p_values, axis=-1, kind="stable")  # NaN last
    left = (~np.isnan(p_values)).sum(-1, keepdims=True) - np.arange(p_values.shape[-1])
    raised = np.minimum(np.take_along_axis(p_values, order, -1) * np.maximum(left, 1), 1.0)
    adjusted = np.empty_like(p_values)
    np.put_along_axis(adjusted, order, np.maximum.accumulate(raised, -1), -1)
    return adjusted


def two_sided(sample: Sample, level: float = LEVEL) -> Evidence:
    """The evidence for a difference towards the side to which the sample leans; its ``p_for`` is of both sides."""
    return _two_sided(sample, level)[0]


def _two_sided(sample: Sample, level: float) -> tuple[Evidence, Evidence]:
    """``two_sided`` of the sample, and of the arms as tuned."""
    sides = [(judge(sample.plain, region, level), region) for region in (Region(low=0.0), Region(high=0.0))]
    as_tuned, side = min(sides, key=lambda item: item[0].p_for)
    return (judge(sample, side, level) if sample.floors or sample.ceilings else as_tuned), as_tuned


def permutation_p(samples: Sequence[np.ndarray]) -> list[float | None]:
    """For each sample of differences, the two-sided p-value of the permutation test of their mean (sign flips).

    None with one seed or where a trial diverged. Samples of the same length share their flips, which is much faster.
    """
    return _by_length(
        samples,
        [bool(np.isfinite(sample).all()) for sample in samples],
        lambda stacked: sign_flip_p(stacked, RESAMPLES),
    )


def least_permutation_p(n: int) -> float:
    """The smallest p-value of the sign-flip test of ``n`` differences: two of 2^n flips."""
    return 2.0 ** (1 - n)


def wilcoxon_p(samples: Sequence[np.ndarray]) -> list[float | None]:
    """For each sample of differences, the two-sided p-value of Wilcoxon's signed-rank test; None with one seed.

    A diverged trial has the highest rank; differences of 0 are left out. With ties or zeros the signs of the ranks are
    flipped in every way, as scipy does, for all samples at once.
    """
    signed = [_signed_ranks(sample) for sample in samples]
    plain = [bool(ranks.all()) and len(set(np.abs(ranks))) == len(ranks) for ranks in signed]
    by_table = _by_length(signed, plain, signed_rank_p)
    by_flips = permutation_p([ranks[:0] if simple else ranks for ranks, simple in zip(signed, plain, strict=True)])
    return [one if simple else other for one, other, simple in zip(by_table, by_flips, plain, strict=True)]


def _by_length(
    samples: Sequence[np.ndarray], wanted: Sequence[bool], test: Callable[[np.ndarray], np.ndarray]
) -> list[float | None]:
    """The p-values of ``test`` for samples that are ``wanted`` and have two values or more, those of a length
    together."""
    found: list[float | None] = [None] * len(samples)
    places: dict[int, list[int]] = {}
    for place, sample in enumerate(samples):
        if wanted[place] and len(sample) > 1:
            places.setdefault(len(sample), []).append(place)
    for same in places.values():
        for place, p in zip(same, test(np.stack([samples[place] for place in same])), strict=True):
            found[place] = float(p)
    return found


def _signed_ranks(sample: np.ndarray) -> np.ndarray:
    """The rank of each absolute difference among those that are not 0, with its sign; 0 stays."""
    ranks, some = np.zeros(len(sample)), sample != 0
    ranks[some] = np.sign(sample[some]) * average_ranks(np.abs(sample[some]))
    return ranks


def effect_size(differences: np.ndarray, scale: float = 0.0) -> float | None:
    """Cohen's d of paired values: mean over standard deviation of the differences; None without a variance."""
    if len(differences) < 2 or not np.isfinite(differences).all():
        return None
    sd = float(differences.std(ddof=1))
    return float(differences.mean()) / sd if sd > SAME * scale else None


def share_better(differences: np.ndarray, up: bool) -> float:
    """The share of seeds at which the first is better; ties count half."""
    gains = differences if up else -differences
    return float(((gains > 0) + 0.5 * (gains == 0)).mean())


def share_interval(share: float, n: int, level: float = LEVEL) -> tuple[float, float]:
    """The CI of a ``share`` observed among ``n`` (Clopper and Pearson 1934); ties count half, so counts may be
    halves."""
    count = share * n
    low = beta_quantile(level / 2, count, n - count + 1) if count > 0 else 0.0
    return low, beta_quantile(1 - level / 2, count + 1, n - count) if count < n else 1.0


def seeds_to_tell(evidence: Evidence, undecided: int = 1, level: float = LEVEL, least: int = 2) -> int | None:
    """The seeds for a significant difference with a power of 80 % if effect and standard deviation are those observed.

    The level is that of Holm's correction while ``undecided`` pairs are left. None with one seed, where nothing needs
    seeds, and where more than 10,000 would be needed. At least ``least`` seeds.
    """
    if not evidence.sizes:
        return None
    level /= max(undecided, 1)
    counts = range(least, MOST_SEEDS + 1)
    place = bisect_left(
        counts, True, key=lambda n: failing(n, evidence.method, evidence.inside_at(n), level) <= 1 - POWER
    )
    return None if place == len(counts) else max(counts[place], evidence.n + 1)


def range_to_tell(evidence: Evidence, undecided: int = 1, level: float = LEVEL) -> tuple[int | None, int | None]:
    """From how many seeds to how many make the difference significant, by ``power.pilots``; both None with two seeds or
    fewer."""
    if evidence.n <= NO_FORECAST:
        return None, None
    near, less = pilots(evidence)
    least = seeds_to_tell(near, undecided, level)
    return least, None if least is None else seeds_to_tell(less, undecided, level, least)


def _pair(sample: Sample, flipped: float | None, by_rank: float | None, up: bool, level: float) -> Pair:
    differences, (evidence, as_tuned) = sample.values, _two_sided(sample, level)
    evidence = replace(evidence, low=as_tuned.low, high=as_tuned.high)
    better, n = share_better(differences, up), len(differences)
    same = not (differences[:1] if sample.exact else differences).any()
    if evidence.method == "values":
        return Pair(evidence, None, None, None, None, better, level=level, same=same)
    if evidence.method == "one seed" or same:
        low, high = (None, None) if n == 1 else share_interval(better, n)
        return Pair(
            evidence,
            None,
            None,
            None,
            None,
            None if n == 1 else better,
            level=level,
            better_low=low,
            better_high=high,
            same=same,
        )
    low, high = share_interval(better, n)
    return Pair(
        evidence,
        evidence.p_for,
        flipped,
        by_rank,
        effect_size(differences, sample.scale),
        better,
        as_tuned.p_for,
        level=level,
        better_low=low,
        better_high=high,
    )
