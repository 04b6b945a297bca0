"""How long a trial trains and on what batches, from the fields of a recipe."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from fallline.batching import BatchPolicy, BatchStream, times_workers
from fallline.contracts import Task
from fallline.errors import StudyError
from fallline.study.field_checks import MAX_STEPS
from fallline.study.recipe_fields import KEPT, SETTINGS, check_field
from fallline.tasks.folds import FoldSplit


def batches_of(fields: Mapping[str, Any], where: str) -> BatchPolicy:
    """The batch policy of a recipe; all examples in each step where no field says otherwise.

    A batch size of each worker is multiplied by their number: data parallelism is a larger batch and nothing else.
    """
    policy: dict[str, Any] = {
        known.policy: known.check(fields[known.name], where) for known in KEPT if known.policy and known.name in fields
    }
    if check_field("batch_of", fields.get("batch_of", "all"), where) == "worker":
        workers = math.floor(fields.get("workers", 1))  # a fraction is an error of the schedule's hyperparameters
        policy["size"] = times_workers(policy.get("size"), workers, where)
    if policy.get("subset") is None:
        policy.pop("subset_from", None)  # without a subset it changes nothing, so it makes no other recipe
    return BatchPolicy(policy.pop("size", None), **policy)


def settings_of(fields: Mapping[str, Any], where: str) -> tuple[tuple[str, Any], ...]:
    """The fields of a recipe that are neither of the batches nor of the budget, with their defaults."""
    return tuple(
        (known.name, known.check(fields[known.name], where) if known.name in fields else known.default)
        for known in SETTINGS
    )


def steps_in_budget(
    fields: Mapping[str, Any], batches: BatchPolicy, task: Task, data: str, where: str, cut: FoldSplit | None = None
) -> int:
    """The budget in steps. Epochs are converted by the number of the task's training examples, without those that
    ``cut`` keeps for validation."""
    if "epochs" not in fields:
        return check_field("steps", fields.get("steps"), where)
    if "steps" in fields:
        raise StudyError(f"a budget is given in steps or in epochs, not in both ({where}); keep one of them")
    epochs = check_field("epochs", fields["epochs"], where)
    examples = task.examples.get(data)
    if examples is None:
        raise StudyError(
            f"task {task.name} does not say how many examples to train on its {data} data has, so epochs "
            f"cannot be turned into steps ({where}); give steps, or Task(..., examples={{{data!r}: n}})"
        )
    examples = examples if cut is None else cut.left(examples)
    steps = BatchStream(batches, examples, seed=0).steps_in(epochs)
    return check_field("steps", min(steps, MAX_STEPS + 1), where)
