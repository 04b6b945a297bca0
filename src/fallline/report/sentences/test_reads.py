"""Sentences on evaluations of the held-out test set: for which configurations, by whom, how often, and whether its
p-values are still valid.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fallline.errors import StoreError
from fallline.report import formatting
from fallline.stats import label
from fallline.stats.claims import Verdict
from fallline.stats.compare import Compared
from fallline.stats.test_reads import chosen_by_run, chosen_for, has_test
from fallline.store import Run
from fallline.store.test_reads import ALL, CHOSEN, NAMED, HeldOutRead, note_test_read, readings
from fallline.study import plain
from fallline.study.test_leakage import on_test
from fallline.study.trial import digest

TIMES = ("", "once", "twice")


def read_chosen(run: Run, who: str, claims: Iterable[Verdict] = (), reported: bool = False) -> list[str]:
    """Record that ``who`` is shown test values of what the run chooses, of those ``claims`` that are on test, and
    with ``reported`` of the trials of published figures; the sentences that say so. Nothing where the run has no test
    values."""
    if not has_test(run):
        return []
    read_named(run, who, claims, reported)
    return _chosen(run, chosen_by_run(run), who)


def read_named(run: Run, who: str, claims: Iterable[Verdict], reported: bool = False) -> None:
    """Record that ``who`` is shown test values that the study itself names, where there are any: of its claims, and
    with ``reported`` beside published figures.
    """
    beside = reported and any(on_test(figure.metric) for figure in run.study.reported)
    if beside or any(on_test(verdict.column) and verdict.parts for verdict in claims):
        named = plain(run.study)
        note(run, HeldOutRead(NAMED, named=digest([named.get("claims", []), named.get("reported", [])])), who)


def read_compared(found: Compared, who: str) -> list[str]:
    """Record that ``who`` is shown a comparison, where it is on test; the sentences that say so."""
    return _chosen(found.run, chosen_for(found), who) if on_test(found.metric) else []


def read_all(run: Run, who: str) -> list[str]:
    """Record that ``who`` gets a frame with the test values of every trial; the reason where that failed."""
    return note(run, HeldOutRead(ALL), who) if not run.trials.is_empty() and has_test(run) else []


def _chosen(run: Run, reading: HeldOutRead, who: str) -> list[str]:
    """Nothing where all chosen configurations diverged."""
    return note(run, reading, who) if reading.picks else []


def note(run: Run, reading: HeldOutRead, who: str) -> list[str]:
    """Record an evaluation; sentences on all recorded ones, or that the folder cannot be written."""
    try:
        noted = note_test_read(run.paths, reading, who)
        return in_words(noted, readings(run.paths))
    except StoreError as failure:
        return [f"The evaluation of the test set could not be recorded: {failure}."]


def in_words(noted: HeldOutRead, every: Sequence[HeldOutRead]) -> list[str]:
    """A sentence on this evaluation, one on each with another choice, and one on all others."""
    if noted.kind != CHOSEN:
        return []
    said = [_said(noted)]
    against = [one for one in every if one.against(noted)]
    if against:
        before = formatting.listed(
            [
                f"{_count(verdict)} chosen on {label(verdict.chosen_by)}, on {_day(verdict.first.first)}"
                for verdict in against
            ],
            3,
        )
        said.append(
            f"The test set was evaluated for another choice before ({before}): its p-values are no longer valid."
        )
    further = {
        name for one in every if one.kind == CHOSEN and one not in (noted, *against) for name in one.configurations
    } - noted.configurations
    if further:
        said[0] = f"{said[0][:-1]}; in other comparisons for {formatting.count(len(further))} more."
    if any(one.kind == NAMED for one in every):
        said.append(
            "Claims and published figures on the test set name their configurations and are counted separately."
        )
    said += _frames(every)
    return said


def _said(noted: HeldOutRead) -> str:
    first = noted.first
    since = noted.times - 1
    again = f", and {TIMES[since] if since < len(TIMES) else f'{formatting.count(since)} times'} since" if since else ""
    return (
        f"The test set was evaluated for {_count(noted)}, first on {_day(first.first)} by {first.who} "
        f"({first.user}){again}; "
        f"chosen on {label(noted.chosen_by)}."
    )


def _frames(every: Sequence[HeldOutRead]) -> list[str]:
    handed = [one for one in every if one.kind == ALL]
    if not handed:
        return []
    times = sum(read.times for read in handed)
    how_often = TIMES[times] if times < len(TIMES) else f"{formatting.count(times)} times"
    return [
        f"A frame with the test values of every trial was given out {how_often}, first on "
        f"{_day(handed[0].first.first)} to {handed[0].first.who} ({handed[0].first.user}); a choice by it is "
        f"possible and not recorded."
    ]


def _count(reading: HeldOutRead) -> str:
    return formatting.plural(len(reading.configurations), "configuration")


def _day(when: str) -> str:
    """ "2026-11-21 12:03 UTC" """
    return f"{when[:16].replace('T', ' ')} UTC"
