"""The answer for whoever knows no statistics: what to use, how sure that is, and what to type to be surer."""

from __future__ import annotations

import math
from collections.abc import Sequence

from fallline.report import formatting
from fallline.report.commands import NO_NUMBER, SCALE, again, at_rates, to_finish
from fallline.report.comparison_answer import Beside, beside_first, level
from fallline.report.comparison_words import arm_name, how_lost
from fallline.report.earlier import earlier_in_words
from fallline.report.edges import edges
from fallline.report.missing import missing_in_words
from fallline.report.naming import named
from fallline.report.no_winner import RATE, reserve
from fallline.stats.arms import Arm
from fallline.stats.best import AS_GOOD, AS_TUNED, LOST, OPEN, WORSE, Standing
from fallline.stats.columns import from_the_start, how_diverged
from fallline.stats.compare import ArmGroup, Compared, lost
from fallline.stats.power import NO_FORECAST
from fallline.stats.summary import FEW_SEEDS
from fallline.store.interim_analyses import recorded_analyses

MOST_NAMED = 3
WORTH_WAITING = 100
"""More seeds than these would only settle a difference that hardly matters."""


def use(compared: Compared) -> list[str]:
    """What to use, a sentence or two a group: the best arm, and those that may be as good.

    Why no winner is named stands first by itself where it is the same for several groups.
    """
    why = [reserve(compared, group) for group in compared.groups]
    shared = why[0] if len(why) > 1 and len(set(why)) == 1 else ""
    said = [f"{formatting.capital(shared)}."] if shared else []
    for group, others, held in zip(compared.groups, _every_beside(compared), why, strict=True):
        within = named(compared.run, group.within, group.within) if len(why) > 1 else ""
        text = _use(compared, group, others, held, "" if shared else held)
        said.append(f"{formatting.capital(within)}: {text[0].lower()}{text[1:]}" if within else text)
    return said


def sure(compared: Compared) -> list[str]:
    """Whether the run is at its end, how sure its answer is, and what to type to be surer, a text each."""
    gaps = missing_in_words(compared.run, compared.metric, compared.chosen_by.column)
    return list(
        filter(
            None,
            [
                to_finish(compared.run),
                gaps,
                _rates(compared),
                _how_sure(compared),
                _seeds(compared),
                earlier_in_words(compared.run),
            ],
        )
    )


def next_command(compared: Compared) -> str:
    """What to type to be surer, the first thing of several; empty where nothing would help."""
    return to_finish(compared.run) or _rates(compared) or _seeds(compared)


def _how_sure(compared: Compared) -> str:
    """Empty where the answer itself says it."""
    others = [one for own in _every_beside(compared) for one in own]
    pairs = [pair for _, pair, _ in others if pair.p is not None]
    if not pairs:
        exact = others and all(pair.evidence.method == "values" for _, pair, _ in others)
        return "Nothing here is left to chance: trained again, each would give the same." if exact else ""
    n, worse = max(pair.evidence.n for pair in pairs), sum(_worse(compared, standing) for *_, standing in others)
    trained = f"Each was trained {formatting.count(n)} times, from {formatting.count(n)} random beginnings (seeds)."
    few = f" So few show only large differences: {FEW_SEEDS} seeds or more say more." if n < FEW_SEEDS else ""
    if not worse:
        return f"{trained} No other does worse by more than luck could make it.{few}"
    who = (
        "The other one does"
        if len(others) == 1
        else f"All {formatting.count(len(others))} others do"
        if worse == len(others)
        else f"{formatting.count(worse)} of the {formatting.count(len(others))} others {'does' if worse == 1 else 'do'}"
    )
    than = " than the first beside them" if len(compared.groups) > 1 else ""
    return (
        f"{trained} {who} worse{than} by more than luck explains: luck alone would say so of the truly best in "
        f"fewer than 1 of {formatting.count(1 / compared.level)} studies.{few}"
    )


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
        return f"{FEW_SEEDS} seeds show what is luck, 10 make a claim: {again(compared.run, {'seeds': FEW_SEEDS})}"
    looks = recorded_analyses(compared.run.paths)
    others = [one for own in _every_beside(compared) for one in own]
    open_ = [(pair, standing) for _, pair, standing in others if standing.open]
    if not open_ or (looks is not None and looks.last is not None):
        return ""
    if any(pair.evidence.n <= NO_FORECAST for pair, _ in open_):
        return (
            f"Two seeds cannot tell how many would settle it; {FEW_SEEDS} show what is luck, 10 make a claim: "
            f"{again(compared.run, {'seeds': FEW_SEEDS})}"
        )
    needed = [
        (standing.seeds_needed, standing.seeds_most)
        for _, standing in open_
        if standing.seeds_needed is not None and standing.seeds_needed <= WORTH_WAITING
    ]
    if not needed:
        return (
            f"More than {WORTH_WAITING} seeds would be needed to tell the best from what may be as good: take "
            "whichever suits you."
        )
    least, most = max(needed, key=lambda ends: (ends[0], math.inf if ends[1] is None else ends[1]))
    what = (
        "it"
        if len(open_) == 1
        else "all that is open"
        if len(needed) == len(open_)
        else (f"{formatting.count(len(needed))} of the {formatting.count(len(open_))} that are open")
    )
    seeds = most if most is not None and most <= WORTH_WAITING else least
    return f"About {formatting.seeds_range(least, most)} would settle {what}: {again(compared.run, {'seeds': seeds})}"


