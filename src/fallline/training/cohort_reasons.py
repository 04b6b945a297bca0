"""Why trials are in different cohorts, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from fallline.study.column_words import NULL_WORDS
from fallline.study.plan import PlannedCohort
from fallline.study.recipe_fields import KEPT, RecipeField


def reasons(cohorts: Sequence[PlannedCohort]) -> list[str]:
    """For each cohort what separates it from the others that would share its program; empty where there is one."""
    facts = [_facts(cohort) for cohort in cohorts]
    names = dict.fromkeys(name for known in facts for name in known)
    differing = [name for name in names if len({known.get(name) for known in facts}) > 1]
    keys = [tuple(known.items()) for known in facts]
    same, met = Counter(keys), Counter[Any]()
    texts = []
    for cohort, known, key in zip(cohorts, facts, keys, strict=True):
        words = [f"{name} {known[name]}" for name in differing if name in known]
        met[key] += 1
        if same[key] > 1:
            words.append(f"part {met[key]} of {same[key]}: {_limit(cohort)}")
        texts.append(", ".join(words))
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
