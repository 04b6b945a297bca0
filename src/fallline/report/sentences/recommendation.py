"""The answer in short: what to use, how certain that is, and what to type for a clearer answer."""

from __future__ import annotations

import math
from collections.abc import Sequence

from fallline.report import formatting
from fallline.report.naming import named
from fallline.report.sentences.commands import NO_NUMBER, SCALE, again, at_rates, to_finish
from fallline.report.sentences.comparison_answer import Beside, beside_first, level
from fallline.report.sentences.comparison_words import arm_name, how_lost
from fallline.report.sentences.earlier import earlier_in_words
from fallline.report.sentences.edges import edges
from fallline.report.sentences.interim_analyses import percent
from fallline.report.sentences.missing import missing_in_words
from fallline.report.sentences.no_winner import RATE, reserve
from fallline.stats.arms import Arm
from fallline.stats.best import AS_GOOD, AS_TUNED, LOST, OPEN, WORSE, Standing
from fallline.stats.columns import from_the_start, how_diverged
from fallline.stats.compare import ArmGroup, Compared, lost
from fallline.stats.power import NO_FORECAST
from fallline.stats.summary import FEW_SEEDS
from fallline.store.interim_analyses import recorded_analyses

MOST_NAMED = 3
WORTH_WAITING = 100
"""More seeds than these would only detect a difference that hardly matters."""


def use(compared: Compared) -> list[str]:
    """What to use, one or two sentences per group: the best arm, and those not significantly different.

    Why no winner is named comes first where it is the same for several groups.
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
    """Whether the run is complete, how certain its answer is, and what to type for a clearer one, one text each."""
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
    """The first command to type for a clearer answer; empty where none would help."""
    return to_finish(compared.run) or _rates(compared) or _seeds(compared)


def _how_sure(compared: Compared) -> str:
    """Empty where the answer says it."""
    others = [one for own in _every_beside(compared) for one in own]
    pairs = [pair for _, pair, _ in others if pair.p is not None]
    if not pairs:
        exact = others and all(pair.evidence.method == "values" for _, pair, _ in others)
        return "The trials are deterministic: reruns give identical results." if exact else ""
    n, worse = max(pair.evidence.n for pair in pairs), sum(_worse(compared, standing) for *_, standing in others)
    trained = f"{formatting.plural(n, 'random seed')} each."
    few = f" So few show only large differences; run {FEW_SEEDS} or more." if n < FEW_SEEDS else ""
    if not worse:
        return f"{trained} No difference from the best is statistically significant.{few}"
    who = (
        "The other arm is"
        if len(others) == 1
        else f"All {formatting.count(len(others))} others are"
        if worse == len(others)
        else f"{formatting.count(worse)} of the {formatting.count(len(others))} others {'is' if worse == 1 else 'are'}"
    )
    than = " than the first of their group" if len(compared.groups) > 1 else ""
    return (
        f"{trained} {who} significantly worse{than}; the probability that the truly best arm is among them is below "
        f"{percent(compared.level)}.{few}"
    )


def _rates(compared: Compared) -> str:
    """Other learning rates to try: where none was tuned, or where the best is at an edge of the search range."""
    every = [arm for group in compared.groups for arm in group.arms]
    if any(reserve(compared, group) for group in compared.groups):
        tried = {rate for arm in every for rate in arm.rows[RATE].drop_nulls().unique()}
        return f"For a winner, {at_rates(compared.run, tried)}"
    return edges(compared)


def _seeds(compared: Compared) -> str:
    """How many more seeds are needed, and the command that trains them; empty where everything is decided."""
    if any(pair.evidence.method == "one seed" for pairs in compared.pairs for pair in pairs):
        return (
            f"{FEW_SEEDS} seeds show the variation between seeds, 10 are enough for a claim: "
            f"{again(compared.run, {'seeds': FEW_SEEDS})}"
        )
    analyses = recorded_analyses(compared.run.paths)
    others = [one for own in _every_beside(compared) for one in own]
    open_ = [(pair, standing) for _, pair, standing in others if standing.open]
    if not open_ or (analyses is not None and analyses.last is not None):
        return ""
    if any(pair.evidence.n <= NO_FORECAST for pair, _ in open_):
        return (
            f"Two seeds are too few to estimate how many are needed; {FEW_SEEDS} show the variation between "
            f"seeds, 10 are "
            "enough for a claim: "
            f"{again(compared.run, {'seeds': FEW_SEEDS})}"
        )
    needed = [
        (standing.seeds_needed, standing.seeds_most)
        for _, standing in open_
        if standing.seeds_needed is not None and standing.seeds_needed <= WORTH_WAITING
    ]
    if not needed:
        return (
            f"More than {WORTH_WAITING} seeds would be needed for a significant difference from the best: the choice "
            "hardly matters."
        )
    least, most = max(needed, key=lambda ends: (ends[0], math.inf if ends[1] is None else ends[1]))
    what = (
        "the open comparison"
        if len(open_) == 1
        else "all open comparisons"
        if len(needed) == len(open_)
        else (f"{formatting.count(len(needed))} of the {formatting.count(len(open_))} open comparisons")
    )
    seeds = most if most is not None and most <= WORTH_WAITING else least
    return f"About {formatting.seeds_range(least, most)} would decide {what}: {again(compared.run, {'seeds': seeds})}"


def _worse(compared: Compared, standing: Standing) -> bool:
    """Whether the arm is significantly worse than the best."""
    return standing.verdict == WORSE or (standing.verdict == LOST and (standing.p_best or 0.0) <= compared.level)


def _every_beside(compared: Compared) -> list[list[Beside]]:
    """For each group the other arms, each with its paired comparison with the best, and its verdict."""
    return [beside_first(*one) for one in zip(compared.groups, compared.pairs, compared.standings, strict=True)]


def _use(compared: Compared, group: ArmGroup, others: Sequence[Beside], held: str, why: str) -> str:
    """``held``: why no winner is named, ``why``: the same where this text says it."""
    best = group.arms[0]
    name = arm_name(compared, best)
    if lost(best) == len(best.sample):
        if compared.metric == "steps_to_target":
            return "No trial reached the target: train for more steps, or set an easier target."
        if any(arm.missing_at for arm in group.arms):
            return f"No usable configuration: {how_lost(compared, group.arms)} at every seed. {NO_NUMBER}"
        gone = compared.run.trials
        remedy = SCALE if from_the_start(gone) else "try smaller learning rates."
        return f"No usable configuration: every trial diverged, {how_diverged(gone)}. {formatting.capital(remedy)}"
    same = [arm for arm, pair, _ in others if pair.same]
    if any(pair.evidence.method == "one seed" for _, pair, _ in others):
        if same:
            return f"{formatting.capital(_named(compared, [best, *same]))} are {level(best, same)}, with one seed."
        return f"{formatting.capital(name)} is best so far, but with one seed that may be chance."
    if same and best.exact and not held:
        return f"Use {either(compared, [best, *same])}: they are {level(best, same)}."
    found = either(compared, [best, *same])
    ahead = f"{formatting.capital(name)} is best so far." if held else f"Use {found}."
    said = f"{formatting.capital(why)}; {name} is best so far." if why else ahead
    if same:
        said += (
            f" {formatting.capital(_named(compared, [best, *same]))} give identical results."
            if held or why
            else " They give identical results."
        )
    for verdict, one, several in (
        (AS_GOOD, "is equivalent", "are equivalent"),
        (OPEN, "is not significantly worse", "are not significantly worse"),
        (AS_TUNED, "is worse at the tuned settings only", "are worse at the tuned settings only"),
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
