"""Sequential studies: seeds are added until every claim or comparison is decided, or a maximum is reached."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fallline.errors import StudyError
from fallline.report import formatting
from fallline.report.naming import digits_of
from fallline.report.sentences.interim_analyses import percent
from fallline.stats.alpha_spending import DEFAULT_MOST_SEEDS, first_analysis_seeds, plan_interim_analyses
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

SIGNIFICANT, SAME = "significant", "equal"
MOST_NAMED = 3
"""So many undecided questions are named; the rest are counted."""


@dataclass(frozen=True)
class Question:
    """A claim, or a pair of arms, and its verdict at the last interim analysis; ``seeds_needed`` (to ``seeds_most``)
    None: no feasible number."""

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

    ``train(grown)`` trains what ``out`` has no records of yet. After each round there is an interim analysis, as
    ``fallline.stats.alpha_spending`` plans them for ``most`` seeds (100 by default); a run that was stopped, or is
    undecided, continues with the analyses that it planned. ``on_message`` gets a line about each round. StudyError
    where the seeds do not fit.
    """
    on_message = on_message or (lambda line: None)
    planned = recorded_analyses(RunPaths(out))
    if planned is None and not _has_chance(study, folder):
        train(study)
        on_message("the study is deterministic: one seed decides as much as many")
        return out
    analyses = _planned(study, out, most) if planned is None else _fitting(planned, study, most)
    for analysis in _remaining(analyses, study):
        on_message(_announcement(analyses, analysis))
        train(_grown(study, analyses, analysis.seeds))
        analyses = _recorded(Run(out), analyses, analysis)
        answers = questions(Run(out))
        analyses = end_analysis(RunPaths(out), analyses, [(question.text, question.verdict) for question in answers])
        on_message(_outcome(analyses, analysis, answers))
        if not analyses.last.undecided:  # of nothing, too
            break
    return out


def questions(run: Run) -> list[Question]:
    """The questions of a study, tested at the level of the last analysis: its claims, else the pairs of the best
    arm."""
    if run.study.claims:
        return [
            Question(verdict.claim.text, verdict.verdict, verdict.seeds_needed, verdict.seeds_most)
            for verdict in claims(run)
        ]
    if run.trials.filter(finished()).is_empty():
        return []
    found = compared(run, compared_by(run))
    return [question for place in range(len(found.groups)) for question in _of_best(found, place)]


def _of_best(comparison: Compared, place: int) -> list[Question]:
    """The best arm of a group against each other one: whether the other is significantly worse, adjusted for all arms,
    or equivalent within a margin that the study names. Arms that are equal but for rounding, in training too, count as
    decided."""
    group, questions, digits = comparison.groups[place], [], digits_of(comparison.run)
    for (first, second), pair in zip(group.places, comparison.pairs[place], strict=True):
        if first == 0:
            standing, arms = comparison.standings[place][second], (group.arms[first], group.arms[second])
            names = [formatting.recipe(arm.settings, comparison.by, digits) for arm in arms]
            within = f" ({formatting.recipe(group.within, list(group.within), digits)})" if group.within else ""
            equal = pair.same and (pair.evidence.method == "values" or trained_alike(*arms))
            ruled_out = standing.verdict == WORSE or (
                standing.p_best is not None and standing.p_best <= comparison.level
            )
            equivalent = standing.verdict == AS_GOOD and bool(comparison.run.study.margins)
            verdict = SAME if equal else SIGNIFICANT if ruled_out else AS_GOOD if equivalent else UNDECIDED
            questions.append(
                Question(f"{names[0]} against {names[1]}{within}", verdict, standing.seeds_needed, standing.seeds_most)
            )
    return questions


# The rounds


def _has_chance(study: Study, folder: Path | None) -> bool:
    return has_chance(study.trials(), lambda task: load_arrays(task, study.data_size, folder))


def _planned(study: Study, out: Path, most: int | None) -> InterimAnalyses:
    """The planned interim analyses of a run that had none before."""
    seeds = study.seed_list
    if not study.claims and len(study.trials()) == len(seeds) * (study.folds or 1):
        raise StudyError(
            f"{study.name} has no claims and one configuration, so there is nothing to decide; leave out "
            "--until-decided and give --seeds"
        )
    most = max(DEFAULT_MOST_SEEDS, len(seeds)) if most is None else most
    if most < 2:
        raise StudyError("one seed decides nothing in a study with randomness; give --max-seeds 2 or more, better 10")
    if len(seeds) > most:
        raise StudyError(
            f"{study.name} has {len(seeds)} seeds of its own; at most {most} is too few: give --max-seeds "
            f"{len(seeds)} or more, or fewer --seeds"
        )
    added = range(max(seeds) + 1, max(seeds) + 1 + most - len(seeds))
    return InterimAnalyses(
        (*seeds, *added), _readable(out), plan_interim_analyses(first_analysis_seeds(len(seeds), most), most)
    )


