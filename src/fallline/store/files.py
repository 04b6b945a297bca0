"""Writing files so that a reader sees the old one or the new one, never half of either."""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import polars as pl

from fallline.errors import StoreError
from fallline.store.checksums import noted
from fallline.store.place import check_held, make_folder
from fallline.study.formatting import shown

PARQUET_FAILURES = (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException)
"""What polars raises for files that are torn or hold something else; some of them make its reader panic."""


MAX_TEXT_BYTES = 50_000_000
"""More than any JSON or TOML file of a run folder has: the plan of 200,000 trials is a tenth of it."""

TRIES = 3
"""How often a file is begun whose unfinished form another process swept away."""


def write_atomically(path: Path, write: Callable[[BinaryIO], object], lasting: bool = True) -> None:
    """Let ``write`` fill a file beside ``path``, then rename it into place.

    A run killed at any moment leaves the old file or the new one. ``lasting``: so does a power cut, for the file is on
    disk before its name is; what can be made again goes without, for that takes most of the time of a small file.
    """
    try:
        for again in reversed(range(TRIES)):
            try:
                make_folder(path.parent)
                return _write_aside(path, write, lasting)
            except FileNotFoundError:
                if not again:
                    raise
    except OSError as failure:
        check_held(path)
        raise StoreError(cannot_write(path, failure)) from failure


def _write_aside(path: Path, write: Callable[[BinaryIO], object], lasting: bool) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            if lasting:
                file.flush()
                os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it; nothing where it is gone already."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def bring_names_to_disk(folder: Path) -> None:
    """Bring the names of the files of ``folder`` to the disk; a power cut then leaves none of them out.

    Nothing where the system cannot.
    """
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)


def write_bytes(path: Path, content: bytes, lasting: bool = True) -> None:
    """``content``, atomically, and noted among the checksums of its run folder."""
    try:
        with noted(path, content, lasting):
            write_atomically(path, lambda file: file.write(content), lasting)
    except OSError as failure:
        check_held(path)
        raise StoreError(cannot_write(path, failure)) from failure


def write_text(path: Path, text: str) -> None:
    """``text`` as UTF-8, atomically."""
    write_bytes(path, text.encode())


def write_derived(path: Path, content: str | bytes) -> None:
    """Text or bytes that can be made again from the records, such as a report: atomically, without waiting for the
    disk."""
    write_bytes(path, content.encode() if isinstance(content, str) else content, lasting=False)


def write_json(path: Path, value: Any) -> None:
    """``value`` as indented JSON, atomically; NaN and infinity are refused."""
    write_text(path, _json(value))


def is_as_written(path: Path, value: Any) -> bool:
    """Whether ``path``, in which ``value`` was read, is as ``write_json`` writes it, to the last byte."""
    return path.read_bytes() == _json(value).encode()


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, allow_nan=False) + "\n"


def read_json(path: Path, remedy: str = "remove it") -> Any:
    """The value in ``path``, or StoreError that names the file and says what to do about it."""
    try:
        return json.loads(read_text(path))
    except OSError as failure:
        raise StoreError(f"cannot read {path}: {failure.strerror or failure}") from failure
    except (ValueError, RecursionError) as failure:
        raise StoreError(
            f"{path} is not whole JSON ({shown(str(failure), 100)}); it was damaged after it was written: {remedy}"
        ) from None


def read_table(path: Path, remedy: str = "remove it") -> dict[str, Any]:
    """The JSON table in ``path``: names and values; StoreError where it holds something else."""
    value = read_json(path, remedy)
    if not isinstance(value, dict):
        raise StoreError(f"{path} holds no table of names and values; it was damaged after it was written: {remedy}")
    return value


def read_text(path: Path) -> str:
    """The text in ``path``; ValueError where it is none, or longer than any text of a run folder; OSError."""
    with path.open("rb") as file:
        content = file.read(MAX_TEXT_BYTES + 1)
    if len(content) > MAX_TEXT_BYTES:
        raise ValueError(f"it has more than {MAX_TEXT_BYTES:,} bytes")
    return content.decode("utf-8")


def write_parquet(path: Path, frame: pl.DataFrame) -> None:
    """``frame``, atomically."""
    write_bytes(path, parquet_bytes(frame))


def parquet_bytes(frame: pl.DataFrame | pl.LazyFrame) -> bytes:
    """``frame`` as a Parquet file; a lazy one is made piece by piece, so that it is never whole in memory."""
    content = io.BytesIO()  # given a file, polars hides from us that the disk is full
    if isinstance(frame, pl.LazyFrame):
        frame.sink_parquet(content)
    else:
        frame.write_parquet(content)
    return content.getvalue()  # no copy: CPython hands out the bytes that the buffer holds


def read_parquet(path: Path, columns: list[str] | None = None) -> pl.DataFrame:
    """The frame in ``path``, or StoreError that names the file."""
    try:
        return pl.read_parquet(path, columns=columns, glob=False)
    except PARQUET_FAILURES as failure:
        raise StoreError(damaged(path, failure)) from None


def parquet_schema(path: Path) -> pl.Schema:
    """The columns of the frame in ``path``, in order, or StoreError that names the file."""
    try:
        return pl.scan_parquet(path, glob=False).collect_schema()
    except PARQUET_FAILURES as failure:
        raise StoreError(damaged(path, failure)) from None


def damaged(path: Path, failure: BaseException | str) -> str:
    """What is wrong with a block's file, and that the block can be trained again."""
    reason = shown(" ".join(str(failure).split()), 100)
    root = path.parent.parent
    return (
        f"{path} cannot be read ({reason}); it was damaged after it was written. Remove "
        f"{root / 'trials' / path.name}, or type fallline verify {root} --repair, and run again with --resume, "
        "which trains its trials anew"
    )


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
