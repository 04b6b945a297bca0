"""The compiled programs of a session, which cohorts that are alike share."""

from __future__ import annotations

from typing import Any

from fallline.contracts import Task
from fallline.engine.evaluation import Evaluation
from fallline.engine.lanes import Cohort
from fallline.engine.mesh import ALONE, DeviceRow
from fallline.engine.program import Layout, Program
from fallline.errors import FalllineError
from fallline.losses import find_loss
from fallline.metrics import metric_of
from fallline.optimizers import find_optimizer
from fallline.tasks import find_task


class Programs:
    """The compiled programs of a session: cohorts that are alike share one, and those that differ in update rules alone
    share its evaluation.
    """

    def __init__(self) -> None:
        self._known: dict[Any, Program] = {}
        self._evaluations: dict[Any, Evaluation] = {}

    def of(
        self, cohort: Cohort, layout: Layout, data: tuple[Any, ...], row: DeviceRow = ALONE, task: str | None = None
    ) -> Program:
        """The program of that cohort in that layout on data of that task and shape, for a row of devices; made now if
        there is none. ``task`` is what ``built_in`` says.
        """
        key = (cohort, layout, data, row)
        if key not in self._known:
            alike = (Program.evaluates_as(cohort, layout, row), data)
            self._known[key] = Program(cohort, layout, row, self._evaluations.get(alike), task)
            self._evaluations.setdefault(alike, self._known[key].evaluation)
        return self._known[key]


def built_in(task: Task, cohort: Cohort) -> str | None:
    """The task's name where each part of the cohort is one of ours, found by name; None where one is a user's own: what
    a function of theirs does is not known from its name.
    """
    try:
        ours = (
            find_task(task.name) is task
            and find_loss(cohort.loss.name) is cohort.loss
            and all(find_optimizer(own.optimizer.name) is own.optimizer for own in cohort.segments)
            and all(
                name in task.metrics and metric == metric_of(name, task.metrics[name]).at(cohort.cut)
                for name, metric in cohort.metrics
            )
        )
    except FalllineError:
        return None
    return task.name if ours else None
