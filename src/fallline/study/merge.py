"""Applying changes to a study: presets and ``--set``, table by table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fallline.study.recipe_fields import BUDGETS

_TABLES = ("base", "axes")


def merge(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """``values`` with ``changes`` applied: base, axes, target, scale and data key by key, all else replaced.

    Where the changes remove an optimizer from base and axes, its own tables there are removed as well.
    """
    merged = dict(values)
    for key, change in changes.items():
        if key in _TABLES and isinstance(change, Mapping):
            merged[key] = _merge_table(merged.get(key, {}), change)
        elif (
            key in ("target", "scale", "data", "search") and isinstance(change, Mapping) and merged.get(key) is not None
        ):
            table = merged[key]
            merged[key] = (table.model_dump(exclude_unset=True) if hasattr(table, "model_dump") else {}) | change
        else:
            merged[key] = change
    gone = _optimizers(values) - _optimizers(merged)
    for part in _TABLES:
        if gone and isinstance(merged.get(part), Mapping):
            kept = changes.get(part, {})
            merged[part] = {
                key: value
                for key, value in merged[part].items()
                if key not in gone or key in kept or not isinstance(value, Mapping)
            }
    return merged


def _optimizers(values: Mapping[str, Any]) -> set[str]:
    """The optimizers that base and axes name."""
    tables = [values[part] for part in _TABLES if isinstance(values.get(part), Mapping)]
    written = [table.get("optimizer", []) for table in tables]
    listed = [name for names in written for name in (names if isinstance(names, list) else [names])]
    return {name for name in listed if isinstance(name, str)}


def _merge_table(table: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(table)
    if any(budget in changes for budget in BUDGETS):  # a budget in epochs replaces one in steps, and the reverse
        merged = {key: value for key, value in merged.items() if key not in BUDGETS}
    for key, change in changes.items():
        if isinstance(change, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = _merge_table(merged[key], change)
        else:
            merged[key] = change
    return merged
