"""``model = "nets.py:make_net"`` in a study: a model of the user's on the data of a task."""

from __future__ import annotations

import hashlib
import inspect
from dataclasses import replace
from pathlib import Path
from typing import Any

from fallline.contracts import Model, Task
from fallline.errors import StudyError, but_an_interrupt
from fallline.models import from_equinox, from_flax, from_keras, from_torch
from fallline.study.formatting import failure_summary
from fallline.study.user_files import load_named

_KNOWN: dict[tuple[int, str, str], tuple[Task, Task]] = {}
"""One task object per task, model and content of its file: equal tasks share programs. The first keeps its id taken."""


def with_model(task: Task, written: str, folder: Path | None, where: str) -> Task:
    """``task`` with the model that ``written`` names, ``file.py:name`` or ``module:name``.

    The name stands for a ``fallline.Model``, or for what makes one: a class or function without arguments that gives a
    ``torch.nn.Module`` or a ``keras.Model``, of one argument ``rngs`` for Flax, of a key for equinox. The content of
    the file is part of the task's name, so a changed model never continues the trials of an earlier one. StudyError
    says what is wrong.
    """
    module, home, name = load_named(written, folder, where)
    content = Path(module.__file__).read_bytes() if getattr(module, "__file__", None) else b""
    digest = hashlib.sha256(content).hexdigest()[:8]
    key = (id(task), written, digest)
    if key not in _KNOWN:
        value = getattr(module, name, None)
        if value is None:
            raise StudyError(f"{home} holds nothing named {name} ({where})")
        model = _model(value, name, where)
        _KNOWN[key] = task, replace(task, name=f"{task.name}-{name}-{digest}", model=model, models=None)
    return _KNOWN[key][1]


def _model(value: Any, name: str, where: str) -> Model:
    if isinstance(value, Model):
        return value
    if not callable(value):
        raise StudyError(
            f"{name} is of type {type(value).__name__}; a model is a fallline.Model, or a class or function that makes "
            f"a module of PyTorch, Keras, Flax or equinox ({where})"
        )
    needed = [
        parameter
        for parameter in inspect.signature(value).parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]
    if len(needed) > 1:
        raise StudyError(
            f"{name} needs {len(needed)} arguments ({', '.join(one.name for one in needed)}); write a function without "
            f"arguments, or of a key, that makes the module ({where})"
        )
    if needed:
        return (from_flax if needed[0].name == "rngs" else from_equinox)(value, name=name)
    return _framework(value, name, where)(value, name=name)


def _framework(make: Any, name: str, where: str) -> Any:
    """``from_torch`` or ``from_keras``, by what ``make()`` gives."""
    try:
        made = make()
    except BaseException as failure:
        but_an_interrupt(failure)
        raise StudyError(f"{name}() fails: {failure_summary(failure)} ({where})") from failure
    homes = {home.__module__.partition(".")[0] for home in type(made).__mro__}
    if "torch" in homes:
        return from_torch
    if "keras" in homes:
        return from_keras
    raise StudyError(
        f"{name}() gives {type(made).__name__}; a function without arguments makes a torch.nn.Module or a keras.Model "
        f"({where})"
    )
