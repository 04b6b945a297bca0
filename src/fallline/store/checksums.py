"""The checksums of the files of a run folder: a journal that is only appended to, ``sums.json``, a JSON value a line.

A line says what a file is going to be before it is written, and another one that it is so: a run killed between the two
leaves a file that is one of the two, and neither is damage. Two processes may append at once. What is written most
often, or by jobs on other machines, is not in the journal: the files of a block stand in its timing, which holds its
own checksum, as the notes of workers do (``with_own_sum``).
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fallline.store.paths import FOLDERS, RunPaths

HEADER = b'{"fallline":"checksums of this folder","format":1}\n'
ELSEWHERE = frozenset(FOLDERS) - {"answers", "environments"} | {"lock.json", "sums.json", "damaged", "search"}
"""What no journal is kept of: other checksums cover it, or it comes and goes."""

DEEPEST = 6
"""So many folders up a run folder is looked for."""

OWN_SUM = "sum"


@dataclass
class Noted:
    """What one file may be: checksums, None where it may be absent; of a log that may grow ``size`` is what is noted.

    ``open`` are the writings that were begun and not ended, by their names.
    """

    may: set[str | None] = field(default_factory=lambda: {None})
    open: dict[str, str | None] = field(default_factory=dict)
    ended: set[str | None] = field(default_factory=set)
    size: int | None = None


@dataclass
class Journal:
    """What a journal says: the files by path, the blocks that were finished, the files with checksums of their own that
    were there when a run ended, how many of its lines are damaged."""

    files: dict[str, Noted] = field(default_factory=dict)
    blocks: set[str] = field(default_factory=set)
    there: set[str] = field(default_factory=set)
    damaged: int = 0


def sha256(content: bytes | memoryview) -> str:
    """The checksum of a file's content, as ``sha256sum`` writes it."""
    return hashlib.sha256(content).hexdigest()


def sha256_of(path: Path, size: int | None = None) -> str:
    """The same of the file ``path``, or of its first ``size`` bytes; OSError where it cannot be read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() if size is None else sha256(file.read(size))


def with_own_sum(table: dict[str, Any]) -> dict[str, Any]:
    """``table`` with its own checksum, for a file that one process writes alone."""
    return table | {OWN_SUM: _sum_of(table)}


def has_own_sum(table: dict[str, Any]) -> bool:
    """Whether it has its own checksum, and is what was written."""
    return table.get(OWN_SUM) == _sum_of({key: value for key, value in table.items() if key != OWN_SUM})


def _sum_of(table: dict[str, Any]) -> str:
    return sha256(json.dumps(table, sort_keys=True).encode())


def sums_in_timing(timing: dict[str, Any]) -> tuple[dict[str, str], bool | None]:
    """The checksums of the block's files by kind, and whether the timing is what was written: None where it has none,
    as those of older versions. AttributeError, TypeError and ValueError where it is no timing."""
    sums = {str(kind): str(told) for kind, told in timing.get("sha256", {}).items()}
    return sums, has_own_sum(timing) if "sha256" in timing and OWN_SUM in timing else None


@contextmanager
def noted(path: Path, content: bytes | memoryview | None, lasting: bool = True) -> Iterator[None]:
    """Around the writing of ``content`` to ``path``, or around its removal (None): notes it where a journal is kept.

    ``lasting``: the line is on disk before the file is. OSError.
    """
    place = _place(path)
    if place is None:
        yield
        return
    root, name = place
    told, by = None if content is None else sha256(content), secrets.token_hex(4)
    _append(root, [{"path": name, "to": told, "by": by}], lasting)
    yield
    _append(root, [{"path": name, "is": told, "by": by}])


def note_folder(root: Path, folder: Path, known_too: bool = False) -> None:
    """Note the files of ``folder`` as they are, those that are noted already only where ``known_too``. Logs may
    grow."""
    if not is_kept(root) or root.absolute() not in folder.absolute().parents:
        return
    known = {} if known_too else read_journal(root).files
    new = [path for path in files_of(root, folder) if _name(root, path) not in known]
    _append(root, [_now(root, path, path.stat().st_size if path.parent.name == "logs" else None) for path in new])


def note_there(root: Path, paths: Sequence[Path]) -> None:
    """Note that these files are there: they hold checksums of their own."""
    if is_kept(root) and (new := sorted({_name(root, path) for path in paths} - read_journal(root).there)):
        _append(root, [{"there": new}])


def note_gone(root: Path, paths: Sequence[Path]) -> None:
    """Note that these files were taken away."""
    if is_kept(root):
        _append(
            root,
            [
                {"path": _name(root, path), "now": None}
                for path in paths
                if _name(root, path).split("/")[0] not in ELSEWHERE
            ],
        )


def note_blocks(root: Path, blocks: Sequence[str]) -> None:
    """Note that these blocks have records, those that are noted already left out."""
    if is_kept(root) and (new := sorted(set(blocks) - read_journal(root).blocks)):
        _append(root, [{"blocks": new}], lasting=True)


def note_blocks_gone(root: Path, blocks: Sequence[str]) -> None:
    """Note that these blocks were taken away, and are not missed."""
    if blocks and is_kept(root):
        _append(root, [{"taken": sorted(blocks)}], lasting=True)


def begin(root: Path, write: Any) -> None:
    """Keep a journal from now on; ``write`` puts bytes in place at once. What there is already is noted as it is."""
    lines = [_line(_now(root, path)) for path in files_of(root, root)]
    write(RunPaths(root).sums, HEADER + b"".join(lines))


def settle(root: Path) -> None:
    """Note which of both a file is whose writing was begun and never ended: by the one who holds the folder's lock."""
    if is_kept(root):
        known = {name: file for name, file in read_journal(root).files.items() if file.open}
        lines = [_now(root, root / name) for name in known]
        _append(root, [line for line in lines if line["now"] in known[line["path"]].may])


