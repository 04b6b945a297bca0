"""``fallline.check_study``: everything that is wrong with a study at once, and what it would do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fallline.api.requests import check_figures, chosen_study, default_folder
from fallline.contracts import Task
from fallline.errors import FalllineError
from fallline.study import Study

RARE_CLASS = 0.2
"""A class with a smaller share of the training rows makes a data set unbalanced."""

FEW_ROWS = 30
"""Rows of a held-out split below which its values say little."""


@dataclass(frozen=True)
class StudyCheck:
    """``problems`` say what must be corrected before the study can run, ``notes`` what may mislead, ``plan`` what it
    would do. ``columns``: one row per column of a table, as ``fallline.report.sections.data.column_rows`` gives them.
    """

    study: Study | None = None
    problems: list[str] = field(default_factory=list[str])
    notes: list[str] = field(default_factory=list[str])
    plan: list[str] = field(default_factory=list[str])
    columns: list[tuple[Any, ...]] = field(default_factory=list[tuple[Any, ...]])

    def __bool__(self) -> bool:
        """Whether the study can run."""
        return not self.problems


def check_study(study: Study | str | Path, preset: str | None = None, data: str | Path | None = None) -> StudyCheck:
    """Everything that is wrong with ``study``, a Study, a built-in study's name or a TOML file.

    The file, its tables, every value, the data file, the names of metrics, figures and claims are examined; each is
    examined even where others are wrong. No error is raised for a wrong study.
    """
    try:
        chosen = chosen_study(study, preset)
    except FalllineError as failure:
        return StudyCheck(problems=lines_of(failure))
    problems = [line for check in _checks(chosen, data) for line in _caught(check)]
    problems = list(dict.fromkeys(problems))
    if problems:
        return StudyCheck(chosen, problems)
    task = chosen.trials()[0].task
    return StudyCheck(chosen, [], list(_notes(chosen, task)), list(_plan(chosen, preset, task)), _columns(task))


def _checks(study: Study, data: str | Path | None) -> Iterator[Callable[[], Any]]:
    """What can be examined by itself, causes first; what follows from all of it only where they are right."""
    from fallline.study.all_problems import value_checks

    failed: list[bool] = []

    def noting(check: Callable[[], Any]) -> Callable[[], Any]:
        def run() -> Any:
            try:
                check()
            except FalllineError:
                failed.append(True)
                raise

        return run

    for check in (*value_checks(study), lambda: check_figures(study)):
        yield noting(check)
    if failed:
        return
    yield noting(study.trials)
    if failed:
        return

    def names() -> None:
        from fallline.training.declared_arrays import PlanningContext

        context = PlanningContext(study, None if data is None else Path(data))
        context.check()
        if not isinstance(study.data, str):
            context.load(context.tasks[0])

    yield names


def _caught(check: Callable[[], Any]) -> list[str]:
    try:
        check()
    except FalllineError as failure:
        return lines_of(failure)
    return []


def lines_of(failure: FalllineError) -> list[str]:
    """The errors in a message: of a study with several each is a line under a heading."""
    first, *rest = str(failure).split("\n")
    return [line.strip() for line in rest] if rest and first.endswith("cannot be used:") else [str(failure)]


def _notes(study: Study, task: Task) -> Iterator[str]:
    if len(study.seed_list) < 2:
        yield "One seed only: no difference can be told from chance; seeds = 5 or more under the first [table]."
    pipeline = task.pipeline or {}
    if study.folds is not None and pipeline.get("encodings"):
        yield (
            "With folds the encodings are fitted once, on the training rows before the folds are made: the scaling of "
            "a fold has seen its held-out rows, though not their targets."
        )
    for name, count in pipeline.get("rows", {}).items():
        if name != "train" and count < FEW_ROWS:
            yield f"The {name} split has {count} rows: one of them changes its accuracy by {100 / count:.0f} points."
    counts = pipeline.get("class_counts") or {}
    total = sum(counts.values())
    rare = min(counts, key=counts.__getitem__, default="")
    if total and counts[rare] < min(RARE_CLASS, 0.5 / len(counts)) * total:
        share = 100 * counts[rare] / total
        if "balanced" not in study.metric and "auc" not in study.metric and "f1" not in study.metric:
            yield (
                f"Class {rare} is {share:.1f} % of the training rows, so a model that never predicts it still has "
                f'{100 - share:.1f} % accuracy: metric = "best_validation_balanced_accuracy" ranks fairly, and [data] '
                'class_weights = "balanced" lets it count as much as the others.'
            )
    for column in pipeline.get("columns", ()):
        if column["kind"] == "drop" and not column["given"]:
            yield f"Column {column['name']} is left out: {column['why']}."


def _plan(study: Study, preset: str | None, task: Task) -> Iterator[str]:
    from fallline.report.formatting import count, plural
    from fallline.report.sections.data import data_lines

    trials = study.trials()
    settings = len({trial.recipe for trial in trials})
    tasks = {trial.task.name: trial.task for trial in trials}
    for known in tasks.values():
        yield f"Task {known.name}: {known.title}."
        if known.pipeline:
            yield from data_lines(known.pipeline)
    steps = sorted({trial.recipe.steps for trial in trials})
    budget = count(steps[0]) if len(steps) == 1 else f"{count(steps[0])} to {count(steps[-1])}"
    per = f"{plural(settings, 'setting')} x {plural(len(study.seed_list), 'seed')}"
    folds = f" x {study.folds} folds" if study.folds else ""
    yield f"{plural(len(trials), 'trial')} ({per}{folds}) of {budget} steps, ranked by {study.metric}."
    yield f"Metrics: {', '.join(['loss', *task.metrics, *map(str, study.metrics)])}."
    folder = default_folder(study, preset)
    there = (
        "which exists: trials that are there are not trained again" if folder.exists() else "which does not exist yet"
    )
    yield f"Records go to {folder}, {there}. fallline plan says what time and memory it takes."


def _columns(task: Task) -> list[tuple[Any, ...]]:
    from fallline.report.sections.data import column_rows

    return list(column_rows(task.pipeline)) if task.pipeline else []
