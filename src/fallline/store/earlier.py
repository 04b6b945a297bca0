"""Trials of earlier forms of a study, which stay in the run folder when the study is edited: what is the study's now?

The plan names them, as it was known when the study was last run: whoever reads the folder need not build the study.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

KEY = "earlier"


def earlier_trials(plan: dict[str, Any]) -> frozenset[str]:
    """The names of all trials, recorded or only planned, that the study as it stands does not have."""
    return frozenset(plan.get(KEY, ()))


def with_earlier(plan: dict[str, Any], names: Collection[str]) -> dict[str, Any]:
    """The plan with just these named as of earlier forms."""
    rest = {key: value for key, value in plan.items() if key != KEY}
    return rest | {KEY: sorted(names)} if names else rest


def planned_trials(plan: dict[str, Any]) -> set[str]:
    """The names of all trials that were ever planned."""
    return {name for cohort in _cohorts(plan) for block in cohort["blocks"] for name in block.get("trials", ())}


def current_blocks(plan: dict[str, Any], done: Iterable[str]) -> list[str]:
    """The blocks that the study as it stands has: of those ``done`` each with one of its trials; of the others those
    that can still be trained, since all of their cohort is the study's. The others were given up.
    """
    earlier, done = earlier_trials(plan), set(done)
    found = []
    for cohort in _cohorts(plan):
        names = [set(block.get("trials", ())) for block in cohort["blocks"]]
        whole = not any(own & earlier for own in names)
        found += [
            block["name"]
            for block, own in zip(cohort["blocks"], names, strict=True)
            if whole or (block["name"] in done and not own <= earlier)
        ]
    return found


def _cohorts(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return (cohort for round_ in plan["rounds"] for cohort in round_["cohorts"])