def _readable(out: Path) -> int:
    """The number of seeds of a complete earlier run, whose results could have been read."""
    run = Run(out)
    if not run.paths.plan.exists() or run.missing or run.trials.is_empty():
        return 0
    return run.trials["seed"].n_unique()


def _fitting(analyses: InterimAnalyses, study: Study, most: int | None) -> InterimAnalyses:
    """The interim analyses that the folder planned; StudyError for another number of seeds, which would void them."""
    seeds, planned = study.seed_list, analyses.planned[-1].seeds
    if most is not None and most != planned:
        raise StudyError(
            f"this run's interim analyses and their levels were planned for at most {planned} seeds; "
            f"analyses up to {most} would exceed the overall error probability. Leave out --max-seeds, or start "
            f"another folder with other "
            "seeds (--set 'seeds=[1000, 1001, ...]')"
        )
    if analyses.seeds[: len(seeds)] != tuple(seeds):
        raise StudyError(
            f"this run's interim analyses were planned over {planned} seeds that start with {analyses.seeds[0]}, and "
            f"{study.name} has others now; train those in another folder with --out"
        )
    return analyses


def _remaining(analyses: InterimAnalyses, study: Study) -> list[InterimAnalysis]:
    """The last analysis again, since trials may have been added, and those still to come."""
    least = max(len(analyses.seen), len(study.seed_list))
    return [analysis for analysis in analyses.planned if analysis.seeds >= least]


def _grown(study: Study, analyses: InterimAnalyses, count: int) -> Study:
    whole = isinstance(study.seeds, int)
    return study.with_({"seeds": count if whole else list(analyses.seeds[:count])})


def _recorded(run: Run, analyses: InterimAnalyses, analysis: InterimAnalysis) -> InterimAnalyses:
    """The analyses with this one recorded, which happens before anything is read."""
    if not run.paths.interim_analyses.exists():
        analyses = record_plan(run.paths, analyses.seeds, analyses.before, analyses.planned)
    return analyses if len(analyses.seen) == analysis.seeds else begin_analysis(run.paths, analyses, analysis)


# In words


def _announcement(analyses: InterimAnalyses, analysis: InterimAnalysis) -> str:
    number = analyses.planned.index(analysis) + 1
    return (
        f"round {number} of at most {len(analyses.planned)}: {formatting.plural(analysis.seeds, 'seed')}, "
        f"then an interim analysis at the {percent(analysis.level)} level"
    )


def _outcome(analyses: InterimAnalyses, analysis: InterimAnalysis, answers: Sequence[Question]) -> str:
    undecided = [question for question in answers if question.verdict == UNDECIDED]
    if not answers:
        return "no two arms have results to compare"
    if not undecided:
        untested = sum(question.verdict == UNTESTED for question in answers)
        but = f", except {formatting.count(untested)} that cannot be tested here" if untested else ""
        return f"all decided at {formatting.plural(analysis.seeds, 'seed')}{but}"
    named = "; ".join(question.text for question in undecided[:MOST_NAMED])
    more = f"; and {formatting.count(len(undecided) - MOST_NAMED)} more" if len(undecided) > MOST_NAMED else ""
    text = f"{formatting.count(len(undecided))} of {formatting.count(len(answers))} undecided"
    text += f" at {formatting.plural(analysis.seeds, 'seed')} "
    text += f"({named}{more})"
    next_counts = [later.seeds for later in analyses.planned if later.seeds > analysis.seeds]
    if next_counts:
        return f"{text}; next {formatting.plural(next_counts[0], 'seed')}"
    return f"{text}; no interim analyses are left. {_needed(undecided)}"


def _needed(undecided: Sequence[Question]) -> str:
    needed = [
        (question.seeds_needed, question.seeds_most) for question in undecided if question.seeds_needed is not None
    ]
    them = "it" if len(undecided) == 1 else "them"
    if not needed:
        most = formatting.count(MOST_SEEDS)
        return f"By the observed effects, no feasible number of seeds (more than {most}) would decide {them}"
    least, most = max(needed, key=lambda ends: (ends[0], math.inf if ends[1] is None else ends[1]))
    text = f"By the observed effects, about {formatting.seeds_range(least, most)} would decide"
    not_feasible = len(undecided) - len(needed)
    return (
        f"{text} {them}"
        if not not_feasible
        else f"{text} all but {formatting.count(not_feasible)}, for which no number is feasible"
    )
