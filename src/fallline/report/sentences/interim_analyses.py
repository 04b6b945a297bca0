"""Sentences on the interim analyses of a run to which seeds were added."""

from __future__ import annotations

from fallline.report import formatting
from fallline.stats.evidence import LEVEL
from fallline.store import Run
from fallline.store.interim_analyses import InterimAnalyses, recorded_analyses


def looks_in_words(run: Run) -> str:
    """When the interim analyses were, their level and their result; nothing for a run without."""
    analyses = recorded_analyses(run.paths)
    if analyses is None or analyses.last is None:
        return ""
    return " ".join(filter(None, [_made(analyses), _spent(analyses), _before(analyses), _ended(analyses)]))


def percent(share: float) -> str:
    """A share in percent: 0.0025 is "0.25 %"."""
    return f"{100 * share:.3g} %"


def confidence(level: float) -> str:
    """The confidence level of intervals for tests at ``level``: 0.0025 is "99.75 %"."""
    return f"{100 * (1 - level):.4g} %"


def _made(analyses: InterimAnalyses) -> str:
    count = len(analyses.made)
    seeds = formatting.listed([formatting.count(analysis.seeds) for analysis in analyses.made])
    noun = "seed" if analyses.made[-1].seeds == 1 else "seeds"
    analyses = "1 interim analysis" if count == 1 else f"{formatting.count(count)} interim analyses"
    return f"Seeds were added until the question was decided: {analyses}, at {seeds} {noun}."


def _spent(analyses: InterimAnalyses) -> str:
    last, most = analyses.last, formatting.count(analyses.planned[-1].seeds)
    return (
        f"Verdicts are of the last interim analysis, tested at {percent(last.level)}; repeated testing would "
        f"raise the error probability, so the {percent(LEVEL)} allowed for all analyses up to {most} seeds are "
        f"spent in proportion to the seeds, {percent(analyses.spent)} so far (alpha spending, Lan and DeMets 1983)."
    )


def _before(analyses: InterimAnalyses) -> str:
    if not analyses.before:
        return ""
    return (
        f"{formatting.plural(analyses.before, 'seed').capitalize()} had been trained, and could be tested at "
        f"{percent(LEVEL)}, "
        "before the analyses were planned."
    )


def _ended(analyses: InterimAnalyses) -> str:
    last = analyses.last
    if last.verdicts is None:
        return "The last analysis was interrupted before its verdicts were recorded."
    if not last.undecided:
        return "Everything was decided."
    left = f"{formatting.count(last.undecided)} of {formatting.plural(len(last.verdicts), 'question')}"
    verb = "is" if last.undecided == 1 else "are"
    to_come = [formatting.count(analysis.seeds) for analysis in analyses.planned if analysis.seeds > last.seeds]
    if to_come:
        return f"{left} {verb} undecided; analyses at {formatting.listed(to_come)} seeds follow."
    return f"{left} {verb} undecided, and no interim analyses are left."