def _worse(compared: Compared, standing: Standing) -> bool:
    """Whether the arm is ruled out as the best."""
    return standing.verdict == WORSE or (standing.verdict == LOST and (standing.p_best or 0.0) <= compared.level)


def _every_beside(compared: Compared) -> list[list[Beside]]:
    """For each group the other arms, each with what the seeds say of the best and it, and how it stands."""
    return [beside_first(*one) for one in zip(compared.groups, compared.pairs, compared.standings, strict=True)]


def _use(compared: Compared, group: ArmGroup, others: Sequence[Beside], held: str, why: str) -> str:
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
        return f"Nothing here can be used: every trial diverged, {how_diverged(gone)}. {formatting.capital(remedy)}"
    same = [arm for arm, pair, _ in others if pair.same]
    if any(pair.evidence.method == "one seed" for _, pair, _ in others):
        if same:
            return f"{formatting.capital(_named(compared, [best, *same]))} are {level(best, same)}, with one seed."
        return f"{formatting.capital(name)} is ahead, but one seed cannot tell skill from luck."
    if same and best.exact and not held:
        return f"Use {either(compared, [best, *same])}: they are {level(best, same)}."
    found = either(compared, [best, *same])
    ahead = f"{formatting.capital(name)} is ahead." if held else f"Use {found}."
    said = f"{formatting.capital(why)}; {name} is ahead." if why else ahead
    if same:
        said += (
            f" {formatting.capital(_named(compared, [best, *same]))} give the same results."
            if held or why
            else " They give the same results."
        )
    for verdict, one, several in (
        (AS_GOOD, "is as good", "are as good"),
        (OPEN, "may be as good", "may be as good"),
        (AS_TUNED, *2 * ("did worse, but at another setting may be as good",)),
    ):
        own = [(arm, standing) for arm, _, standing in others if standing.verdict == verdict]
        if own:
            within = f" (within {formatting.margin(own[0][1].margin)})" if verdict == AS_GOOD else ""
            who = formatting.capital(_named(compared, [arm for arm, _ in own]))
            said += f" {who} {one if len(own) == 1 else several}{within}."
    return said


def _named(compared: Compared, arms: Sequence[Arm]) -> str:
    names = [arm_name(compared, arm) for arm in arms]
    several = len(names) > 1 and any(", " in name for name in names)
    return formatting.listed([f"({name})" for name in names] if several else names, MOST_NAMED)


def either(compared: Compared, arms: Sequence[Arm]) -> str:
    """ "adam at learning rate 0.1 or momentum at learning rate 0.01"."""
    return " or ".join(_named(compared, arms).rsplit(" and ", 1))
