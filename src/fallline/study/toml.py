"""Studies as TOML: reading files and built-in studies, writing the resolved form."""

from __future__ import annotations

import re
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

from fallline.errors import StudyError, UnknownName
from fallline.study.plain import plain
from fallline.study.spec import Study

MAX_BYTES = 1_000_000
"""A study file is a page of text; more is a mistake."""


def builtin_studies() -> dict[str, Any]:
    """The files of the built-in studies by name ("line/optimizers")."""
    home = resources.files("fallline.studies")
    families = sorted((f for f in home.iterdir() if f.is_dir()), key=lambda f: f.name)
    return {
        f"{family.name}/{file.name[:-5]}": file
        for family in families
        for file in sorted(family.iterdir(), key=lambda f: f.name)
        if file.name.endswith(".toml")
    }


def load_study(source: str | Path) -> Study:
    """The built-in study of that name, or the one in that TOML file.

    >>> load_study("line/optimizers").name
    'line/optimizers'
    """
    known = builtin_studies()
    if str(source) in known:
        return parse_study(known[str(source)].read_text(encoding="utf-8"), str(source))
    path = Path(source)
    if path.suffix == ".toml" or _exists(path):
        return _read(path)
    raise UnknownName("study", str(source)[:100], known, "a file of your own ends in .toml")


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name too long for the file system
        return False


def _read(path: Path) -> Study:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)  # a pipe or a device has no size to ask for
        text = content.decode("utf-8")
    except UnicodeDecodeError as failure:
        raise StudyError(f"{path} is not UTF-8 text: {failure.reason} at byte {failure.start}") from None
    except OSError as failure:
        raise StudyError(f"cannot read the study {str(path)[:100]}: {failure.strerror or failure}") from None
    if len(content) > MAX_BYTES:
        raise StudyError(f"{path} has more than {MAX_BYTES:,} bytes; a study file is a page of text")
    return parse_study(text, path.name, folder=path.parent.resolve())


def parse_study(text: str, where: str, folder: Path | None = None) -> Study:
    """The study in ``text``; ``where`` names it in errors, ``folder`` is the folder of its Python files.

    A study without a name is named after ``where``, which is its file where there is one.
    """
    try:
        values = tomllib.loads(text)
    except (ValueError, RecursionError) as failure:  # ValueError also for a number of thousands of digits
        raise StudyError(f"{where} is not valid TOML: {failure}") from None
    values.pop("folder", None)
    values.setdefault("name", _named_after(where))
    return Study(**values, folder=folder)


def _named_after(file: str) -> str:
    """The file's name without its ending, with a hyphen for characters that a study's name may not have."""
    return re.sub(r"[^A-Za-z0-9_./-]+", "-", file.removesuffix(".toml")).strip("-._") or "study"


def dump_study(study: Study) -> str:
    """The study as TOML; reading it back gives an equal study."""
    import tomli_w

    return tomli_w.dumps(plain(study))
