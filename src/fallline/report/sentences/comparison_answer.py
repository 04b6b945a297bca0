"""The answer of a comparison in a sentence: which arm is best, and how the others compare with it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from fallline.report import formatting
from fallline.report.naming import named
from fallline.report.sentences.comparison_words import arm_name, how_lost, p_words, value
from fallline.report.sentences.no_winner import reserve
from fallline.stats.arms import Arm
from fallline.stats.best import AHEAD, AS_GOOD, AS_TUNED, BEST, LOST, OPEN, SAME, WORSE, Standing
from fallline.stats.compare import ArmGroup, Compared, lost
from fallline.stats.pairwise import Pair
from fallline.stats.power import NO_FORECAST

Beside = tuple[Arm, Pair, Standing]
"""An arm, its paired comparison with the first, and its verdict."""


def beside_first(group: ArmGroup, pairs: Sequence[Pair], found: Sequence[Standing]) -> list[Beside]:
    """The arms that can be compared with the first of their group."""
    return [
        (group.arms[second], pair, found[second])
        for (first, second), pair in zip(group.places, pairs, strict=True)
        if first == 0
    ]


def answer(compared: Compared, place: int) -> str:
    """The answer for one group in a sentence, after the group's settings where there are several."""
    group, pairs = compared.groups[place], compared.pairs[place]
    within = named(compared.run, group.within, group.within)
    head = f"{within}: " if within and len(compared.groups) > 1 else ""
    said = f"{head}{_answer(compared, group, pairs, compared.standings[place])}."
    return formatting.capital(said)


def _answer(compared: Compared, group: ArmGroup, pairs: Sequence[Pair], found: Sequence[Standing]) -> str:
    best = group.arms[0]
    if lost(best) == len(best.sample):
        return f"every chosen trial of every arm {how_lost(compared, group.arms)}: there is nothing to compare"
    standing = found[0]
    ties = [arm for arm, pair, _ in beside_first(group, pairs, found) if pair.same]
    names = formatting.listed([arm_name(compared, arm) for arm in (best, *ties)])
    if ties and best.exact:
        return f"{names} are {level(best, ties)}: {value(compared, best)}, and they are deterministic"
    if ties and best.standing.method == "one seed":
        return f"{names} are {level(best, ties)}: {value(compared, best)}; {_beside(compared, group, pairs, found)}"
    stands = BEST if standing.verdict == BEST and not reserve(compared, group) else ahead(standing)
    return f"{arm_name(compared, best)} is {stands}: {value(compared, best)}; {_beside(compared, group, pairs, found)}"


def level(best: Arm, ties: Sequence[Arm]) -> str:
    """ "exactly equal" or "equal except for rounding"."""
    return "exactly equal" if all(arm.sample == best.sample for arm in ties) else "equal except for rounding"


def ahead(standing: Standing) -> str:
    """ "best so far (best in 54 % of resamples)"; without the share where there is none, or where it is all."""
    share = standing.best_share
    if share is None or standing.verdict == BEST:
        return AHEAD
    return f"{AHEAD} (best in {f'{100 * share:.0f}' if share < 0.995 else 'over 99'} % of resamples)"


def settles(pair: Pair, standing: Standing) -> str:
    """How many seeds would be needed for a significant difference from the first."""
    if standing.seeds_needed is not None:
        return f"about {formatting.seeds_range(standing.seeds_needed, standing.seeds_most)} needed"
    if pair.p is None or pair.evidence.n <= NO_FORECAST:
        return ""
    return "no feasible number of seeds is enough"


def _beside(compared: Compared, group: ArmGroup, pairs: Sequence[Pair], found: Sequence[Standing]) -> str:
    """How the other arms compare with the best."""
    beside = beside_first(group, pairs, found)
    if any(pair.evidence.method == "one seed" for _, pair, _ in beside):
        return "with one seed no difference can be tested: run 5 seeds or more, 10 for a claim"
    if not beside:
        return "no other arm shares a seed with it"
    by_verdict = {
        verdict: [arm for arm in beside if arm[2].verdict == verdict]
        for verdict in (SAME, AS_GOOD, OPEN, AS_TUNED, WORSE, LOST)
    }
    gone = [arm for arm in by_verdict[LOST] if (arm[2].p_best or 0.0) > compared.level]
    apart = by_verdict[WORSE] + [arm for arm in by_verdict[LOST] if arm not in gone]
    said = []
    if by_verdict[SAME]:
        names = formatting.listed([arm_name(compared, arm) for arm, *_ in by_verdict[SAME]], 3)
        said.append(f"{names} {_are(by_verdict[SAME])} equal except for rounding")
    if by_verdict[AS_GOOD]:
        margin = by_verdict[AS_GOOD][0][2].margin
        names = formatting.listed(
            [f"{arm_name(compared, arm)} ({p_words(standing.p_as_good)})" for arm, _, standing in by_verdict[AS_GOOD]],
            3,
        )
        said.append(f"{names} {_are(by_verdict[AS_GOOD])} equivalent within {formatting.margin(margin)}")
    if by_verdict[OPEN]:
        names = _with_p(compared, by_verdict[OPEN])
        said.append(f"{formatting.listed(names, 3)} {_are(names)} not significantly worse")
    if by_verdict[AS_TUNED]:
        names = _with_p(compared, by_verdict[AS_TUNED])
        said.append(f"{formatting.listed(names, 3)} {_are(names)} worse at the tuned settings only")
    if apart:
        said.append(_told_apart(compared, apart, bool(said or gone)))
    if gone:
        what = how_lost(compared, [arm for arm, *_ in gone])
        said.append(f"{formatting.listed([arm_name(compared, arm) for arm, *_ in gone], 3)} {what} at every seed")
    return "; ".join(said)


def _are(some: Sequence[object]) -> str:
    return "is" if len(some) == 1 else "are"


def _with_p(compared: Compared, beside: Sequence[Beside]) -> list[str]:
    """Names with their p-values and the seeds needed."""
    said = [
        (arm, p_words(standing.p_best), settles(pair, standing))
        for arm, pair, standing in beside
        if standing.p_best is not None
    ]
    return [f"{arm_name(compared, arm)} ({', '.join(filter(None, texts))})" for arm, *texts in said]


def _told_apart(compared: Compared, apart: Sequence[Beside], some: bool) -> str:
    p_values = [standing.p_best for *_, standing in apart if standing.p_best is not None]
    why = "deterministic" if not p_values else p_words(max(p_values))
    if len(apart) == 1:
        arm, pair, _ = apart[0]
        gap = f"{formatting.signed(-pair.evidence.estimate)}, " if math.isfinite(pair.evidence.estimate) else ""
        return f"{arm_name(compared, arm)} is worse ({gap}{why})"
    count = formatting.count(len(apart))
    who = f"the other {count}" if some else "both others" if len(apart) == 2 else f"all {count} others"
    return f"{who} are worse ({why.replace('=', '≤')})"
