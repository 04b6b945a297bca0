"""Changing a study from outside: ``--set steps=500``."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from fallline.errors import StudyError
from fallline.study.formatting import shown

if TYPE_CHECKING:
    from fallline.study.spec import Study


def parse_settings(settings: Iterable[str], fields: Iterable[str]) -> dict[str, Any]:
    """``["steps=500", "axes.learning_rate=[0.1, 0.01]"]`` as changes to a study.

    A key that is no field of a study is taken as a key of ``base``. A value is TOML; a bare word is a string.
    """
    fields = set(fields)
    changes: dict[str, Any] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        path = key.strip().split(".")
        if not equals or not all(path):
            raise StudyError(f"--set takes name=value, got {setting!r}; for example --set steps=500")
        if path[0] not in fields:
            path = ["base", *path]
        table = changes
        for step in path[:-1]:
            table = table.setdefault(step, {})
            if not isinstance(table, dict):
                raise StudyError(f"--set {setting}: {step} was set to a value before, so it holds no keys")
        table[path[-1]] = _value(text.strip(), setting)
    return changes


def refuse_hidden(study: Study, changes: Mapping[str, Any]) -> None:
    """StudyError where a change of the base would reach no trial, since an axis gives that key in each of them."""
    if study.points or study.design != "cross":
        return
    for key in changes.get("base", {}):
        for place, table in [("axes", study.axes), *((f"zip {n + 1}", group) for n, group in enumerate(study.zip))]:
            if key in table and not isinstance(table[key], Mapping):
                raise StudyError(
                    f"--set {key} would change nothing: {key} is among the {place} of {study.name}, which "
                    f"hold for every trial; write --set 'axes.{key}=[...]'"
                )


def _value(text: str, setting: str) -> Any:
    try:
        values = tomllib.loads(f"value = {text}")
        if values.keys() == {"value"}:
            return values["value"]
    except tomllib.TOMLDecodeError:
        if text and not set(text) & set("[]{}\"'=,\n"):
            return text
    except (ValueError, RecursionError):
        pass  # a number of thousands of digits, a list nested thousands deep
    raise StudyError(
        f'--set {shown(setting)}: {shown(text)} is not a value; write a number, a word, "text" '
        "or a list such as [0.1, 0.01]"
    )
