"""Whether other processes can train a study: they must find all of its components by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fallline.contracts import Loss, Metric, Optimizer, Schedule, Task
from fallline.errors import FalllineError, StudyError
from fallline.study import Study, dump_study, parse_study


def check_portable(study: Study) -> None:
    """StudyError where a worker that reads the study from its file would not train the same thing."""
    unnamed = list(
        dict.fromkeys(
            f"{type(part).__name__.lower()} {part.name}" for part in _objects(study) if not _is_found(study, part)
        )
    )
    if unnamed:
        raise StudyError(
            f"{', '.join(unnamed)} of study {study.name} live in this Python process alone, and workers find "
            "parts by name. Put them into a file beside the study and name them there, 'file.py:NAME' "
            "(docs/own-model.md shows how), or leave out executor, which trains in this process"
        )
    if study.folder is None and _names_files(study):
        raise StudyError(
            f"study {study.name} names files of its own but has no folder; load it from a file "
            "with fallline.load_study, so that workers find them"
        )


def _is_found(study: Study, part: Any) -> bool:
    """Whether the component is found by its name: it is a built-in one."""
    from fallline.study.resolve import resolve

    try:
        return resolve(type(part), part.name, study.folder, "") is part
    except FalllineError:
        return False


def _objects(value: Any) -> Iterator[Any]:
    """Every component that is given as a Python value, anywhere in the study."""
    if isinstance(value, (Loss, Metric, Optimizer, Schedule, Task)):
        yield value
    elif isinstance(value, Study):
        yield from _objects({name: getattr(value, name) for name in type(value).model_fields})
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _objects(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _objects(inner)


def _names_files(study: Study) -> bool:
    return not isinstance(study.data, str) or ".py:" in dump_study(parse_study(dump_study(study), study.name))
