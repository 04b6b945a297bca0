"""Two arms seed by seed: interval and tests of their difference, effect size, and Holm over all pairs."""

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
"""Signs are flipped in every way up to 14 seeds, beyond that in 16,384 random ways (always the same ones)."""


@dataclass(frozen=True)
class Pair:
    """What the common seeds say of two arms; all p-values are of both sides and against "there is no difference".

    ``evidence`` has the difference, its 95 % interval and the method: Student's t, or the sign test about the median
    where trials diverged or the differences have no spread. ``p`` is the p-value of that method, and ``p_holm`` what
    Holm (1979) makes of it over all pairs of the comparison. Where arms were tuned, these two hold whichever setting is
    truly best; all else is of the arms as tuned: the difference and its interval, ``p_as_tuned`` and
    ``p_as_tuned_holm``, ``p_permutation`` (signs of the differences flipped, their mean) and ``p_wilcoxon`` (signed
    ranks), which assume less, ``effect_size``, Cohen's d of the differences, mean over sd, and ``better``, the share of
    seeds at which the first arm is better, ties counting half, with its 95 % interval ``better_low`` to
    ``better_high`` (Clopper and Pearson 1934). None is what the seeds do not tell: with one seed there is no p.
    ``same``: the arms have the same values at every seed but for rounding, and are not tested. ``seeds_needed`` to
    ``seeds_most``: how many seeds would tell them apart. ``level`` is that of the test and of the interval.
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
    def told_apart(self) -> bool:
        """Whether the difference is real: at the level after Holm, or because nothing was left to chance."""
        if self.evidence.method == "values":
            return self.evidence.estimate != 0
        return self.p_holm is not None and self.p_holm <= self.level

    @property
    def as_tuned(self) -> bool:
        """Whether what the seeds chose is told apart, though other settings may not be."""
        return self.told_apart or (self.p_as_tuned_holm is not None and self.p_as_tuned_holm <= self.level)


def all_pairs(
    samples: Sequence[Sample], up: bool, level: float = LEVEL, tested: Sequence[int] | None = None
) -> list[Pair]:
    """Every pair of a comparison judged, in the order given; ``up`` where larger values are better.

    Holm over the p-values of all of them keeps the chance of one false difference under ``level`` whatever is true.
    ``tested`` has for each pair the place of the one that is tested for it, where arms are one rule but for rounding:
    a test that is made once counts once. ``seeds_needed`` and ``seeds_most``, for the pairs not told apart, are those
    of ``seeds_to_tell`` by ``forecast.pilots``, at the level that Holm leaves while as many pairs are undecided.
    """
    every = [sample.values for sample in samples]
    found = [_pair(*one, up, level) for one in zip(samples, permutation_p(every), wilcoxon_p(every), strict=True)]
    tested = range(len(found)) if tested is None else tested
    adjusted, as_tuned = (_shared([getattr(pair, name) for pair in found], tested) for name in ("p", "p_as_tuned"))
    found = [
        replace(pair, p_holm=p, p_as_tuned_holm=own) for pair, p, own in zip(found, adjusted, as_tuned, strict=True)
    ]
    undecided = sum(
        pair.p_holm is not None and not pair.told_apart and tested[place] == place for place, pair in enumerate(found)
    )
    return [_with_seeds(pair, undecided) for pair in found]


def _shared(p_values: Sequence[float | None], tested: Sequence[int]) -> list[float | None]:
    """Holm over the pairs that are tested; the others have the p-value of the pair tested for them."""
    family = [math.nan if p is None or tested[place] != place else p for place, p in enumerate(p_values)]
    adjusted = holm(np.array(family))
    return [None if p is None else _known(adjusted[place]) for p, place in zip(p_values, tested, strict=True)]


def _with_seeds(pair: Pair, undecided: int) -> Pair:
    """The pair with the seeds that would tell it apart, where it is not."""
    if pair.told_apart or pair.p is None:
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
    own, side = min(sides, key=lambda one: one[0].p_for)
    return (judge(sample, side, level) if sample.floors or sample.ceilings else own), own


def permutation_p(samples: Sequence[np.ndarray]) -> list[float | None]:
    """For each sample of differences, both sides of their mean among all ways to flip their signs.

    None with one seed or where a trial diverged. Samples of the same length share their flips: it is many times faster.
    """
    return _by_length(
        samples,
        [bool(np.isfinite(sample).all()) for sample in samples],
        lambda stacked: sign_flip_p(stacked, RESAMPLES),
    )


def least_permutation_p(n: int) -> float:
    """The least p-value that flipping the signs of ``n`` differences can give: both sides of 2^n ways."""
    return 2.0 ** (1 - n)


def wilcoxon_p(samples: Sequence[np.ndarray]) -> list[float | None]:
    """For each sample of differences, both sides of Wilcoxon's signed-rank test; None with one seed.

    A diverged trial has the highest rank; differences of 0 are left out. Where sizes are equal, or 0, the signs of the
    ranks are flipped in every way: what scipy does as well, all samples at once.
    """
    signed = [_signed_ranks(sample) for sample in samples]
    plain = [bool(ranks.all()) and len(set(np.abs(ranks))) == len(ranks) for ranks in signed]
    by_table = _by_length(signed, plain, signed_rank_p)
    by_flips = permutation_p([ranks[:0] if simple else ranks for ranks, simple in zip(signed, plain, strict=True)])
    return [one if simple else other for one, other, simple in zip(by_table, by_flips, plain, strict=True)]


def _by_length(
    samples: Sequence[np.ndarray], wanted: Sequence[bool], test: Callable[[np.ndarray], np.ndarray]
) -> list[float | None]:
    """The p-values of ``test`` for those that are wanted and have two values or more, samples of a length together."""
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
    """The rank of each size among those that are not 0, with the sign of the difference; 0 stays."""
    ranks, some = np.zeros(len(sample)), sample != 0
    ranks[some] = np.sign(sample[some]) * average_ranks(np.abs(sample[some]))
    return ranks


def effect_size(differences: np.ndarray, scale: float = 0.0) -> float | None:
    """Cohen's d of paired values: mean over sd of the differences; None where there is no spread to measure by."""
    if len(differences) < 2 or not np.isfinite(differences).all():
        return None
    sd = float(differences.std(ddof=1))
    return float(differences.mean()) / sd if sd > SAME * scale else None


