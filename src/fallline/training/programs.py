"""The compiled programs of a session, shared by cohorts with equal programs."""

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
    """The compiled programs of a session: equal cohorts share one program, and cohorts that differ only in their
    optimizers share its evaluation.
    """

    def __init__(self) -> None:
        self._known: dict[Any, Program] = {}
        self._evaluations: dict[Any, Evaluation] = {}

    def start_run(self) -> None:
        """Another run begins: what was traced and compiled before took none of its time."""
        for program in self._known.values():
            for part in program.parts:
                part.trace_seconds = part.compile_seconds = 0.0

    def of(
        self, cohort: Cohort, layout: Layout, data: tuple[Any, ...], row: DeviceRow = ALONE, task: str | None = None
    ) -> Program:
        """The program of a cohort with a layout, for ``data`` (task and shapes) and a row of devices; made on first
        use. ``task`` is the result of ``built_in``.
        """
        key = (cohort, layout, data, row)
        if key not in self._known:
            evaluation_key = (Program.evaluates_as(cohort, layout, row), data)
            self._known[key] = Program(cohort, layout, row, self._evaluations.get(evaluation_key), task)
            self._evaluations.setdefault(evaluation_key, self._known[key].evaluation)
        return self._known[key]


def built_in(task: Task, cohort: Cohort) -> str | None:
    """The task's name where every component of the cohort is built in; None where one is a user's: its name does not
    identify its code.
    """
    try:
        all_built_in = (
            find_task(task.name) is task
            and find_loss(cohort.loss.name) is cohort.loss
            and all(find_optimizer(segment.optimizer.name) is segment.optimizer for segment in cohort.segments)
            and all(
                name in task.metrics and metric == metric_of(name, task.metrics[name]).at(cohort.cut, cohort.gives)
                for name, metric in (*cohort.metrics, *cohort.split_metrics)
            )
        )
    except FalllineError:
        return None
    return task.name if all_built_in else None
