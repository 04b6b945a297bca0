"""A trial: one task, one recipe, one seed; its name is the hash of its canonical form."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property

from fallline.contracts import Loss, Optimizer, Task

RECORDS_VERSION = 1
"""Part of every trial's canonical form. Raised when records of older versions are no longer comparable."""


@dataclass(frozen=True)
class Recipe:
    """All one chooses to train a task. ``numbers`` are complete: every number the rule takes, defaults filled in.

    ``batch_size`` None means all examples at every step. ``order`` "shuffled" reshuffles each epoch, "file" keeps the
    order of the data.
    """

    optimizer: Optimizer
    numbers: tuple[tuple[str, float], ...]
    loss: Loss
    batch_size: int | None
    order: str
    steps: int


@dataclass(frozen=True)
class Trial:
    """One lane's work. ``data`` is "sample" or "full"."""

    task: Task = field(compare=False, repr=False)
    data: str
    recipe: Recipe
    seed: int
    evaluate_every: int | None = None
    record_every: int = 1

    @cached_property
    def canonical(self) -> dict[str, object]:
        """The plain form that names the trial: two trials are the same when this is."""
        recipe = self.recipe
        return {
            "records": RECORDS_VERSION,
            "task": self.task.name,
            "data": self.data if self.task.fingerprint is None else self.task.fingerprint,
            "optimizer": recipe.optimizer.name,
            "numbers": dict(recipe.numbers),
            "loss": recipe.loss.name,
            "batch_size": recipe.batch_size,
            "order": recipe.order,
            "steps": recipe.steps,
            "seed": self.seed,
            "evaluate_every": self.evaluate_every,
            "record_every": self.record_every,
        }

    @cached_property
    def name(self) -> str:
        """16 hexadecimal digits of the SHA-256 of the canonical form."""
        return digest(self.canonical)


def digest(plain: object) -> str:
    """16 hexadecimal digits that name a plain value: key order does not matter, numbers by their exact value."""
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