def share_better(differences: np.ndarray, up: bool) -> float:
    """The share of seeds at which the first is better; ties count half."""
    gains = differences if up else -differences
    return float(((gains > 0) + 0.5 * (gains == 0)).mean())


def share_interval(share: float, n: int, level: float = LEVEL) -> tuple[float, float]:
    """The interval of a share that was seen among ``n`` (Clopper and Pearson 1934); ties count half, so that the count
    need not be whole."""
    count = share * n
    low = beta_quantile(level / 2, count, n - count + 1) if count > 0 else 0.0
    return low, beta_quantile(1 - level / 2, count + 1, n - count) if count < n else 1.0


def seeds_to_tell(evidence: Evidence, undecided: int = 1, level: float = LEVEL, least: int = 2) -> int | None:
    """The seeds that tell two arms apart with a power of 80 % if effect and spread are truly those seen.

    The level is that of Holm's test while ``undecided`` pairs are left. None where one seed tells no spread, where
    nothing needs seeds, and where more than 10,000 would be needed. Fewer than ``least`` are not looked at.
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
    """From how many seeds to how many tell two arms apart, by ``forecast.pilots``; both None where two seeds or fewer
    tell no spread."""
    if evidence.n <= NO_FORECAST:
        return None, None
    near, less = pilots(evidence)
    least = seeds_to_tell(near, undecided, level)
    return least, None if least is None else seeds_to_tell(less, undecided, level, least)


def _pair(sample: Sample, flipped: float | None, by_rank: float | None, up: bool, level: float) -> Pair:
    differences, (evidence, own) = sample.values, _two_sided(sample, level)
    evidence = replace(evidence, low=own.low, high=own.high)
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
        own.p_for,
        level=level,
        better_low=low,
        better_high=high,
    )
