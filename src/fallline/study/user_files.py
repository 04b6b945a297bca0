"""Python files and modules of the user's, loaded where a study names them."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from pathlib import Path
from typing import Any

from fallline.errors import StudyError, but_an_interrupt
from fallline.study.formatting import failure_summary
from fallline.study.trial import digest


def load_named(written: str, folder: Path | None, where: str) -> tuple[Any, str, str]:
    """The module that ``file.py:name`` or ``module:name`` means, how it is written, and the name in it."""
    home, _, name = written.rpartition(":")
    module = load_file(folder or Path.cwd(), home, where) if home.endswith(".py") else load_module(home, where)
    return module, home, name


def load_file(folder: Path, file: str, where: str) -> Any:
    path = (folder / file).resolve()
    if not path.is_file():
        raise StudyError(f"there is no file {path} ({where}); the path of a study's Python file starts at the study")
    name = f"fallline_study_{path.stem}_{digest([str(path), path.stat().st_mtime_ns])}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None, "a path that ends in .py always has a loader"
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(path.parent))  # it may import its neighbours
    try:
        spec.loader.exec_module(module)
    except BaseException as failure:
        but_an_interrupt(failure)
        del sys.modules[name]
        place = f"{path}, line {line}" if (line := _line(failure, path)) else str(path)
        raise StudyError(f"{place}, fails when it is loaded: {failure_summary(failure)} ({where})") from failure
    finally:
        sys.path.remove(str(path.parent))
    return module


def load_module(name: str, where: str) -> Any:
    try:
        return importlib.import_module(name)
    except BaseException as failure:
        but_an_interrupt(failure)
        raise StudyError(
            f"cannot import {name!r}: {failure_summary(failure)} ({where}); a file is written file.py:name"
        ) from failure


def _line(failure: BaseException, path: Path) -> int | None:
    """The last line of the user's own file in the traceback."""
    frames = traceback.extract_tb(failure.__traceback__)
    return next((frame.lineno for frame in reversed(frames) if frame.filename == str(path)), None)
