"""The answer in two lines: what to use with its figure, and how the others compare."""

from __future__ import annotations

from collections.abc import Sequence

from fallline.report import formatting
from fallline.report.naming import digits_of
from fallline.report.sentences.comparison_answer import ahead, level
from fallline.report.sentences.comparison_words import arm_name, how_lost, value
from fallline.report.sentences.no_winner import reserve
from fallline.report.sentences.recommendation import either, use
from fallline.stats.arms import Arm
from fallline.stats.best import AHEAD, AS_GOOD, AS_TUNED, BEST, LOST, OPEN, SAME, WORSE, Standing
from fallline.stats.compare import ArmGroup, Compared, lost

MOST_NAMED = 3

BESIDE = (
    (SAME, "Equal except for rounding"),
    (AS_GOOD, "Equivalent"),
    (OPEN, "Not significantly different"),
    (AS_TUNED, "Worse at the tuned settings only"),
    (WORSE, "Significantly worse"),
    (LOST, ""),
)
"""What is written before the names of arms with each verdict; for those lost at every seed the reason."""


def brief(compared: Compared) -> list[str]:
    """Two lines at most for one group of arms; for several one or two sentences each, after the reason why no winner
    is named.
    """
    if len(compared.groups) > 1:
        return use(compared)
    group, found = compared.groups[0], compared.standings[0]
    if lost(group.arms[0]) == len(group.arms[0].sample):
        return use(compared)
    return [_first(compared, group, found), *_others(compared, group, found)]


def _first(compared: Compared, group: ArmGroup, found: Sequence[Standing]) -> str:
    """The best arm, with those equal to it, and its figure; first the reason where no winner is named."""
    best = group.arms[0]
    name, figure = arm_name(compared, best), value(compared, best)
    if why := reserve(compared, group):
        return f"{formatting.capital(why)}; {name} is {ahead(found[0])}: {figure}."
    same = [arm for arm, standing in zip(group.arms, found, strict=True) if standing.verdict == SAME]
    if found[0].verdict == BEST and same:
        return f"Use {either(compared, [best, *same])}, {level(best, same)}: {figure}."
    if found[0].verdict == BEST:
        return f"Use {name}: {figure}."
    if best.standing.method == "one seed":
        return f"No winner with one seed; {name} is {AHEAD}: {figure}."
    return f"No single winner: {name} is {ahead(found[0])}: {figure}."


def _others(compared: Compared, group: ArmGroup, found: Sequence[Standing]) -> list[str]:
    """How all other arms compare, in a line."""
    said, exact = [], all(arm.exact for arm in group.arms)
    named = (SAME,) if found[0].verdict == BEST and not reserve(compared, group) else ()
    for verdict, what in BESIDE:
        arms = [arm for arm, standing in zip(group.arms[1:], found[1:], strict=True) if standing.verdict == verdict]
        if arms and verdict not in named:
            all_of_several = len(arms) == len(group.arms) - 1 > MOST_NAMED
            names = f"all {formatting.count(len(arms))} others" if all_of_several else _named(compared, arms)
            margin = next((standing.margin for standing in found if standing.verdict == verdict), None)
            within = f" (within {formatting.margin(margin)})" if verdict == AS_GOOD and margin is not None else ""
            what = what or formatting.capital(how_lost(compared, arms))
            said.append(f"{'Worse' if exact and verdict == WORSE else what}{within}: {names}.")
    if exact and len(group.arms) > 1:
        said.append("Deterministic: reruns give identical results.")
    return [" ".join(said)] if said else []


def _named(compared: Compared, arms: Sequence[Arm]) -> str:
    """The names of arms by what is compared; the table has their settings."""
    digits = digits_of(compared.run)
    names = [formatting.recipe(arm.settings, compared.by, digits) or arm_name(compared, arm) for arm in arms]
    several = any(", " in name for name in names)
    return formatting.listed([f"({name})" for name in names] if several else names, MOST_NAMED)
