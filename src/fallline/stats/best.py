"""Multiple comparisons with the best: which arms of a group are significantly worse than the first, equivalent, or
not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from fallline.stats.evidence import LEVEL, Region, Sample, judge
from fallline.stats.pairwise import Pair, holm, range_to_tell
from fallline.stats.ranks import resampled

if TYPE_CHECKING:
    from fallline.stats.groups import ArmGroup

BEST, AHEAD, SAME, AS_GOOD, OPEN = "best", "best so far", "equal", "equivalent", "not significant"
WORSE, AS_TUNED, LOST, UNKNOWN = "worse", "worse at tuned settings", "diverged", ""


@dataclass(frozen=True)
class Standing:
    """An arm compared with the first, best one of its group.

    ``verdict``: "best" (the first, all others being significantly worse), "best so far" (the first, where some are
    not), "worse" (significantly), "worse at tuned settings" (significantly worse at the settings its seeds chose, but
    not at every setting that could be its best), "equivalent" (within the margin), "equal" (the same as the first but
    for rounding; also the first where all are), "not significant" (not significantly worse), "diverged", or empty with
    one seed. ``p_best`` is the p-value of the null hypothesis that this arm is the best, adjusted for all arms of the
    group, ``p_as_good`` that of the null hypothesis that it differs from the first by the margin or more; None for the
    first. ``best_share`` is the share of bootstrap resamples of the seeds in which the arm has the best mean.
    ``seeds_needed`` to ``seeds_most``: how many seeds would make an open arm significantly worse (80 % power).
    """

    verdict: str
    p_best: float | None = None
    p_best_as_tuned: float | None = None
    p_as_good: float | None = None
    best_share: float | None = None
    margin: float | None = None
    seeds_needed: int | None = None
    seeds_most: int | None = None

    @property
    def open(self) -> bool:
        """Whether more seeds may change the verdict on an arm other than the first."""
        return self.verdict in (OPEN, AS_TUNED)


def standings(
    group: ArmGroup, others: Mapping[int, tuple[Pair, Sample]], margin: float | None, level: float = LEVEL
) -> list[Standing]:
    """The comparison of each arm with the first, in their order; ``others`` has the pair of the first and each arm.

    An arm is worse where the first, which has the best mean, is better at the level divided by the k - 1 arms that
    might be first: k - 1 paired one-sided tests (multiple comparisons with the best: Hsu 1981, The Annals of Statistics
    9, 1026, and 1984; the bound by Boole's inequality holds for any variances, where Hsu's quantiles need equal ones).
    So the arms that are not worse contain the truly best one with a probability of 95 %. With two arms half the level
    is used, so that the verdict is that of the two-sided test of the pair; with three or more the level of each test is
    no higher than that. Arms that are equal but for rounding count once. An arm that differs from the first by Holm's
    test over all pairs is worse too, so that the verdicts agree with the table of pairs: where nearly all pairs differ
    that test has more power. In simulations the truly best arm is still called worse in under 5 % of cases, however
    many others equal it.

    An arm is equivalent to the first where the difference is within the ``margin``: two one-sided tests (TOST,
    Schuirmann 1987), with Holm's correction over the arms.
    """
    count = max(len({group.stands_for[place] for place in others} - {0}), 2)
    equal = _as_good(others, group, margin, level)
    shares = group.best_shares
    result = [
        Standing(UNKNOWN, best_share=None if shares is None else float(shares[place]))
        for place in range(len(group.arms))
    ]
    for place, (pair, _) in others.items():
        p, p_as_tuned = (
            _against_first(pair, *p_values, count, group.up)
            for p_values in ((pair.p, pair.p_holm), (pair.p_as_tuned, pair.p_as_tuned_holm))
        )
        result[place] = replace(
            result[place], p_best=p, p_best_as_tuned=p_as_tuned, p_as_good=equal.get(place), margin=margin
        )
        result[place] = replace(result[place], verdict=_verdict(pair, result[place], level))
        if result[place].open:
            least, most = range_to_tell(pair.evidence, 1, 2 * level / count)
            result[place] = replace(result[place], seeds_needed=least, seeds_most=most)
    verdicts = [standing.verdict for place, standing in enumerate(result) if place in others]
    result = [
        replace(standing, verdict=LOST) if group.lost(place) else standing for place, standing in enumerate(result)
    ]
    if not group.lost(0):
        only_first_is_best = (
            verdicts
            and all(verdict in (WORSE, SAME) for verdict in verdicts)
            and not all(pair.evidence.method == "one seed" for pair, _ in others.values())
        )
        all_equal = bool(verdicts) and all(verdict == SAME for verdict in verdicts)
        result[0] = replace(result[0], verdict=SAME if all_equal else BEST if only_first_is_best else AHEAD)
    return result


def _verdict(pair: Pair, standing: Standing, level: float) -> str:
    if pair.same:
        return SAME
    if pair.evidence.method == "one seed":
        return UNKNOWN
    if pair.evidence.method == "values" or (standing.p_best or 0.0) <= level:
        return WORSE
    if standing.p_as_good is not None and standing.p_as_good <= level:
        return AS_GOOD
    return AS_TUNED if (standing.p_best_as_tuned or 0.0) <= level else OPEN


def _against_first(pair: Pair, p: float | None, p_holm: float | None, count: int, up: bool) -> float | None:
    """The one-sided p-value of "the second is no worse than the first", adjusted for ``count`` arms."""
    if p is None or p_holm is None:
        return None
    ahead = pair.better is not None and pair.better >= 0.5
    if pair.evidence.method == "t":
        ahead = (pair.evidence.estimate > 0) == up
    return min(1.0, count * p / 2, p_holm) if ahead else min(1.0, count * (1 - p / 2))


def _as_good(
    others: Mapping[int, tuple[Pair, Sample]], group: ArmGroup, margin: float | None, level: float
) -> dict[int, float]:
    """The p-values of equivalence after Holm's correction, by position; empty without a margin or a test."""
    tested = [place for place, (pair, _) in others.items() if pair.p is not None and group.stands_for[place] == place]
    if margin is None or not margin > 0 or not tested:
        return {}
    within_margin = Region(-margin, margin, closed=True)
    adjusted = holm(np.array([judge(others[place][1], within_margin, level).p_for / 2 for place in tested]))
    by_place = dict(zip(tested, map(float, adjusted), strict=True))
    return {place: by_place[group.stands_for[place]] for place in others if group.stands_for[place] in by_place}


def best_shares(values: np.ndarray, up: bool) -> np.ndarray | None:
    """For each arm the share of bootstrap resamples of the seeds in which its mean is the best; ``values`` [arms,
    seeds], larger is better where ``up``. Ties are divided; arms that are equal at every seed count as one, and each
    has its share. None with fewer than two seeds that all arms have.

    The draws are always the same. Diverged trials are infinite: an arm with fewer of them is better.
    """
    complete, places = np.unique(values[:, ~np.isnan(values).any(axis=0)], axis=0, return_inverse=True)
    if complete.shape[1] < 2:
        return None
    costs = -complete if up else complete
    infinite = np.isinf(costs)
    if infinite.all():
        return None
    finite = costs[~infinite]
    far = 1e6 * (float(np.ptp(finite)) + float(np.abs(finite).max()) + 1e-300)
    means = resampled(np.where(infinite, finite.max() + far, costs))
    first = means <= means.min(0) + 1e-12 * np.abs(means).min(0)
    return (first / first.sum(0)).mean(1)[places.ravel()]
