"""The answer in two lines: what to use with its figure, and how the others stand; and what to type next."""

from __future__ import annotations

from collections.abc import Sequence

from fallline.report import words
from fallline.report.comparison_answer import ahead
from fallline.report.comparison_words import arm_name, value
from fallline.report.opening import Opening
from fallline.report.plain import next_command, use
from fallline.report.reserve import reserve
from fallline.stats.arms import Arm
from fallline.stats.best import AS_GOOD, AS_TUNED, BEST, LOST, OPEN, SAME, WORSE, Standing
from fallline.stats.compare import Compared, Group, lost

MOST_NAMED = 3

BESIDE = ((SAME, "The same to rounding"), (AS_GOOD, "As good"), (OPEN, "May be as good"),
          (AS_TUNED, "Worse as tuned, but perhaps not at another setting"), (WORSE, "Significantly worse"),
          (LOST, "Diverged"))
"""How the other arms stand, and what is said before their names."""


def brief(opening: Opening) -> list[str]:
    """At most two lines for one question; a line a group where several are compared, and one on more devices where the
    study asks for it."""
    devices = [opening.scaled.sentence] if opening.scaled else []
    if opening.comparison is None:
        return [*devices, *[*opening.answers[len(devices):], *opening.beside][:2]]
    compared = opening.comparison.compared
    if len(compared.groups) > 1:
        return [*devices, *opening.plain]
    group, found = compared.groups[0], compared.standings[0]
    if lost(group.arms[0]) == len(group.arms[0].sample):
        return [*devices, *use(compared)]
    return [*devices, _first(compared, group, found[0]), *_others(compared, group, found)]


def next_step(opening: Opening) -> str:
    """What to type next, where something would make the answer surer; else empty."""
    if opening.comparison is None:
        return next(iter(opening.sure), "")
    return next_command(opening.comparison.compared)


def _first(compared: Compared, group: Group, standing: Standing) -> str:
    """The best arm and its figure; where there is no winner, that first."""
    best = group.arms[0]
    name, figure = arm_name(compared, best), value(compared, best)
    if why := reserve(compared, group):
        return f"{words.capital(why)}; {name} is {ahead(standing)}: {figure}."
    if standing.verdict == BEST:
        return f"Use {name}: {figure}."
    if best.standing.method == "one seed":
        return f"One seed names no winner; {name} is ahead: {figure}."
    return f"No single winner: {name} is {ahead(standing)}: {figure}."


def _others(compared: Compared, group: Group, found: Sequence[Standing]) -> list[str]:
    """How all other arms stand, in a line."""
    if all(arm.exact for arm in group.arms) and len(group.arms) > 1:
        return [f"Deterministic: trained again, each gives the same{_level(compared, group, found)}."]
    said = []
    for verdict, what in BESIDE:
        arms = [arm for arm, standing in zip(group.arms[1:], found[1:], strict=True) if standing.verdict == verdict]
        if arms:
            all_of_several = len(arms) == len(group.arms) - 1 > MOST_NAMED
            names = f"all {words.count(len(arms))} others" if all_of_several else _named(compared, arms)
            margin = next((one.margin for one in found if one.verdict == verdict), None)
            within = f" (within {words.margin(margin)})" if verdict == AS_GOOD and margin is not None else ""
            said.append(f"{what}{within}: {names}.")
    return [" ".join(said)] if said else []


def _level(compared: Compared, group: Group, found: Sequence[Standing]) -> str:
    same = [arm for arm, standing in zip(group.arms, found, strict=True) if standing.verdict == SAME]
    return f"; level with the first to rounding: {_named(compared, same)}" if same else ""


def _named(compared: Compared, arms: Sequence[Arm]) -> str:
    """The arms by what is compared; the table has their settings."""
    names = [words.recipe(arm.settings, compared.by) or arm_name(compared, arm) for arm in arms]
    several = any(", " in name for name in names)
    return words.listed([f"({name})" for name in names] if several else names, MOST_NAMED)
