"""Tasks: a model on a dataset with its metrics. One family a file; found by name."""

from __future__ import annotations

from fallline.contracts import Task
from fallline.registry import find, parts
from fallline.tasks.own import task

__all__ = ["find_task", "task", "tasks"]


def tasks() -> dict[str, Task]:
    """Every built-in task by name."""
    return parts(__name__, Task)


def find_task(name: str, where: str = "") -> Task:
    """The task of that name, or UnknownName with the near ones."""
    return find(__name__, Task, name, where)
