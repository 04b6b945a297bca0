"""Which way the metrics of a study are better: what they declare, written into the study that its folder keeps."""

from __future__ import annotations

from collections.abc import Iterable

from fallline.contracts import Metric, MetricName, Task
from fallline.errors import StudyError
from fallline.metrics import goal_of, metric_of
from fallline.study import Study


def with_goals(study: Study, metrics: Iterable[Metric], tasks: Iterable[Task]) -> Study:
    """The study with the goals that its metrics and those of its tasks declare, where their names do not say the same.

    A reader of the run folder has neither the user's file nor the task. What the study itself says goes first.
    StudyError where two of one name are better in opposite ways.
    """
    found: dict[str, str] = {}
    of_tasks = [metric_of(name, one) for task in tasks for name, one in task.metrics.items()]
    for metric in (*metrics, *of_tasks):
        if metric.goal and found.setdefault(metric.name, metric.goal) != metric.goal:
            raise StudyError(
                f"study {study.name}: two metrics are named {metric.name}, and of one less is better, of "
                "the other more; give each a name of its own"
            )
    new = {name: goal for name, goal in found.items() if goal_of(name) != goal} | dict(study.goals)
    return study if new == study.goals else study.model_copy(update={"goals": new})


def check_goals(study: Study, task: Task, more: Iterable[str] = ()) -> None:
    """StudyError where it is not known whether less or more of a metric is better. ``more`` are the study's own."""
    for name in (*task.metrics, *more):
        if goal_of(name, study.goals) is None:
            raise _unknown(f"metric {name} of task {task.name}", name, study)
    for place, column in (("metric", study.metric), ("target.metric", study.target.metric if study.target else "")):
        if column and not MetricName.parse(column).is_step and goal_of(column, study.goals) is None:
            raise _unknown(f"{column} ({study.name}, {place})", column, study)


def _unknown(what: str, name: str, study: Study) -> StudyError:
    return StudyError(
        f"whether less or more of {what} is better cannot be told from its name; write "
        f'fallline.Metric({name!r}, function, goal="min") or goal="max", or in the study '
        f'{study.name} [goals] {name} = "min"'
    )
