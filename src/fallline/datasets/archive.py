"""A published tar.gz: its expected members are read into memory, nothing is written to disk."""

from __future__ import annotations

import gzip
import hashlib
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from fallline.datasets.files import DataFile
from fallline.errors import DataError

MAX_MEMBERS = 100
SLACK_BYTES = 4 << 20  # headers, padding and small text files

# What Python's tar and gzip readers raise on malicious bytes (nested headers end in RecursionError).
_BROKEN = (tarfile.TarError, OSError, EOFError, ValueError, OverflowError, zlib.error, RecursionError, MemoryError)


def read_known_archive(file: DataFile, path: Path, inner: str) -> dict[str, bytes]:
    """The members of a published archive by name; its SHA-256 is checked before it is opened."""
    wanted = {f"{inner}/{member.name}": member.bytes_unpacked for member in file.members}
    try:
        with open(path, "rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
            if found not in file.sha256_published:
                raise DataError(
                    f"{path} is not {file.published} as published: its SHA-256 is {found}, expected "
                    f"{' or '.join(file.sha256_published)}; download it again"
                )
            stream.seek(0)
            members = read_members(stream, path, wanted)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    return {name.removeprefix(f"{inner}/"): content for name, content in members.items()}


def read_members(stream: BinaryIO, path: Path | str, wanted: Mapping[str, int]) -> dict[str, bytes]:
    """The contents of the members ``wanted`` (their exact sizes by name) of the tar.gz in ``stream``.

    DataError for a path that leaves the archive, a link, a device, a duplicate member or one of another size, too many
    members or too many unpacked bytes. Other plain files are ignored.
    """
    found: dict[str, bytes] = {}
    try:
        with gzip.GzipFile(fileobj=stream, mode="rb") as unpacked:
            bounded = _Bounded(unpacked, sum(wanted.values()) + SLACK_BYTES, path)
            with tarfile.open(fileobj=bounded, mode="r:") as tar:
                for number, member in enumerate(tar):
                    _check_member(member, number, path)
                    if member.name in wanted and not member.isdir():
                        if member.name in found:
                            raise DataError(f"{path} holds {member.name} twice")
                        found[member.name] = _content(tar, member, wanted[member.name], path)
    except _BROKEN as error:
        raise DataError(f"{path} is corrupt or not a tar.gz: {error or type(error).__name__}") from error
    if lacking := sorted(wanted.keys() - found.keys()):
        raise DataError(f"{path} lacks {', '.join(lacking)}")
    return found


def _check_member(member: tarfile.TarInfo, number: int, path: Path | str) -> None:
    if number >= MAX_MEMBERS:
        raise DataError(f"{path} holds more than {MAX_MEMBERS} members")
    if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE) or member.issparse():
        raise DataError(
            f"{path}: member {member.name!r} must be a plain file or a folder; it is a link, a device or "
            "of another special kind"
        )
    if member.name.startswith(("/", "\\")) or ".." in member.name.replace("\\", "/").split("/") or ":" in member.name:
        raise DataError(f"{path}: member {member.name!r} leads out of the archive")


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo, size: int, path: Path | str) -> bytes:
    if member.size != size:
        raise DataError(f"{path}: member {member.name} says it holds {member.size:,} bytes, expected {size:,}")
    stream = tar.extractfile(member)
    content = stream.read(size) if stream else b""
    if len(content) != size:
        raise DataError(f"{path}: member {member.name} is cut short: {len(content):,} of {size:,} bytes")
    return content


class _Bounded:
    """A stream for the tar reader that refuses to unpack more than ``limit`` bytes."""

    def __init__(self, stream: gzip.GzipFile, limit: int, path: Path | str):
        self._stream, self._limit, self._path = stream, limit, path

    def read(self, count: int) -> bytes:
        self._check(self._stream.tell() + count)
        return self._stream.read(count)

    def seek(self, position: int) -> int:
        self._check(position)
        return self._stream.seek(position)

    def tell(self) -> int:
        return self._stream.tell()

    def _check(self, position: int) -> None:
        if position > self._limit:
            raise DataError(f"{self._path} unpacks to more than {self._limit:,} bytes; nothing beyond was read")
