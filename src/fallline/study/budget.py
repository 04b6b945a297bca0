"""How long a trial runs and on what batches: the fields of a recipe put together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from fallline.batching import BatchPolicy, BatchStream, times_workers
from fallline.contracts import Task
from fallline.errors import StudyError
from fallline.study.values import MAX_STEPS, check_field
from fallline.tasks.folds import FoldSplit


def batches_of(fields: Mapping[str, Any], where: str) -> BatchPolicy:
    """The batch policy of a recipe; a lone batch of all examples where nothing is said.

    A batch that is of each worker is multiplied by their number: data parallelism is a larger batch, no more.
    """

    def field(name: str, default: Any) -> Any:
        return check_field(name, fields[name], where) if name in fields else default

    size, workers = field("batch_size", None), fields.get("workers", 1)
    if field("batch_of", "all") == "worker":
        size = times_workers(size, math.floor(workers), where)  # workers that are not whole are told of with the rates
    policy = BatchPolicy(
        size,
        order=field("order", "shuffled"),
        overlap=field("overlap", 0.0),
        subset=field("subset", None),
        subset_from=field("subset_from", "random"),
        last=field("last_batch", "dropped"),
    )
    return policy


def steps_of(
    fields: Mapping[str, Any], batches: BatchPolicy, task: Task, data: str, where: str, cut: FoldSplit | None = None
) -> int:
    """The budget in steps; one in epochs is turned into steps by the number of the task's training examples, those left
    where ``cut`` keeps some for validation."""
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