def is_kept(root: Path) -> bool:
    """Whether the folder has a journal."""
    try:
        with RunPaths(root).sums.open("rb") as file:
            return file.read(len(HEADER)) == HEADER
    except OSError:
        return False


def read_journal(root: Path) -> Journal:
    """The journal of the folder, lines that are damaged left out; OSError where it cannot be read."""
    found = Journal()
    first, *lines = RunPaths(root).sums.read_bytes().split(b"\n")
    found.damaged = int(first + b"\n" != HEADER) + int(not lines or lines[-1] != b"")
    for line in lines[:-1]:
        value = _parsed(line)
        if value is None:
            found.damaged += 1
        elif "blocks" in value:
            found.blocks |= set(value["blocks"])
        elif "taken" in value:
            found.blocks -= set(value["taken"])
        elif "there" in value:
            found.there |= set(value["there"])
        else:
            _take(found.files.setdefault(value["path"], Noted()), value)
            if value.get("now", "") is None:
                found.there.discard(value["path"])
    return found


def files_of(root: Path, folder: Path) -> list[Path]:
    """The files below ``folder`` of which the journal of ``root`` may tell, in order."""
    return sorted(
        path for path in folder.rglob("*") if path.is_file() and not path.is_symlink() and _tells_of(_name(root, path))
    )


def _tells_of(name: str) -> bool:
    parts = name.split("/")
    of_worker = parts[0] == "launches" and (parts[2:3] == ["workers"] or parts[2:] == ["jobs.json"])
    return not (parts[0] in ELSEWHERE or of_worker or any(part.startswith(".") for part in parts))


def _take(file: Noted, line: dict[str, Any]) -> None:
    """One line about a file."""
    if "now" in line:
        file.may, file.open, file.ended = {line["now"], *file.open.values()}, {}, set()
        file.size = line.get("size")
    elif "to" in line:
        file.open[line["by"]] = line["to"]
        file.may.add(line["to"])
        file.size = None
    else:
        file.open.pop(line["by"], None)
        file.ended.add(line["is"])
        if not file.open:
            file.may, file.ended = file.ended, set()


def _now(root: Path, path: Path, size: int | None = None) -> dict[str, Any]:
    value: dict[str, Any] = {"path": _name(root, path), "now": sha256_of(path) if path.is_file() else None}
    return value if size is None else value | {"now": sha256_of(path, size), "size": size}


def _line(value: dict[str, Any]) -> bytes:
    """A line with its own checksum, so that one that was edited is seen."""
    text = json.dumps(value, separators=(",", ":"))
    return f"{text[:-1]},{_check(text)}}}\n".encode()


def _check(text: str) -> str:
    return f'"check":"{sha256(text.encode())[:8]}"'


def _parsed(line: bytes) -> dict[str, Any] | None:
    """The value of a line, None where it is damaged."""
    try:
        head, _, tail = line.decode().rpartition(',"check":')
        text = f"{head}}}"
        return json.loads(text) if f'"check":{tail}' == f"{_check(text)}}}" else None
    except ValueError:
        return None


def _append(root: Path, values: Sequence[dict[str, Any]], lasting: bool = False) -> None:
    """Add lines in one write. Where the disk is full no half of it stays."""
    if not values:
        return
    content = b"".join(map(_line, values))
    handle = os.open(RunPaths(root).sums, os.O_WRONLY | os.O_APPEND)
    try:
        before = os.fstat(handle).st_size
        written = 0
        try:
            while written < len(content):
                written += os.write(handle, content[written:])
        except OSError:
            os.ftruncate(handle, before)
            raise
        if lasting:
            os.fsync(handle)
    finally:
        os.close(handle)


def _place(path: Path) -> tuple[Path, str] | None:
    """The run folder that keeps a journal of ``path``, and the path in it."""
    path = path.absolute()
    for root in list(path.parents)[:DEEPEST]:
        if is_kept(root):
            name = _name(root, path)
            return (root, name) if _tells_of(name) else None
    return None


def _name(root: Path, path: Path) -> str:
    return path.absolute().relative_to(root.absolute()).as_posix()
