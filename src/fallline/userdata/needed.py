"""Packages that only some data needs, imported when they are used."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from fallline.errors import DataError


def needed(module: str, package: str, what: str) -> Any:
    """The ``module``; DataError that says what to install where it is missing."""
    try:
        return import_module(module)
    except ImportError as failure:
        raise DataError(f"{what} needs the package {package}: pip install '{package}' ({failure})") from None
