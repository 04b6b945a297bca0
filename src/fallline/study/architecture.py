"""The model that a recipe chooses: its name and sizes, for tasks made from files."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fallline.contracts import Task
from fallline.errors import StudyError
from fallline.models.by_name import sizes_taken
from fallline.study.recipe_fields import ARCHITECTURE

Fields = tuple[tuple[str, Any], ...]


def with_architecture(task: Task, fields: Fields, where: str) -> tuple[Task, Fields]:
    """``task`` with the model that ``fields`` choose, and the fields without the sizes that this model does not take.

    So a linear model has one recipe whatever the widths of an axis. StudyError where the task has a model of its own.
    """
    chosen = {name: value for name, value in fields if name in ARCHITECTURE and value is not None}
    if not chosen:
        return task, fields
    if task.models is None:
        name, value = next(iter(chosen.items()))
        raise StudyError(
            f"{name} = {value!r} chooses the model of data from a file, [data] csv = ... for example, and task "
            f"{task.name} has a model of its own ({where}); leave {name} out"
        )
    model = chosen.get("model") or (task.pipeline or {})["model"]
    taken = {"model", *sizes_taken(model)}
    kept = tuple((name, None if name in ARCHITECTURE and name not in taken else value) for name, value in fields)
    sizes = {name: value for name, value in chosen.items() if name in taken}
    return replace(task, model=task.models(**sizes)), kept
