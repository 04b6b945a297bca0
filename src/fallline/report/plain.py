"""The answer for whoever knows no statistics: what to use, how sure that is, and what to type to be surer."""

from __future__ import annotations

from collections.abc import Sequence

from fallline.report import words
from fallline.report.commands import again
from fallline.report.comparison_words import arm_name
from fallline.report.reserve import reserve
from fallline.stats.arms import Arm
from fallline.stats.compare import Compared, Group, lost
from fallline.stats.pairwise import Pair
from fallline.stats.summary import FEW_SEEDS
from fallline.store.looks import noted_looks

MOST_NAMED = 3
WORTH_WAITING = 100
"""More seeds than these would only settle a difference that hardly matters."""

Beside = Sequence[tuple[Arm, Pair]]


def use(compared: Compared, place: int) -> str:
    """What to use, in a sentence or two: the best arm of a group, and those that may be as good."""
    group = compared.groups[place]
    within = words.recipe(group.within, group.within)
    said = _use(compared, group, beside(group, compared.pairs[place]))
    return f"{_capital(within)}: {said[0].lower()}{said[1:]}" if within and len(compared.groups) > 1 else said


def sure(compared: Compared, place: int) -> str:
    """How sure that is, in words; empty where the answer itself says it."""
    others = beside(compared.groups[place], compared.pairs[place])
    pairs = [pair for _, pair in others if pair.p is not None]
    if not pairs:
        return ""
    n, worse = max(pair.evidence.n for pair in pairs), sum(pair.told_apart for _, pair in others)
    trained = f"Each was trained {words.count(n)} times, from {words.count(n)} random beginnings (seeds)."
    few = f" So few show only large differences: {FEW_SEEDS} seeds or more say more." if n < FEW_SEEDS else ""
    if not worse:
        return f"{trained} No difference to the best is larger than luck could make it.{few}"
    who = ("The other one does" if len(others) == 1 else f"All {words.count(len(others))} others do"
           if worse == len(others) else f"{words.count(worse)} of the {words.count(len(others))} others "
           f"{'does' if worse == 1 else 'do'}")
    return (f"{trained} {who} worse by more than luck explains: luck alone would say such a thing in fewer than 1 of "
            f"{words.count(1 / compared.level)} studies.{few}")


def following(compared: Compared) -> str:
    """What more seeds would settle, and the command that trains them; empty where nothing is open."""
    looks = noted_looks(compared.run.layout)
    open_ = [(arm, pair) for group, pairs in zip(compared.groups, compared.pairs, strict=True)
             for arm, pair in beside(group, pairs) if pair.p is not None and not pair.told_apart]
    if not open_ or (looks is not None and looks.last is not None):
        return ""
    needed = [(pair.seeds_needed, arm) for arm, pair in open_ if pair.seeds_needed is not None]
    soon = sorted((seeds for seeds, _ in needed if seeds <= WORTH_WAITING))
    if not soon:
        return (f"More than {WORTH_WAITING} seeds would be needed to tell the best from what may be as good: take "
                "whichever suits you.")
    what = "it" if len(open_) == 1 else "all that is open" if len(soon) == len(open_) else (
        f"{words.count(len(soon))} of the {words.count(len(open_))} that are open")
    return f"About {words.count(soon[-1])} seeds would settle {what}: {again(compared.run, {'seeds': soon[-1]})}"


def beside(group: Group, pairs: Sequence[Pair]) -> list[tuple[Arm, Pair]]:
    """The other arms of a group, each with what the seeds say of the best and it."""
    return [(group.arms[second], pair) for (first, second), pair in zip(group.places, pairs, strict=True)
            if first == 0]


def _use(compared: Compared, group: Group, others: Beside) -> str:
    best = group.arms[0]
    name = arm_name(compared, best)
    if lost(best) == len(best.sample):
        return "Nothing here can be used: every arm diverged."
    held = reserve(compared, group)
    if any(pair.evidence.method == "one seed" for _, pair in others):
        return f"{_capital(name)} is ahead, but one seed cannot tell skill from luck."
    level = [arm for arm, pair in others if pair.evidence.method == "values" and not pair.told_apart]
    if level and not held:
        return f"Use {_either(compared, [best, *level])}: they are exactly level."
    said = f"{_capital(held)}; {name} is ahead." if held else f"Use {name}."
    open_ = [arm for arm, pair in others if not pair.as_tuned and pair.p_holm is not None
             and lost(arm) < len(arm.sample)]
    as_tuned = [arm for arm, pair in others if pair.as_tuned and not pair.told_apart]
    if open_:
        said += f" {_capital(_named(compared, open_))} may be as good."
    if as_tuned:
        said += f" {_capital(_named(compared, as_tuned))} did worse, but at another setting may be as good."
    return said


def _named(compared: Compared, arms: Sequence[Arm]) -> str:
    names = [arm_name(compared, arm) for arm in arms]
    several = len(names) > 1 and any(", " in name for name in names)
    return words.listed([f"({name})" for name in names] if several else names, MOST_NAMED)


def _either(compared: Compared, arms: Sequence[Arm]) -> str:
    return " or ".join(_named(compared, arms).rsplit(" and ", 1))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
