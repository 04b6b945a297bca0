"""Texts that say why trials are in different cohorts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from fallline.study.plan import PlannedCohort


def reasons(cohorts: Sequence[PlannedCohort]) -> list[str]:
    """For each cohort, how it differs from the others; empty texts where there is only one."""
    facts = [_facts(cohort) for cohort in cohorts]
    names = dict.fromkeys(name for of_cohort in facts for name in of_cohort)
    differing = [name for name in names if len({of_cohort.get(name) for of_cohort in facts}) > 1]
    keys = [tuple(of_cohort.items()) for of_cohort in facts]
    counts, numbers = Counter(keys), Counter[Any]()
    texts = []
    for cohort, of_cohort, key in zip(cohorts, facts, keys, strict=True):
        reasons = [f"{name} {of_cohort[name]}" for name in differing if name in of_cohort]
        numbers[key] += 1
        if counts[key] > 1:
            reasons.append(f"part {numbers[key]} of {counts[key]}: {_limit(cohort)}")
        texts.append(", ".join(reasons))
    return texts


def _facts(cohort: PlannedCohort) -> dict[str, Any]:
    """What trials of one program have in common; study/plan.py splits cohorts by the same."""
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
