"""From what a study writes to the component: a name, ``file.py:name``, ``module:name``, or the object in Python."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from fallline.contracts import Loss, Metric, Optimizer, Schedule, Task
from fallline.errors import StudyError, UnknownName
from fallline.losses import builtin_losses, find_loss
from fallline.metrics import builtin_metrics, find_metric
from fallline.optimizers import builtin_optimizers, find_optimizer
from fallline.schedules import builtin_schedules, find_schedule
from fallline.study.data_table import FileData
from fallline.study.formatting import shown
from fallline.study.model_file import with_model
from fallline.study.user_files import load_named
from fallline.tasks import builtin_tasks, find_task
from fallline.tasks.networks import network_task
from fallline.userdata import file_task

if TYPE_CHECKING:
    from fallline.study.spec import Study

P = TypeVar("P", Optimizer, Loss, Metric, Schedule, Task)

_FINDERS: dict[type, Callable[[str, str], Any]] = {
    Optimizer: find_optimizer,
    Loss: find_loss,
    Metric: find_metric,
    Schedule: find_schedule,
    Task: find_task,
}
_BUILT_IN: dict[type, Callable[[], dict[str, Any]]] = {
    Optimizer: builtin_optimizers,
    Loss: builtin_losses,
    Metric: builtin_metrics,
    Schedule: builtin_schedules,
    Task: builtin_tasks,
}


def resolve(kind: type[P], written: object, folder: Path | None, where: str) -> P:
    """The component of that kind that ``written`` means. ``folder`` is where a study's own Python files are."""
    if isinstance(written, kind):
        return _of_its_own_name(kind, written, where)
    word = kind.__name__.lower()
    if not isinstance(written, str):
        raise StudyError(
            f"{word} must be a name, 'file.py:name' or a fallline.{kind.__name__}, got {shown(written)} ({where})"
        )
    if ":" not in written:
        return _FINDERS[kind](written, where)
    module, home, name = load_named(written, folder, where)
    value = getattr(module, name, None)
    if not isinstance(value, kind):
        found = "nothing" if value is None else f"one of type {type(value).__name__}"
        held = ", ".join(key for key, other in vars(module).items() if isinstance(other, kind))
        raise StudyError(
            f"{home} must hold a fallline.{kind.__name__} named {name}, found {found} ({where}); "
            + (f"it holds {held}" if held else f"it holds no fallline.{kind.__name__} at all")
        )
    return _of_its_own_name(kind, value, where)


def resolve_task(written: object, study: Study, where: str) -> Task:
    """The task that ``written`` means in a study, with the study's own ``model`` where it names one."""
    task = _resolved_task(written, study, where)
    return task if not study.model else with_model(task, study.model, study.folder, f"{study.name}, model")


def _resolved_task(written: object, study: Study, where: str) -> Task:
    """One of the study's own networks, the task of its [data], or as ``resolve`` says."""
    if isinstance(study.data, FileData) and isinstance(written, str) and written == study.task:
        return _of_file(written, study.data, study, where)
    if isinstance(written, str) and written in study.networks:
        if written in builtin_tasks():
            raise StudyError(
                f"a network of this study is named {written!r} as a built-in task is ({where}); "
                "give it a name of its own, since records are kept by name"
            )
        table = study.networks[written]
        return _network(written, table.model_dump_json(), study.folder, _changed((study.folder or Path()) / table.data))
    if isinstance(written, str) and ":" not in written and study.networks:
        try:
            return resolve(Task, written, study.folder, where)
        except UnknownName as failure:
            raise UnknownName("task", written, {*failure.known, *study.networks}, where) from None
    return resolve(Task, written, study.folder, where)


def _of_file(name: str, data: FileData, study: Study, where: str) -> Task:
    """The task of the study's [data]."""
    if name in builtin_tasks():
        raise StudyError(
            f"the task of [data] is named {name!r} as a built-in task is ({where}); write task = "
            f'"my-{name}" at the top of the study'
        )
    path = (study.folder or Path()) / data.spec.written
    folders = [path, *path.glob("*/"), *path.glob("*/*/")] if path.is_dir() else [path]
    changed = tuple(map(_changed, sorted(folders)))  # a folder changes with the names in it; stat of each image is slow
    return _read_file(name, data.model_dump_json(), study.folder, changed)


@cache
def _read_file(name: str, data: str, folder: Path | None, changed: Any) -> Task:
    # One task object per name, text and content of the file: equal tasks share programs.
    del changed
    return file_task(name, FileData.model_validate_json(data).spec, folder)


def _changed(path: Path) -> tuple[int, int] | None:
    """Size and time of the last change of a file; None where there is none."""
    try:
        seen = path.stat()
    except (OSError, ValueError):
        return None
    return seen.st_size, seen.st_mtime_ns


@cache
def _network(name: str, table: str, folder: Path | None, changed: tuple[int, int] | None) -> Task:
    # One task object per name, text and content of the file: equal tasks share programs.
    del changed
    return network_task(name, **json.loads(table), folder=folder)


def _of_its_own_name(kind: type[P], value: P, where: str) -> P:
    """``value``, or StudyError where it has the name of a built-in one: records identify components by name."""
    known = _BUILT_IN[kind]().get(value.name)
    if known is None or known is value or getattr(value, "fingerprint", None) is not None:
        return value
    word = kind.__name__.lower()
    raise StudyError(
        f"this {word} of your own is named {value.name!r} as a built-in {word} is ({where}); "
        "give it a name of its own, since records are kept by name"
    )
