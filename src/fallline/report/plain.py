"""The answer for whoever knows no statistics: what to use, how sure that is, and what to type to be surer."""

from __future__ import annotations

from collections.abc import Sequence

from fallline.report import words
from fallline.report.commands import NO_NUMBER, SCALE, again, at_rates, to_finish
from fallline.report.comparison_words import arm_name, how_lost
from fallline.report.earlier import earlier_in_words
from fallline.report.edges import edges
from fallline.report.missing import missing_in_words
from fallline.report.naming import named
from fallline.report.reserve import RATE, reserve
from fallline.stats.arms import Arm
from fallline.stats.columns import from_the_start, how_diverged
from fallline.stats.compare import Compared, Group, lost
from fallline.stats.pairwise import Pair
from fallline.stats.summary import FEW_SEEDS
from fallline.store.looks import noted_looks

MOST_NAMED = 3
WORTH_WAITING = 100
"""More seeds than these would only settle a difference that hardly matters."""

Beside = Sequence[tuple[Arm, Pair]]


def use(compared: Compared) -> list[str]:
    """What to use, a sentence or two a group: the best arm, and those that may be as good.

    Why no winner is named stands first by itself where it is the same for several groups.
    """
    why = [reserve(compared, group) for group in compared.groups]
    shared = why[0] if len(why) > 1 and len(set(why)) == 1 else ""
    said = [f"{words.capital(shared)}."] if shared else []
    for group, pairs, held in zip(compared.groups, compared.pairs, why, strict=True):
        within = named(compared.run, group.within, group.within) if len(why) > 1 else ""
        text = _use(compared, group, beside(group, pairs), held, "" if shared else held)
        said.append(f"{words.capital(within)}: {text[0].lower()}{text[1:]}" if within else text)
    return said


def sure(compared: Compared) -> list[str]:
    """Whether the run is at its end, how sure its answer is, and what to type to be surer, a text each."""
    gaps = missing_in_words(compared.run, compared.metric, compared.chosen_by.column)
    return list(filter(None, [to_finish(compared.run), gaps, _rates(compared), _how_sure(compared), _seeds(compared),
                              earlier_in_words(compared.run)]))


def _how_sure(compared: Compared) -> str:
    """Empty where the answer itself says it."""
    others = [one for group, pairs in zip(compared.groups, compared.pairs, strict=True) for one in beside(group, pairs)]
    pairs = [pair for _, pair in others if pair.p is not None]
    if not pairs:
        exact = others and all(pair.evidence.method == "values" for _, pair in others)
        return "Nothing here is left to chance: trained again, each would give the same." if exact else ""
    n, worse = max(pair.evidence.n for pair in pairs), sum(pair.told_apart for _, pair in others)
    trained = f"Each was trained {words.count(n)} times, from {words.count(n)} random beginnings (seeds)."
    few = f" So few show only large differences: {FEW_SEEDS} seeds or more say more." if n < FEW_SEEDS else ""
    if not worse:
        return f"{trained} No difference to the best is larger than luck could make it.{few}"
    who = ("The other one does" if len(others) == 1 else f"All {words.count(len(others))} others do"
           if worse == len(others) else f"{words.count(worse)} of the {words.count(len(others))} others "
           f"{'does' if worse == 1 else 'do'}")
    than = " than the first beside them" if len(compared.groups) > 1 else ""
    return (f"{trained} {who} worse{than} by more than luck explains: luck alone would say such a thing in fewer than "
            f"1 of {words.count(1 / compared.level)} studies.{few}")


def _rates(compared: Compared) -> str:
    """What other learning rates might tell: where none was tuned, or where the best is the last that was tried."""
    every = [arm for group in compared.groups for arm in group.arms]
    if any(reserve(compared, group) for group in compared.groups):
        tried = {rate for arm in every for rate in arm.rows[RATE].drop_nulls().unique()}
        return f"To name one, {at_rates(compared.run, tried)}"
    return edges(compared)


def _seeds(compared: Compared) -> str:
    """What more seeds would settle, and the command that trains them; empty where nothing is open."""
    if any(pair.evidence.method == "one seed" for pairs in compared.pairs for pair in pairs):
        return (f"{FEW_SEEDS} seeds show what is luck, 10 make a claim: "
                f"{again(compared.run, {'seeds': FEW_SEEDS})}")
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


def _use(compared: Compared, group: Group, others: Beside, held: str, why: str) -> str:
    """``held``: why no winner is named, ``why``: the same where it is to be said here."""
    best = group.arms[0]
    name = arm_name(compared, best)
    if lost(best) == len(best.sample):
        if compared.metric == "steps_to_target":
            return "Nothing here reached the target: train for more steps, or name an easier one."
        if any(arm.missing_at for arm in group.arms):
            return f"Nothing here can be used: {how_lost(compared, group.arms)} at every seed. {NO_NUMBER}"
        gone = compared.run.trials
        remedy = SCALE if from_the_start(gone) else "try smaller learning rates."
        return f"Nothing here can be used: every trial diverged, {how_diverged(gone)}. {words.capital(remedy)}"
    if any(pair.evidence.method == "one seed" for _, pair in others):
        return f"{words.capital(name)} is ahead, but one seed cannot tell skill from luck."
    level = [arm for arm, pair in others if pair.evidence.method == "values" and not pair.told_apart]
    if level and not held:
        return f"Use {_either(compared, [best, *level])}: they are exactly level."
    ahead = f"{words.capital(name)} is ahead." if held else f"Use {name}."
    said = f"{words.capital(why)}; {name} is ahead." if why else ahead
    open_ = [arm for arm, pair in others if not pair.as_tuned and pair.p_holm is not None
             and lost(arm) < len(arm.sample)]
    as_tuned = [arm for arm, pair in others if pair.as_tuned and not pair.told_apart]
    if open_:
        said += f" {words.capital(_named(compared, open_))} may be as good."
    if as_tuned:
        said += f" {words.capital(_named(compared, as_tuned))} did worse, but at another setting may be as good."
    return said


def _named(compared: Compared, arms: Sequence[Arm]) -> str:
    names = [arm_name(compared, arm) for arm in arms]
    several = len(names) > 1 and any(", " in name for name in names)
    return words.listed([f"({name})" for name in names] if several else names, MOST_NAMED)


def _either(compared: Compared, arms: Sequence[Arm]) -> str:
    return " or ".join(_named(compared, arms).rsplit(" and ", 1))
