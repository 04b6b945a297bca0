"""Tasks: a model on a dataset with its metrics. One family a file; found by name."""

from __future__ import annotations

from fallline.contracts import Task
from fallline.contracts.registry import parts
from fallline.errors import UnknownName
from fallline.tasks.family import TaskFamily
from fallline.tasks.networks import network_task
from fallline.tasks.own import from_arrays

__all__ = ["builtin_tasks", "find_task", "from_arrays", "network_task", "task_families"]


def builtin_tasks() -> dict[str, Task]:
    """Every built-in task by name, without the members of families, which ``find_task`` makes."""
    return parts(__name__, Task)


def task_families() -> dict[str, TaskFamily]:
    """Every family of tasks by name."""
    return parts(__name__, TaskFamily)


def find_task(name: str, where: str = "") -> Task:
    """The task of that name, or UnknownName with the near ones.

    >>> find_task("fashion-mnist-mlp-256").title
    'a net 784-256-10 with one hidden layer on Fashion-MNIST'
    """
    known = builtin_tasks()
    if name in known:
        return known[name]
    for family in task_families().values():
        member = family.member(name, where)
        if member is not None:
            return member
    raise UnknownName("task", name, [*known, *(f"{family}-H" for family in task_families())], where)
