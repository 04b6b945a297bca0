"""Warnings beside the answer: the best learning rate is at an edge of the search range."""

from __future__ import annotations

from fallline.report import formatting
from fallline.report.naming import named
from fallline.report.results import Results
from fallline.report.sentences.commands import wider
from fallline.report.sentences.no_winner import RATE, reserve
from fallline.stats.arms import Arm
from fallline.stats.compare import ArmGroup, Compared, lost
from fallline.stats.search import RangeEdge, searches

MOST_NAMED = 4
WORDS = {"lowest": ("smallest", "a smaller"), "highest": ("largest", "a larger")}


def edges(compared: Compared) -> str:
    """Which groups have their best arm at the smallest or largest learning rate tried, and what to type; empty where
    none has. The learning rate may be tuned or compared.
    """
    at = [
        (group, border)
        for group in compared.groups
        if not reserve(compared, group) and (border := _edge(compared, group)) is not None
    ]
    if not at:
        return ""
    command = wider(compared.run, [(_optimizer(group.arms[0]), border) for group, border in at])
    if len(compared.groups) == 1:
        return _said(at[0][1], command)
    which = [f"{named(compared.run, group.within, group.within)} ({border.side})" for group, border in at]
    return (
        f"The best learning rate is at an edge of the search range for {formatting.listed(which, MOST_NAMED)}; "
        f"a wider range may be better" + (f": {command}" if command else ".")
    )


def edge_of_best(results: Results) -> str:
    """The same for the first of a ranking, where no arms are compared."""
    run = results.run
    first = next(iter(searches(run, ranked=results.ranked)), None)
    if first is None or first.value is None or (first.value == 0 and not results.metric.up):
        return ""
    border = next((edge for edge in first.edges if edge.number == RATE), None)
    return "" if border is None else _said(border, wider(run, [(first.arm.get("optimizer"), border)]))


def _said(border: RangeEdge, command: str) -> str:
    side, more = WORDS[border.side]
    return f"Its learning rate is the {side} that was tried, and {more} one may be better" + (
        f": {command}" if command else "."
    )


def _edge(compared: Compared, group: ArmGroup) -> RangeEdge | None:
    """The edge of the search range that the best arm of a group is at."""
    best = group.arms[0]
    if lost(best) == len(best.sample) or (best.standing.estimate == 0 and not compared.up):
        return None  # nothing to choose; nothing is lower
    if RATE in compared.by:
        others = {name: value for name, value in best.settings.items() if name != RATE}
        rate = best.settings[RATE]
        tried = {arm.settings[RATE] for arm in group.arms if others.items() <= arm.settings.items()}
    else:
        rate, tried = best.chosen.get(RATE), set(best.learning_rates)
    values = tuple(sorted(tried - {None}))
    if rate is None or len(values) < 2 or rate not in (values[0], values[-1]):
        return None
    return RangeEdge(RATE, "lowest" if rate == values[0] else "highest", values)


def _optimizer(arm: Arm) -> str | None:
    """The only optimizer of an arm, whose learning rates may be an axis of their own."""
    names = arm.rows["optimizer"].unique().to_list()
    return names[0] if len(names) == 1 else None
