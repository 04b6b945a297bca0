"""Data files: their names, hashes and mirrors, and the folders that are searched for a copy."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from fallline.errors import DataError, UnknownName

SIZES = ("sample", "full")
VARIABLE = "FALLLINE_DATA"


@dataclass(frozen=True)
class DataFile:
    """One file of a dataset.

    ``name`` is its name unpacked; ``published`` its name on the mirrors ``urls``. ``folders`` are the sub-folders that
    may hold it; a downloaded copy goes into the first. ``sha256_unpacked`` is empty where no hash of the whole content
    is known; then ``head`` may give the length in bytes and the hash of the first bytes. ``sha256_published`` are
    hashes of the file as the mirrors provide it. ``members`` are the files that may be there instead, unpacked, where
    this one is an archive. ``size`` is "full", or "sample" for a file of a sample that does not ship in the package.
    """

    name: str
    folders: tuple[str, ...]
    bytes_unpacked: int = 0
    sha256_unpacked: str = ""
    head: tuple[int, str] | None = None
    published: str = ""
    bytes_published: int = 0
    sha256_published: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    size: str = "full"
    members: tuple[DataFile, ...] = field(default=(), repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """The possible names of a copy, in the order of the search. An archive is only read as published."""
        if self.members:
            return (self.published,)
        return tuple(dict.fromkeys(filter(None, (self.published, f"{self.name}.gz", self.name))))


class Copy(NamedTuple):
    """The files that were found, each with its path, and the missing ones."""

    found: tuple[tuple[DataFile, Path], ...]
    missing: tuple[DataFile, ...]


def places(folder: Path | str | None = None) -> list[Path]:
    """The folders that may hold data, in the order of the search.

    A given folder is the only one; else the one in the variable FALLLINE_DATA, then the user's cache.
    """
    if folder is not None:
        return [Path(folder).expanduser()]
    from platformdirs import user_cache_path

    named = os.environ.get(VARIABLE)
    return [*([Path(named).expanduser()] if named else []), user_cache_path("fallline") / "data"]


def find_file(file: DataFile, folder: Path | str | None = None) -> Path | None:
    """The first copy of ``file``, packed or not, or None."""
    for place in places(folder):
        for inner in file.folders:
            for name in file.names:
                if (path := place / inner / name).is_file():
                    return path
    return None


def find_copy(files: Iterable[DataFile], folder: Path | str | None = None) -> Copy:
    """The copies of ``files``. The members replace their archive where some of them are there and it is not."""
    found, missing = [], []
    for file in files:
        members = [(member, find_file(member, folder)) for member in file.members]
        if (path := find_file(file, folder)) is not None:
            found.append((file, path))
        elif any(path for _, path in members):
            found += [(member, path) for member, path in members if path]
            missing += [member for member, path in members if not path]
        else:
            missing.append(file)
    return Copy(tuple(found), tuple(missing))


def need_copy(dataset: str, files: Iterable[DataFile], folder: Path | str | None, or_else: str = "") -> Copy:
    """A complete copy of ``files``, or DataError with the files, the folders and the remedy."""
    copy = find_copy(files, folder)
    if copy.missing:
        raise missing_files(dataset, copy.missing, folder, or_else)
    return copy


def missing_files(dataset: str, missing: Iterable[DataFile], folder: Path | str | None, or_else: str) -> DataError:
    """The error for files that were not found."""
    missing = tuple(missing)
    names = ", ".join(file.names[0] for file in missing)
    return DataError(
        f"{dataset}: {names} not found (packed or unpacked); looked in {looked_in(missing, folder)}. Fetch the full "
        f"data with `fallline data get {dataset}`, or name the folder that holds {missing[0].folders[0]}/ by "
        f"--data DIR or {VARIABLE}{or_else}"
    )


def looked_in(files: Iterable[DataFile], folder: Path | str | None) -> str:
    """The folders that are searched for ``files``, in words."""
    inner = dict.fromkeys(name for file in files for each in (file, *file.members) for name in each.folders)
    return ", ".join(str(place / name) for place in places(folder) for name in inner)


def check_size(dataset: str, size: str) -> str:
    """``size``, or UnknownName where it is neither "sample" nor "full"."""
    if size not in SIZES:
        raise UnknownName("size of data", size, SIZES, dataset)
    return size
