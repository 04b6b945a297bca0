"""Seeds in rounds: a study grows until all it asks is decided, or it has as many seeds as it may."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fallline.errors import StudyError
from fallline.report import formatting
from fallline.report.interim_analyses import percent
from fallline.report.naming import digits_of
from fallline.stats.alpha_spending import USUAL_MOST, first_look, plan_looks
from fallline.stats.best import AS_GOOD, WORSE
from fallline.stats.claims import UNTESTED, claims
from fallline.stats.columns import finished
from fallline.stats.compare import Compared, compared
from fallline.stats.differences import trained_alike
from fallline.stats.power import MOST_SEEDS
from fallline.stats.question import compared_by
from fallline.store import Run
from fallline.store.interim_analyses import (
    UNDECIDED,
    InterimAnalyses,
    InterimAnalysis,
    begin_analysis,
    end_analysis,
    record_plan,
    recorded_analyses,
)
from fallline.store.paths import RunPaths
from fallline.study import Study
from fallline.training.arrays import load_arrays
from fallline.training.preregistration import has_chance

OnMessage = Callable[[str], None]

TOLD_APART, SAME = "told apart", "the same"
MOST_NAMED = 3
"""Of what is undecided, so many are named; the rest are counted."""


@dataclass(frozen=True)
class Question:
    """A claim, or a pair of arms, and what the last look said of it; ``seeds_needed`` (to ``seeds_most``) None: no
    feasible number."""

    text: str
    verdict: str
    seeds_needed: int | None = None
    seeds_most: int | None = None


def train_until_decided(
    study: Study,
    out: Path,
    train: Callable[[Study], object],
    most: int | None = None,
    folder: Path | None = None,
    on_message: OnMessage | None = None,
) -> Path:
    """Train ``study`` with more and more seeds until its claims, or its pairs of arms, are decided; the run folder.

    ``train(grown)`` trains what ``out`` has no records of yet. Between rounds the run is looked at, as
    ``fallline.stats.alpha_spending`` plans it for ``most`` seeds (100 unless told otherwise); a run that was stopped,
    or was not decided, goes on with the looks that it planned. ``on_message`` hears a line about each round. StudyError
    where the seeds do not fit.
    """
    on_message = on_message or (lambda line: None)
    known = recorded_analyses(RunPaths(out))
    if known is None and not _has_chance(study, folder):
        train(study)
        on_message("nothing is left to chance: one seed decides as much as many")
        return out
    looks = _planned(study, out, most) if known is None else _fitting(known, study, most)
    for look in _to_make(looks, study):
        on_message(_coming(looks, look))
        train(_grown(study, looks, look.seeds))
        looks = _looked(Run(out), looks, look)
        asked = questions(Run(out))
        looks = end_analysis(RunPaths(out), looks, [(question.text, question.verdict) for question in asked])
        on_message(_outcome(looks, look, asked))
        if not looks.last.undecided:  # of nothing, too
            break
    return out


def questions(run: Run) -> list[Question]:
    """What a study asks, judged at the level of the last look: its claims, or else the pairs of the best arm."""
    if run.study.claims:
        return [
            Question(verdict.claim.text, verdict.verdict, verdict.seeds_needed, verdict.seeds_most)
            for verdict in claims(run)
        ]
    if run.trials.filter(finished()).is_empty():
        return []
    found = compared(run, compared_by(run))
    return [question for place in range(len(found.groups)) for question in _of_best(found, place)]


def _of_best(found: Compared, place: int) -> list[Question]:
    """The best arm of a group against each other one: whether it is ruled out as the best, which counts all arms that
    may turn out first, or as good within a margin that the study names. Rules that are one but for rounding, in
    training too, are waited for no longer."""
    group, questions, digits = found.groups[place], [], digits_of(found.run)
    for (first, second), pair in zip(group.places, found.pairs[place], strict=True):
        if first == 0:
            standing, arms = found.standings[place][second], (group.arms[first], group.arms[second])
            names = [formatting.recipe(arm.settings, found.by, digits) for arm in arms]
            within = f" ({formatting.recipe(group.within, list(group.within), digits)})" if group.within else ""
            same = pair.same and (pair.evidence.method == "values" or trained_alike(*arms))
            ruled_out = standing.verdict == WORSE or (standing.p_best is not None and standing.p_best <= found.level)
            as_good = standing.verdict == AS_GOOD and bool(found.run.study.margins)
            verdict = SAME if same else TOLD_APART if ruled_out else AS_GOOD if as_good else UNDECIDED
            questions.append(
                Question(f"{names[0]} against {names[1]}{within}", verdict, standing.seeds_needed, standing.seeds_most)
            )
    return questions


# The rounds


def _has_chance(study: Study, folder: Path | None) -> bool:
    return has_chance(study.trials(), lambda task: load_arrays(task, study.data_size, folder))


def _planned(study: Study, out: Path, most: int | None) -> InterimAnalyses:
    """The looks of a run that was not looked at in rounds before."""
    own = study.seed_list
    if not study.claims and len(study.trials()) == len(own) * (study.folds or 1):
        raise StudyError(
            f"{study.name} has no claims and one configuration, so there is nothing to decide; leave out "
            "--until-decided and give --seeds"
        )
    most = max(USUAL_MOST, len(own)) if most is None else most
    if most < 2:
        raise StudyError("one seed decides nothing where chance has a part; give --max-seeds 2 or more, better 10")
    if len(own) > most:
        raise StudyError(
            f"{study.name} has {len(own)} seeds of its own; at most {most} is too few: give --max-seeds "
            f"{len(own)} or more, or fewer --seeds"
        )
    more = range(max(own) + 1, max(own) + 1 + most - len(own))
    return InterimAnalyses((*own, *more), _readable(out), plan_looks(first_look(len(own), most), most))


def _readable(out: Path) -> int:
    """How many seeds of a complete earlier run are there to be read."""
    run = Run(out)
    if not run.paths.plan.exists() or run.missing or run.trials.is_empty():
        return 0
    return run.trials["seed"].n_unique()


def _fitting(looks: InterimAnalyses, study: Study, most: int | None) -> InterimAnalyses:
    """The looks that the folder planned, which another number of seeds would make worthless."""
    own, planned = study.seed_list, looks.planned[-1].seeds
    if most is not None and most != planned:
        raise StudyError(
            f"this run's looks were planned for at most {planned} seeds, and their levels with them; "
            f"looking on up to {most} would break the promised error. Leave out --max-seeds, or begin "
            "anew in another folder with other seeds (--set 'seeds=[1000, 1001, ...]')"
        )
    if looks.seeds[: len(own)] != tuple(own):
        raise StudyError(
            f"this run's looks were planned over {planned} seeds that begin with {looks.seeds[0]}, and "
            f"{study.name} has others now; train those in another folder with --out"
        )
    return looks


def _to_make(looks: InterimAnalyses, study: Study) -> list[InterimAnalysis]:
    """The last look again, for trials may have been added, and those that are still to come."""
    least = max(len(looks.seen), len(study.seed_list))
    return [look for look in looks.planned if look.seeds >= least]


def _grown(study: Study, looks: InterimAnalyses, count: int) -> Study:
    whole = isinstance(study.seeds, int)
    return study.with_({"seeds": count if whole else list(looks.seeds[:count])})


def _looked(run: Run, looks: InterimAnalyses, look: InterimAnalysis) -> InterimAnalyses:
    """The looks with this one noted before anything is read."""
    if not run.paths.interim_analyses.exists():
        looks = record_plan(run.paths, looks.seeds, looks.before, looks.planned)
    return looks if len(looks.seen) == look.seeds else begin_analysis(run.paths, looks, look)


# In words


def _coming(looks: InterimAnalyses, look: InterimAnalysis) -> str:
    place = looks.planned.index(look) + 1
    return (
        f"round {place} of at most {len(looks.planned)}: {formatting.plural(look.seeds, 'seed')}, "
        f"then a look at the {percent(look.level)} level"
    )


def _outcome(looks: InterimAnalyses, look: InterimAnalysis, asked: Sequence[Question]) -> str:
    left = [question for question in asked if question.verdict == UNDECIDED]
    if not asked:
        return "no two arms have results to compare"
    if not left:
        untested = sum(question.verdict == UNTESTED for question in asked)
        but = f", but for {formatting.count(untested)} that cannot be tested here" if untested else ""
        return f"all decided at {formatting.plural(look.seeds, 'seed')}{but}"
    named = "; ".join(question.text for question in left[:MOST_NAMED])
    more = f"; and {formatting.count(len(left) - MOST_NAMED)} more" if len(left) > MOST_NAMED else ""
    said = f"{formatting.count(len(left))} of {formatting.count(len(asked))} undecided"
    said += f" at {formatting.plural(look.seeds, 'seed')} "
    said += f"({named}{more})"
    following = [later.seeds for later in looks.planned if later.seeds > look.seeds]
    if following:
        return f"{said}; next {formatting.plural(following[0], 'seed')}"
    return f"{said}; the looks are over. {_needed(left)}"


def _needed(left: Sequence[Question]) -> str:
    needed = [(question.seeds_needed, question.seeds_most) for question in left if question.seeds_needed is not None]
    them = "it" if len(left) == 1 else "them"
    if not needed:
        most = formatting.count(MOST_SEEDS)
        return f"By what was seen, no feasible number of seeds (more than {most}) would settle {them}"
    least, most = max(needed, key=lambda ends: (ends[0], math.inf if ends[1] is None else ends[1]))
    told = f"By what was seen, about {formatting.seeds_range(least, most)} would settle"
    hopeless = len(left) - len(needed)
    return (
        f"{told} {them}"
        if not hopeless
        else (f"{told} all but {formatting.count(hopeless)}, for which no number is feasible")
    )
