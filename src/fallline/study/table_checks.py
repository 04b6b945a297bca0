"""The keys and values of a study's tables: each key is taken by some component, each value keeps its law."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fallline.contracts import Hyperparameter
from fallline.errors import StudyError, UnknownName
from fallline.losses import builtin_losses
from fallline.optimizers import builtin_optimizers
from fallline.schedules import builtin_schedules
from fallline.study.common_hyperparameters import COMMON
from fallline.study.components import COMPONENT_KINDS, hyperparameters_of
from fallline.study.field_checks import check_in_float32
from fallline.study.formatting import shown
from fallline.study.recipe_fields import BUDGETS, FIELD_NAMES, check_field
from fallline.study.recipe_tables import TYPES, RecipeTables
from fallline.study.resolve import resolve, resolve_task
from fallline.study.test_leakage import asked_in_training
from fallline.tasks import builtin_tasks

NOT_TAKEN = "no recipe of this study has such a component"


def check_tables(tables: RecipeTables, named: Mapping[str, Mapping[str, Any]]) -> None:
    """StudyError, HyperparameterError or UnknownName with the place of what is wrong in ``tables``.

    ``named`` are the components that the study names, by kind and name.
    """
    _check_varied_once(tables)
    everyone = [component for components in named.values() for component in components.values()]
    _check_table(tables, "base", tables.base, everyone, many=False)
    for place, table in tables.varied:
        _check_table(tables, place, table, everyone, many=True)
    for place, point in tables.points:
        chosen = [tables.resolve(kind, point[kind], f"{place}.{kind}") for kind in COMPONENT_KINDS if kind in point]
        types = {type(component) for component in chosen}
        others = [component for component in everyone if type(component) not in types]
        _check_table(tables, place, point, [*chosen, *others], many=False)
    by_name = {component.name: component for component in everyone}
    for above, component_tables, many in (
        ("base", tables.component_bases, False),
        ("axes", tables.component_axes, True),
    ):
        for name, table in component_tables.items():
            if name not in by_name:
                known = named["optimizer"] if len(named["optimizer"]) else by_name
                raise UnknownName("optimizer of this study", name, known, tables.place(f"{above}.{name}"))
            _check_table(tables, f"{above}.{name}", table, [by_name[name]], many)


def _check_varied_once(tables: RecipeTables) -> None:
    """StudyError where a key varies in two places, or both budgets vary."""
    seen: dict[str, str] = {}
    for place, table in tables.varied:
        for key in table:
            if seen.setdefault(key, place) != place:
                raise StudyError(f"{key} varies in {seen[key]} and in {place} ({tables.study.name}); keep one of them")
        if len([budget for budget in BUDGETS if budget in table]) > 1:
            raise StudyError(
                f"a budget is given in steps or in epochs, not in both ({tables.place(place)}); keep one of them"
            )


def check_key(tables: RecipeTables, place: str, key: str, value: Any, owners: Sequence[Any], many: bool) -> None:
    """``_check_table`` of one key: StudyError, HyperparameterError or UnknownName."""
    _check_table(tables, place, {key: value}, owners, many)


def _check_table(tables: RecipeTables, place: str, table: Mapping[str, Any], owners: Sequence[Any], many: bool) -> None:
    """Check one table, whose hyperparameters ``owners`` take; an axis has ``many`` values for a key."""
    hyperparameters = [*(known for owner in owners for known in hyperparameters_of(owner)), *COMMON]
    names = {hyperparameter.name for hyperparameter in hyperparameters}
    for key, value in table.items():
        where = tables.place(f"{place}.{key}")
        if key not in FIELD_NAMES and key not in COMPONENT_KINDS and key not in names:
            raise _unknown(tables, place, key, value, names, where)
        if not many:
            _check_value(tables, key, value, hyperparameters, where)
            continue
        if not isinstance(value, list) or not value:
            raise StudyError(f"an axis is a list of at least one value, got {shown(value)} ({where})")
        for number, single in enumerate(value, start=1):
            _check_value(tables, key, single, hyperparameters, f"{where}, value {number} of {len(value)}")


def _check_value(
    tables: RecipeTables, key: str, value: Any, hyperparameters: Sequence[Hyperparameter], where: str
) -> None:
    if key == "task":
        resolve_task(value, tables.study, where)
    elif key in COMPONENT_KINDS:
        resolve(TYPES[key], value, tables.study.folder, where)
    elif key in FIELD_NAMES:
        check_field(key, value, where)
    else:
        for hyperparameter in [known for known in hyperparameters if known.name == key]:
            check_in_float32(hyperparameter, value, where)


def _unknown(tables: RecipeTables, place: str, key: str, value: Any, known: set[str], where: str) -> StudyError:
    """Why no recipe of the study has such a key, and what may be meant."""
    fields = set(type(tables.study).model_fields)
    if key in fields:
        return StudyError(
            f"{key} is a field of the study, not of a recipe ({where}); write it at the top of the "
            "file, above the first [table]"
        )
    if reason := asked_in_training(key, value):
        return StudyError(f"{reason} ({where})")
    built_in = {
        "optimizer": builtin_optimizers(),
        "loss": builtin_losses(),
        "schedule": builtin_schedules(),
        "task": builtin_tasks(),
    }
    owners = [
        f"{kind} {name}"
        for kind, components in built_in.items()
        for name, component in components.items()
        if any(hyperparameter.name == key for hyperparameter in hyperparameters_of(component))
    ]
    if owners:
        some = ", ".join(owners[:4]) + (f" and {len(owners) - 4} more" if len(owners) > 4 else "")
        return StudyError(f"{key} is a hyperparameter of {some}, and {NOT_TAKEN} ({where})")
    if place == "base":  # --set writes here whatever is no field of a study, misspelt ones too
        known = known | fields
    return UnknownName(
        "field or hyperparameter of a recipe of this study", key, {*known, *FIELD_NAMES, *COMPONENT_KINDS}, where
    )
