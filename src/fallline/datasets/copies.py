"""The data commands: list, get and verify."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fallline.contracts import Dataset
from fallline.contracts.registry import find, parts
from fallline.datasets.files import DataFile, find_copy, looked_in, places
from fallline.errors import DataError

# A gzip header may contain a name or a comment that the known copy does not have.
HEADER_BYTES = 4096


@dataclass(frozen=True)
class DataRow:
    """One dataset and its local files.

    ``found`` are the paths of the full files, ``missing`` the names of those that were not found, ``bytes_published``
    the size of a complete download. ``sample_shipped`` says whether a sample ships in the package.
    """

    name: str
    title: str
    found: tuple[Path, ...]
    missing: tuple[str, ...]
    bytes_published: int
    sample_shipped: bool
    licence: str


@dataclass(frozen=True)
class FileRow:
    """One file and its state: "ok", "missing" or "wrong", with the detail in words."""

    dataset: str
    file: str
    state: str
    detail: str


def list_data(folder: Path | str | None = None) -> list[DataRow]:
    """One row per dataset, by name. Looks for files, does not read them."""
    rows = []
    for name, dataset in sorted(_known().items()):
        full = _of_size(dataset, "full")
        copy = find_copy(full, folder)
        rows.append(
            DataRow(
                name,
                dataset.title,
                tuple(path for _, path in copy.found),
                tuple(file.names[0] for file in copy.missing),
                sum(file.bytes_published for file in full),
                dataset.has_sample,
                dataset.licence,
            )
        )
    return rows


def get_data(
    name: str,
    folder: Path | str | None = None,
    progress: Callable[[int, int], None] | None = None,
    mirrors: Sequence[str] | None = None,
    timeout_seconds: float = 30.0,
    pause_seconds: float = 1.0,
) -> Path:
    """The folder that holds the full data, after missing and wrong files were fetched.

    ``folder`` is the destination (else FALLLINE_DATA, else the user's cache), in a sub-folder by the dataset's name.
    ``progress(bytes_done, bytes_total)`` is called as bytes arrive. ``mirrors`` are URLs in place of the published
    ones, without the file's name. Raises DataError, or UnknownName.
    """
    from fallline.datasets.fetch import fetch

    files = _of_size(_find(name), "full")
    total = sum(file.bytes_published for file in files)
    home, done = None, 0
    for file in files:
        there = _right_copy(file, folder)
        if there is None:
            path = places(folder)[0] / file.folders[0] / file.published
            urls = [f"{mirror.rstrip('/')}/{file.published}" for mirror in mirrors] if mirrors else file.urls
            fetch(
                urls,
                path,
                max_bytes=file.bytes_published + HEADER_BYTES,
                check=_checker(file),
                progress=progress and (lambda n, before=done: progress(min(before + n, total), total)),
                timeout_seconds=timeout_seconds,
                pause_seconds=pause_seconds,
            )
            home = path.parent
        else:
            home = home or there
        done += file.bytes_published
        if progress:
            progress(done, total)
    return home


def verify_data(name: str | None = None, folder: Path | str | None = None) -> list[FileRow]:
    """One row per file of one dataset, or of all: every byte of a file is read and compared with its hash.

    A sample outside the package is reported only where some of it is present.
    """
    rows = []
    for dataset in [_find(name)] if name else [part for _, part in sorted(_known().items())]:
        for size in ("full", "sample"):
            copy = find_copy(_of_size(dataset, size), folder)
            if size == "sample" and not copy.found:
                continue
            rows += [_verified(dataset.name, file, path) for file, path in copy.found]
            rows += [_missing(dataset.name, file, folder) for file in copy.missing]
    return rows


def _verified(dataset: str, file: DataFile, path: Path) -> FileRow:
    try:
        return FileRow(dataset, str(path), "ok", _checker(file)(path))
    except DataError as error:
        return FileRow(dataset, str(path), "wrong", str(error))


def _missing(dataset: str, file: DataFile, folder: Path | str | None) -> FileRow:
    return FileRow(dataset, file.names[0], "missing", f"looked in {looked_in([file], folder)}")


def _right_copy(file: DataFile, folder: Path | str | None) -> Path | None:
    """The folder of a correct copy, or None."""
    copy = find_copy([file], folder)
    if copy.missing or any(_verified("", each, path).state != "ok" for each, path in copy.found):
        return None
    return copy.found[0][1].parent


def _checker(file: DataFile) -> Callable[[Path], str]:
    from fallline.datasets.source import check_file

    return lambda path: check_file(file, path)


def _of_size(dataset: Dataset, size: str) -> tuple[DataFile, ...]:
    return tuple(file for file in dataset.files if file.size == size)


def _known() -> dict[str, Dataset]:
    return parts("fallline.datasets", Dataset)


def _find(name: str) -> Dataset:
    return find("fallline.datasets", Dataset, name)
