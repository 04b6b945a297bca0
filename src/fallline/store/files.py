"""Writing files so that a reader sees the old one or the new one, never half of either."""

from __future__ import annotations

import errno
import io
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import polars as pl

from fallline.errors import StoreError
from fallline.study.said import shown

PARQUET_FAILURES = (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException)
"""What polars raises for files that are torn or hold something else; some of them make its reader panic."""


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let ``write`` fill a file beside ``path``, then rename it into place.

    The file is on disk before its name is: a run killed at any moment leaves the old file or the new one.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as failure:
        raise StoreError(cannot_write(path, failure)) from failure
    finally:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)


def write_text(path: Path, text: str) -> None:
    """``text`` as UTF-8, atomically."""
    write_atomically(path, lambda file: file.write(text.encode()))


def write_json(path: Path, value: Any) -> None:
    """``value`` as indented JSON, atomically; NaN and infinity are refused."""
    write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def read_json(path: Path, remedy: str = "remove it") -> Any:
    """The value in ``path``, or StoreError that names the file and says what to do about it."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as failure:
        raise StoreError(f"cannot read {path}: {failure.strerror or failure}") from failure
    except (ValueError, RecursionError) as failure:
        raise StoreError(f"{path} is not whole JSON ({shown(str(failure), 100)}); it was damaged after it was written: "
                         f"{remedy}") from None


def write_parquet(path: Path, frame: pl.DataFrame) -> None:
    """``frame``, atomically."""
    content = io.BytesIO()  # given a file, polars hides from us that the disk is full
    frame.write_parquet(content)
    write_atomically(path, lambda file: file.write(content.getbuffer()))


def read_parquet(path: Path, columns: list[str] | None = None) -> pl.DataFrame:
    """The frame in ``path``, or StoreError that names the file."""
    try:
        return pl.read_parquet(path, columns=columns)
    except PARQUET_FAILURES as failure:
        raise StoreError(damaged(path, failure)) from None


def damaged(path: Path, failure: BaseException) -> str:
    """What is wrong with a block's file, and that the block can be trained again."""
    reason = shown(" ".join(str(failure).split()), 100)
    return (f"{path} cannot be read ({reason}); it was damaged after it was written. Remove "
            f"{path.parent.parent / 'trials' / path.name} and run again with --resume, which trains its trials anew")


def cannot_write(path: Path, failure: OSError) -> str:
    """The reason in words, with what to do about it."""
    remedy = {
        errno.ENOSPC: "the disk is full; free some space, then run again with --resume: finished blocks are kept",
        errno.EDQUOT: "your disk quota is used up; free some space, then run again with --resume",
        errno.EACCES: "no permission to write there; choose another folder with --out",
        errno.EPERM: "no permission to write there; choose another folder with --out",
        errno.EROFS: "that file system is read-only; choose another folder with --out",
        errno.ENOTDIR: "a part of that path is a file; choose another folder with --out",
    }.get(failure.errno or 0, f"{failure.strerror or failure}; choose another folder with --out")
    return f"cannot write {path}: {remedy}"
