"""Which arms of a group can be the best: ruled out, as good as the first, or open; and how often each comes first."""

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

BEST, AHEAD, SAME, AS_GOOD, OPEN = "best", "ahead", "level", "as good", "may be best"
WORSE, AS_TUNED, LOST, UNKNOWN = "worse", "worse as tuned", "diverged", ""


@dataclass(frozen=True)
class Standing:
    """How an arm stands to the best of its group.

    ``verdict``: "best" (the first, all others being worse), "ahead" (the first, where others can be best), "worse"
    (ruled out as the best), "worse as tuned" (ruled out at what its seeds chose, not at every setting that could be its
    best), "as good" (within the margin), "level" (the same as
    the first but for rounding, and the first where all are), "may be best", "diverged", or
    nothing where no seeds tell. ``p_best`` is the p-value against "this arm is the best", for all arms of the group
    together, ``p_as_good`` that against "it differs from the first by the margin or more"; None for the first.
    ``best_share`` is the share of resamples of the seeds in which the arm has the best mean. ``seeds_needed`` to
    ``seeds_most``: how many seeds would rule out an arm that is open.
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
        """Whether more seeds may still change what is said of an arm beside the first."""
        return self.verdict in (OPEN, AS_TUNED)


def standings(
    group: ArmGroup, others: Mapping[int, tuple[Pair, Sample]], margin: float | None, level: float = LEVEL
) -> list[Standing]:
    """How each arm of a group stands, in their order; ``others`` has the pair of the first and the arm at each place.

    An arm is ruled out where the first, which has the best mean, is better at the level shared out over the k - 1 arms
    that may turn out first: k - 1 paired tests of one side (multiple comparisons with the best: Hsu 1981, The Annals of
    Statistics 9, 1026, and 1984; the bound by Boole's inequality holds whatever spreads the arms have, where Hsu's
    quantiles need equal ones). So the arms that are not ruled out contain the truly best one with a probability of
    95 %. With two arms half the level is used, so that the verdict is that of the two-sided test of the pair; with
    three or more the level of each test is no higher than that. Arms that are one rule but for rounding count once.
    What Holm's test over all pairs tells from the first is ruled out too, so that the table of pairs never says
    otherwise: where nearly all pairs differ that test is the stronger one. Simulated, the truly best arm is still ruled
    out in under 5 % of cases, however many others are level with it.

    An arm is as good as the first where the difference lies within the ``margin``: two tests of one side (TOST,
    Schuirmann 1987), Holm over the arms.
    """
    count = max(len({group.stands_for[place] for place in others} - {0}), 2)
    equal = _as_good(others, group, margin, level)
    shares = group.best_shares
    found = [
        Standing(UNKNOWN, best_share=None if shares is None else float(shares[place]))
        for place in range(len(group.arms))
    ]
    for place, (pair, _) in others.items():
        p, own = (
            _against_first(pair, *one, count, group.up)
            for one in ((pair.p, pair.p_holm), (pair.p_as_tuned, pair.p_as_tuned_holm))
        )
        found[place] = replace(found[place], p_best=p, p_best_as_tuned=own, p_as_good=equal.get(place), margin=margin)
        found[place] = replace(found[place], verdict=_verdict(pair, found[place], level))
        if found[place].open:
            least, most = range_to_tell(pair.evidence, 1, 2 * level / count)
            found[place] = replace(found[place], seeds_needed=least, seeds_most=most)
    settled = [standing.verdict for place, standing in enumerate(found) if place in others]
    found = [replace(one, verdict=LOST) if group.lost(place) else one for place, one in enumerate(found)]
    if not group.lost(0):
        alone = (
            settled
            and all(verdict in (WORSE, SAME) for verdict in settled)
            and not all(pair.evidence.method == "one seed" for pair, _ in others.values())
        )
        level_ = bool(settled) and all(verdict == SAME for verdict in settled)
        found[0] = replace(found[0], verdict=SAME if level_ else BEST if alone else AHEAD)
    return found


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
    """The p-value of one side against "the second is no worse than the first", for ``count`` arms that may be first."""
    if p is None or p_holm is None:
        return None
    ahead = pair.better is not None and pair.better >= 0.5
    if pair.evidence.method == "t":
        ahead = (pair.evidence.estimate > 0) == up
    return min(1.0, count * p / 2, p_holm) if ahead else min(1.0, count * (1 - p / 2))


def _as_good(
    others: Mapping[int, tuple[Pair, Sample]], group: ArmGroup, margin: float | None, level: float
) -> dict[int, float]:
    """The p-values of equivalence after Holm, by place; none where there is no margin or no test."""
    asked = [place for place, (pair, _) in others.items() if pair.p is not None and group.stands_for[place] == place]
    if margin is None or not margin > 0 or not asked:
        return {}
    inside = Region(-margin, margin, closed=True)
    adjusted = holm(np.array([judge(others[place][1], inside, level).p_for / 2 for place in asked]))
    known = dict(zip(asked, map(float, adjusted), strict=True))
    return {place: known[group.stands_for[place]] for place in others if group.stands_for[place] in known}


def best_shares(values: np.ndarray, up: bool) -> np.ndarray | None:
    """For each arm the share of resamples of the seeds in which its mean is the best; ``values`` [arms, seeds], larger
    being better where ``up``. Ties are shared out, but for those of arms that are equal at every seed: they count as
    one, and each has the share of it. None with fewer than two seeds that all arms have.

    A bootstrap, always with the same draws. Diverged trials are infinite: an arm with fewer of them comes first.
    """
    whole, places = np.unique(values[:, ~np.isnan(values).any(axis=0)], axis=0, return_inverse=True)
    if whole.shape[1] < 2:
        return None
    costs = -whole if up else whole
    lost = np.isinf(costs)
    if lost.all():
        return None
    finite = costs[~lost]
    far = 1e6 * (float(np.ptp(finite)) + float(np.abs(finite).max()) + 1e-300)
    means = resampled(np.where(lost, finite.max() + far, costs))
    first = means <= means.min(0) + 1e-12 * np.abs(means).min(0)
    return (first / first.sum(0)).mean(1)[places.ravel()]
