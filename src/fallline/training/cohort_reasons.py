"""Texts that say why trials are in different cohorts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from fallline.study.column_words import NULL_WORDS
from fallline.study.plan import PlannedCohort
from fallline.study.recipe_fields import KEPT, RecipeField


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
    """What the trials of one program have in common, in words; ``study.plan`` splits by the same."""
    return {
        "task": cohort.task.name,
        "data": cohort.data,
        "loss": cohort.recipe.loss.name,
        **{known.name.replace("_", " "): _value(cohort, known) for known in KEPT if known.splits},
        "evaluated every": cohort.evaluate_every,
        "recorded every": cohort.record_every,
        "seeds": ", ".join(map(str, cohort.seeds)),
    }


def _value(cohort: PlannedCohort, known: RecipeField) -> Any:
    value = known.of(cohort.recipe)
    return NULL_WORDS.get(known.name, value) if value is None else value


def _limit(cohort: PlannedCohort) -> str:
    if cohort.lanes == 1:
        return "a trial by itself, its weights fill a core's cache or its matmuls need every core"
    return f"{cohort.lanes} lanes a seed, more would leave the cache or the memory of a program"
