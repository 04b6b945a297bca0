"""The model that a recipe chooses: its name and sizes, for tasks made from files."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fallline.contracts import Task
from fallline.errors import StudyError
from fallline.models.by_name import default_sizes
from fallline.study.recipe_fields import ARCHITECTURE

Fields = tuple[tuple[str, Any], ...]


def with_architecture(task: Task, fields: Fields, where: str) -> tuple[Task, Fields]:
    """``task`` with the model that ``fields`` choose, and the fields complete: defaults are filled in, and sizes that
    the model does not take are None.

    So a linear model has one recipe whatever the widths of an axis. StudyError where the task has a model of its own.
    """
    chosen = {name: value for name, value in fields if name in ARCHITECTURE and value is not None}
    if task.models is None or task.pipeline is None:
        if not chosen:
            return task, fields
        name, value = next(iter(chosen.items()))
        raise StudyError(
            f"{name} = {value!r} chooses the model of data from a file, [data] csv = ... for example, and task "
            f"{task.name} has a model of its own ({where}); leave {name} out"
        )
    model = chosen.get("model") or task.pipeline["model"]
    defaults = default_sizes(model)
    full = {"model": model} | {name: chosen.get(name, default) for name, default in defaults.items()}
    complete = tuple((name, full.get(name) if name in ARCHITECTURE else value) for name, value in fields)
    return replace(task, model=task.models(**full)), complete
