"""The looks at a run that grows until it is decided: what was planned before the first, and what each one said."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from fallline.errors import StoreError
from fallline.store.files import read_json, write_json
from fallline.store.paths import RunPaths
from fallline.store.place import check_there

REMEDY = "start anew in another folder: without it nobody knows how often this run was looked at"


UNDECIDED = "undecided"


@dataclass(frozen=True)
class InterimAnalysis:
    """A look at the first ``seeds`` seeds; its tests are made at ``level``.

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
    """``seeds`` in the order in which they are added, the looks ``planned`` and those ``made`` so far.

    ``before`` counts the seeds that had been trained, and could be read, before the looks were planned.
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
        """The seeds of the last look."""
        return self.seeds[: self.made[-1].seeds] if self.made else ()

    @property
    def spent(self) -> float:
        """The levels of the looks made so far, added up."""
        return sum(look.level for look in self.made)


def recorded_analyses(paths: RunPaths) -> InterimAnalyses | None:
    """The looks that the run folder notes; None where it was never looked at in rounds."""
    if not paths.interim_analyses.exists():
        return None
    value = read_json(paths.interim_analyses, REMEDY)
    try:
        planned, made = (tuple(_read(look) for look in value[name]) for name in ("planned", "made"))
        return InterimAnalyses(tuple(map(int, value["seeds"])), int(value["before"]), planned, made)
    except (LookupError, TypeError, ValueError):
        raise StoreError(f"{paths.interim_analyses} was damaged after it was written: {REMEDY}") from None


def record_plan(
    paths: RunPaths, seeds: Sequence[int], before: int, planned: Sequence[InterimAnalysis]
) -> InterimAnalyses:
    """Write down when there will be looks and at which level, before the first of them."""
    return _written(paths, InterimAnalyses(tuple(seeds), before, tuple(planned)))


def begin_analysis(paths: RunPaths, looks: InterimAnalyses, look: InterimAnalysis) -> InterimAnalyses:
    """Write down that ``look`` is made, before it is known what it says: its level is spent from now on."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return _written(paths, replace(looks, made=(*looks.made, replace(look, begun=now))))


def end_analysis(paths: RunPaths, looks: InterimAnalyses, verdicts: Sequence[tuple[str, str]]) -> InterimAnalyses:
    """Write down what the last look said."""
    *before, last = looks.made
    return _written(paths, replace(looks, made=(*before, replace(last, verdicts=tuple(verdicts)))))


def _read(look: dict[str, Any]) -> InterimAnalysis:
    told = look.get("verdicts")
    verdicts = None if told is None else tuple((str(text), str(verdict)) for text, verdict in told)
    return InterimAnalysis(int(look["seeds"]), float(look["level"]), str(look.get("begun", "")), verdicts)


def _written(paths: RunPaths, looks: InterimAnalyses) -> InterimAnalyses:
    value: dict[str, Any] = asdict(looks)
    value["planned"] = [{"seeds": look.seeds, "level": look.level} for look in looks.planned]
    check_there(paths.root)
    write_json(paths.interim_analyses, value)
    return looks
