"""A study as plain tables: what is hashed and what is written as TOML."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fallline.contracts import Loss, Metric, Optimizer, Schedule, Task

if TYPE_CHECKING:
    from fallline.study.spec import Study


def plain(study: Study) -> dict[str, Any]:
    """The study as plain tables without the fields that were left out; components given as Python objects by name."""
    return _plain(
        {
            key: getattr(study, key)
            for key in type(study).model_fields
            if key in study.model_fields_set and key != "folder"
        }
    )


def _plain(value: Any) -> Any:
    if isinstance(value, (Task, Optimizer, Loss, Metric, Schedule)):
        return value.name
    if hasattr(value, "model_dump"):
        return _plain(value.model_dump(exclude_unset=True))
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return value
