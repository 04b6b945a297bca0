"""A data file read once, front to back, plain or gzipped, and never further than requested."""

from __future__ import annotations

import gzip
import hashlib
import stat
import zlib
from pathlib import Path

from fallline.datasets.files import DataFile
from fallline.errors import DataError

CHUNK_BYTES = 1 << 20
_TORN = (OSError, EOFError, zlib.error)


class Source:
    """An open data file. DataError with the file's name for anything unexpected.

    Memory grows with the bytes that were read, never with what a header claims.
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self.bytes_read = 0
        self._hash = hashlib.sha256()
        try:
            if not stat.S_ISREG(self.path.stat().st_mode):
                raise DataError(f"{self.path} is not a regular file")
            self._raw = open(self.path, "rb")  # noqa: SIM115  (closed by __exit__)
        except OSError as error:
            raise DataError(f"cannot read {self.path}: {error.strerror or error}") from error
        packed = self._raw.read(2) == b"\x1f\x8b"
        self._raw.seek(0)
        self._stream = gzip.GzipFile(fileobj=self._raw, mode="rb") if packed else self._raw

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        self._raw.close()

    @property
    def sha256(self) -> str:
        """The hash of the unpacked bytes that were read so far."""
        return self._hash.hexdigest()

    def read(self, count: int) -> bytes:
        """Up to ``count`` bytes; none at the end."""
        try:
            data = self._stream.read(count)
        except _TORN as error:
            raise DataError(f"{self.path} is corrupt: after {self.bytes_read:,} unpacked bytes: {error}") from error
        self._hash.update(data)
        self.bytes_read += len(data)
        return data

    def take(self, count: int, what: str) -> bytearray:
        """Exactly ``count`` bytes, which are ``what``."""
        data = bytearray()
        while len(data) < count:
            piece = self.read(min(CHUNK_BYTES, count - len(data)))
            if not piece:
                raise DataError(f"{self.path} is cut short: {what} must take {count:,} bytes, {len(data):,} are there")
            data += piece
        return data

    def end(self) -> None:
        """Check that nothing follows. For a gzipped file this also checks its checksum."""
        if self.read(1):
            raise DataError(
                f"{self.path} continues after its {self.bytes_read - 1:,} bytes of content; it must end there"
            )


def check_hash(file: DataFile, path: Path, found: str) -> None:
    """DataError unless ``found`` is the hash of the unpacked ``file``."""
    if file.sha256_unpacked and found != file.sha256_unpacked:
        raise DataError(
            f"{path} is not {file.name} as published: the SHA-256 of its content is {found}, expected "
            f"{file.sha256_unpacked}; download it again"
        )


def check_head(file: DataFile, path: Path, content: bytes | bytearray) -> None:
    """DataError unless ``content`` starts with the known bytes of ``file``."""
    if file.head is None:
        return
    length, expected = file.head
    found = hashlib.sha256(memoryview(content)[:length]).hexdigest()
    if found != expected:
        raise DataError(
            f"{path} is not {file.name} as published: the SHA-256 of its first {length:,} bytes is "
            f"{found}, expected {expected}; download it again"
        )


def check_file(file: DataFile, path: Path) -> str:
    """What was checked of the copy at ``path``, in words, or DataError. Holds one chunk at a time in memory."""
    if file.sha256_published and _file_sha256(path) in file.sha256_published:
        return "SHA-256 as published"
    if not file.bytes_unpacked:
        raise DataError(
            f"{path} is not {file.published} as published: its SHA-256 is {_file_sha256(path)}, expected "
            f"{' or '.join(file.sha256_published)}; download it again"
        )
    with Source(path) as source:
        beginning = source.take(file.head[0] if file.head else 0, "its beginning")
        while source.bytes_read < file.bytes_unpacked:
            if not source.read(min(CHUNK_BYTES, file.bytes_unpacked - source.bytes_read)):
                raise DataError(
                    f"{path} is cut short: it must hold {file.bytes_unpacked:,} bytes, {source.bytes_read:,} are there"
                )
        source.end()
    check_head(file, path, beginning)
    check_hash(file, path, source.sha256)
    if file.sha256_unpacked:
        return "SHA-256 of the content as it must be"
    return "length and beginning as they must be (no hash of the whole is known)"


def _file_sha256(path: Path) -> str:
    try:
        with open(path, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
