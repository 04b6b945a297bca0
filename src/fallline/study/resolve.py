"""From what a study writes to the part itself: a name, ``file.py:name`` or ``module:name``, or the value in Python."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from fallline.contracts import Loss, Optimizer, Task
from fallline.errors import StudyError
from fallline.losses import find_loss
from fallline.optimizers import find_optimizer
from fallline.tasks import find_task

P = TypeVar("P", Optimizer, Loss, Task)

_FINDERS: dict[type, Callable[[str, str], Any]] = {Optimizer: find_optimizer, Loss: find_loss, Task: find_task}


def resolve(kind: type[P], written: object, folder: Path | None, where: str) -> P:
    """The optimizer, loss or task that ``written`` means. ``folder`` is where a study's own Python files lie."""
    if isinstance(written, kind):
        return written
    word = kind.__name__.lower()
    if not isinstance(written, str):
        raise StudyError(f"{word} must be a name, 'file.py:name' or a fallline.{kind.__name__}, "
                         f"got {written!r} ({where})")
    if ":" not in written:
        return _FINDERS[kind](written, where)
    home, _, name = written.rpartition(":")
    module = _load_file(folder or Path.cwd(), home, where) if home.endswith(".py") else _load_module(home, where)
    value = getattr(module, name, None)
    if not isinstance(value, kind):
        found = "nothing" if value is None else type(value).__name__
        raise StudyError(f"{home} must hold a fallline.{kind.__name__} named {name}, found {found} ({where})")
    return value


def _load_file(folder: Path, file: str, where: str) -> Any:
    path = (folder / file).resolve()
    name = f"fallline_study_{path.stem}_{abs(hash(path)):x}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise StudyError(f"there is no file {path} ({where})")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as failure:
        del sys.modules[name]
        raise StudyError(f"{path} fails when it is loaded: {type(failure).__name__}: {failure} ({where})") from failure
    return module


def _load_module(name: str, where: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as failure:
        raise StudyError(f"cannot import {name}: {failure} ({where}); a file is written file.py:name") from None
