"""Why trials stand in different cohorts, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from fallline.study.plan import PlannedCohort


def reasons(cohorts: Sequence[PlannedCohort]) -> list[str]:
    """Of each cohort what sets it apart from those that would else share its program; empty where there is one."""
    facts = [_facts(cohort) for cohort in cohorts]
    names = dict.fromkeys(name for own in facts for name in own)
    differing = [name for name in names if len({own.get(name) for own in facts}) > 1]
    alike = [tuple(own.items()) for own in facts]
    twins, met = Counter(alike), Counter[Any]()
    found = []
    for cohort, own, key in zip(cohorts, facts, alike, strict=True):
        said = [f"{name} {own[name]}" for name in differing if name in own]
        met[key] += 1
        if twins[key] > 1:
            said.append(f"part {met[key]} of {twins[key]}: {_limit(cohort)}")
        found.append(", ".join(said))
    return found


def _facts(cohort: PlannedCohort) -> dict[str, Any]:
    """What trials of one program must have in common, in words; plan.py splits by the same."""
    recipe = cohort.recipe
    batches = {"batches " + name: value for name, value in recipe.batches.plain.items() if name != "batch_size"}
    return {
        "task": cohort.task.name,
        "data": cohort.data,
        "loss": recipe.loss.name,
        "batch size": recipe.batches.size or "all",
        **batches,
        "steps": recipe.steps,
        "precision": recipe.precision,
        "evaluated every": cohort.evaluate_every,
        "recorded every": cohort.record_every,
        "seeds": ", ".join(map(str, cohort.seeds)),
    }


def _limit(cohort: PlannedCohort) -> str:
    if cohort.lanes == 1:
        return "a trial by itself, its weights fill a core's cache or its matmuls need every core"
    return f"{cohort.lanes} lanes a seed, more would leave the cache or the memory of a program"
