"""Whether lower or higher is better for each metric, as metrics declare it, written into the study that is kept."""

from __future__ import annotations

from collections.abc import Iterable

from fallline.contracts import Metric, MetricName, Task
from fallline.errors import StudyError
from fallline.metrics import goal_of, metric_of
from fallline.study import Study


def with_directions(study: Study, metrics: Iterable[Metric], tasks: Iterable[Task]) -> Study:
    """The study with the goals ("min" or "max") that its metrics and those of its tasks declare, where they do not
    follow from the metric's name.

    A reader of the run folder has neither the user's file nor the task. Goals of the study itself take precedence.
    StudyError where two metrics of one name have opposite goals.
    """
    declared: dict[str, str] = {}
    of_tasks = [metric_of(name, metric) for task in tasks for name, metric in task.metrics.items()]
    for metric in (*metrics, *of_tasks):
        if metric.goal and declared.setdefault(metric.name, metric.goal) != metric.goal:
            raise StudyError(
                f"study {study.name}: two metrics are named {metric.name}, one with goal min and one with goal max; "
                "give each a name of its own"
            )
    new = {name: goal for name, goal in declared.items() if goal_of(name) != goal} | dict(study.goals)
    return study if new == study.goals else study.model_copy(update={"goals": new})


def check_directions(study: Study, task: Task, more: Iterable[str] = ()) -> None:
    """StudyError where it is unknown whether lower or higher is better. ``more`` are the metrics that the study
    adds."""
    for name in (*task.metrics, *more):
        if goal_of(name, study.goals) is None:
            raise _unknown(f"metric {name} of task {task.name}", name, study)
    for place, column in (("metric", study.metric), ("target.metric", study.target.metric if study.target else "")):
        if column and not MetricName.parse(column).is_step and goal_of(column, study.goals) is None:
            raise _unknown(f"{column} ({study.name}, {place})", column, study)


def _unknown(what: str, name: str, study: Study) -> StudyError:
    return StudyError(
        f"the name of {what} does not say whether lower or higher is better; write "
        f'fallline.Metric({name!r}, function, goal="min") or goal="max", or in the study '
        f'{study.name} [goals] {name} = "min"'
    )
