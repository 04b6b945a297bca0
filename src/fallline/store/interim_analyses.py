"""The interim analyses of a run that grows until it is decided: planned before the first one, and what each said."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from fallline.errors import StoreError
from fallline.store.files import read_json, write_json
from fallline.store.paths import RunPaths
from fallline.store.place import check_there

REMEDY = "start again in another folder: without it nobody knows how often this run was looked at"


UNDECIDED = "undecided"


@dataclass(frozen=True)
class InterimAnalysis:
    """An interim analysis at the first ``seeds`` seeds; its tests are made at ``level``.

    Once made, it was ``begun`` at that time (UTC), and ``verdicts`` say what came out: texts of what is judged, each
    with its verdict. They are None while they are being worked out.
    """

    seeds: int
    level: float
    begun: str = ""
    verdicts: tuple[tuple[str, str], ...] | None = None

    @property
    def undecided(self) -> int:
        """How many of the verdicts are none."""
        return sum(verdict == UNDECIDED for _, verdict in self.verdicts or ())


@dataclass(frozen=True)
class InterimAnalyses:
    """``seeds`` in the order in which they are added, the analyses ``planned`` and those ``made`` so far.

    ``before`` counts the seeds that had been trained, and could be read, before the analyses were planned.
    """

    seeds: tuple[int, ...]
    before: int
    planned: tuple[InterimAnalysis, ...]
    made: tuple[InterimAnalysis, ...] = ()

    @property
    def last(self) -> InterimAnalysis | None:
        return self.made[-1] if self.made else None

    @property
    def seen(self) -> tuple[int, ...]:
        """The seeds of the last analysis."""
        return self.seeds[: self.made[-1].seeds] if self.made else ()

    @property
    def spent(self) -> float:
        """The levels of the analyses made so far, added up."""
        return sum(analysis.level for analysis in self.made)


def recorded_analyses(paths: RunPaths) -> InterimAnalyses | None:
    """The interim analyses that the run folder records; None where there were none."""
    if not paths.interim_analyses.exists():
        return None
    value = read_json(paths.interim_analyses, REMEDY)
    try:
        planned, made = (tuple(_read(analysis) for analysis in value[name]) for name in ("planned", "made"))
        return InterimAnalyses(tuple(map(int, value["seeds"])), int(value["before"]), planned, made)
    except (LookupError, TypeError, ValueError):
        raise StoreError(f"{paths.interim_analyses} was damaged after it was written: {REMEDY}") from None


def record_plan(
    paths: RunPaths, seeds: Sequence[int], before: int, planned: Sequence[InterimAnalysis]
) -> InterimAnalyses:
    """Write down when there will be analyses and at which level, before the first of them."""
    return _written(paths, InterimAnalyses(tuple(seeds), before, tuple(planned)))


def begin_analysis(paths: RunPaths, analyses: InterimAnalyses, analysis: InterimAnalysis) -> InterimAnalyses:
    """Write down that ``analysis`` is made, before it is known what it says: its level is spent from now on."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return _written(paths, replace(analyses, made=(*analyses.made, replace(analysis, begun=now))))


def end_analysis(paths: RunPaths, analyses: InterimAnalyses, verdicts: Sequence[tuple[str, str]]) -> InterimAnalyses:
    """Write down what the last analysis said."""
    *before, last = analyses.made
    return _written(paths, replace(analyses, made=(*before, replace(last, verdicts=tuple(verdicts)))))


def _read(analysis: dict[str, Any]) -> InterimAnalysis:
    told = analysis.get("verdicts")
    verdicts = None if told is None else tuple((str(text), str(verdict)) for text, verdict in told)
    return InterimAnalysis(int(analysis["seeds"]), float(analysis["level"]), str(analysis.get("begun", "")), verdicts)


def _written(paths: RunPaths, analyses: InterimAnalyses) -> InterimAnalyses:
    value: dict[str, Any] = asdict(analyses)
    value["planned"] = [{"seeds": analysis.seeds, "level": analysis.level} for analysis in analyses.planned]
    check_there(paths.root)
    write_json(paths.interim_analyses, value)
    return analyses
