"""``fallline parts``: what may be written in a recipe, with the numbers each part takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from fallline.cli.terminal import new_screen
from fallline.contracts import Hyperparameter
from fallline.errors import UnknownName
from fallline.study.formatting import exact


def parts_table(kind: str | None) -> None:
    """The parts of one kind, or of all kinds."""
    kinds = _kinds()
    if kind is not None and kind not in kinds:
        several = {f"{kind}s", f"{kind}es"} & set(kinds)  # "optimizer", "loss"
        if not several:
            raise UnknownName("kind of part", kind, kinds)
        kind = several.pop()
    console = new_screen()
    for name in [kind] if kind else kinds:
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
        table.add_column(name, no_wrap=True)
        table.add_column("numbers and their defaults")
        table.add_column("what it is")
        for part, (hyperparameters, meaning) in kinds[name]().items():
            table.add_row(part, Text(", ".join(map(_with_default, hyperparameters))), Text(meaning))
        console.print(table)
        console.print()


Row = tuple[tuple[Hyperparameter, ...], str]


def _kinds() -> Mapping[str, Callable[[], dict[str, Row]]]:
    return {
        "optimizers": _optimizers,
        "schedules": _schedules,
        "losses": _losses,
        "metrics": _metrics,
        "tasks": _tasks,
        "models": _models,
        "fields": _fields,
        "orders": _orders,
        "hyperparameters": _hyperparameters,
    }


def _optimizers() -> dict[str, Row]:
    from fallline.optimizers import builtin_optimizers

    return {name: (part.hyperparameters, part.title) for name, part in sorted(builtin_optimizers().items())}


def _schedules() -> dict[str, Row]:
    from fallline.schedules import builtin_schedules

    return {name: (part.hyperparameters, part.title) for name, part in sorted(builtin_schedules().items())}


def _losses() -> dict[str, Row]:
    from fallline.losses import builtin_losses

    return {name: (part.hyperparameters, part.title) for name, part in sorted(builtin_losses().items())}


def _metrics() -> dict[str, Row]:
    from fallline.metrics import builtin_metrics

    return {name: ((), part.title) for name, part in sorted(builtin_metrics().items())}


def _tasks() -> dict[str, Row]:
    from fallline.tasks import builtin_tasks, task_families

    known: dict[str, Row] = {
        name: (task.model.hyperparameters, task.title) for name, task in sorted(builtin_tasks().items())
    }
    return known | {f"{name}-H": ((), family.title) for name, family in sorted(task_families().items())}


def _models() -> dict[str, Row]:
    """The models of data from files, with the sizes that each takes."""
    from fallline.models.by_name import FITTING, SIZES

    kinds = {"values": "tables and arrays"}
    return {
        name: (
            (),
            f"for {', '.join(kinds.get(kind, kind) for kind, models in FITTING.items() if name in models)}; "
            + (", ".join(f"{size} {default}" for size, default in sizes.items()) or "no sizes"),
        )
        for name, sizes in SIZES.items()
    }


def _orders() -> dict[str, Row]:
    from fallline.batching import ORDERS

    return {name: ((), (getattr(order, "__doc__", "") or "").split("\n")[0]) for name, order in ORDERS.items()}


def _fields() -> dict[str, Row]:
    """The fields of a recipe besides its components and hyperparameters, each with its default."""
    from fallline.study.recipe_fields import FIELDS

    return {field.name: ((), field.in_words) for field in FIELDS}


def _hyperparameters() -> dict[str, Row]:
    """The numbers that every recipe may have."""
    from fallline.study.common_hyperparameters import COMMON

    return {number.name: ((number,), number.meaning) for number in COMMON}


def _with_default(number: Hyperparameter) -> str:
    if number.default is None:
        return number.name + (" (optional)" if number.optional else "")
    value: Any = bool(number.default) if number.flag else number.default
    return f"{number.name} {exact(value)}" if isinstance(value, float) else f"{number.name} {value}".lower()
