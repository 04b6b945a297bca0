"""Every value of a study examined by itself, so that all that is wrong can be said at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from fallline.contracts import Metric
from fallline.errors import FalllineError, StudyError
from fallline.study.components import COMPONENT_KINDS
from fallline.study.recipe_tables import RecipeTables
from fallline.study.resolve import resolve
from fallline.study.table_checks import NOT_TAKEN, check_key

if TYPE_CHECKING:
    from fallline.study.spec import Study


def value_checks(study: Study) -> Iterator[Callable[[], Any]]:
    """Functions that each examine one component or one key of the study's tables, and raise FalllineError."""
    tables = RecipeTables(study)
    named: list[Any] = []

    def find(kind: str, written: Any, place: str) -> Callable[[], None]:
        return lambda: named.append(tables.resolve(kind, written, place))

    for kind in COMPONENT_KINDS:
        for place, written in _written(tables, kind):
            yield find(kind, written, place)
    yield lambda: _task_loss(tables, named)
    for number, metric in enumerate(study.metrics, start=1):
        where = tables.place(f"metrics, {number} of {len(study.metrics)}")
        yield lambda metric=metric, where=where: resolve(Metric, metric, study.folder, where)
    for place, table, many in (
        ("base", tables.base, False),
        *((place, table, True) for place, table in tables.varied),
        *((place, table, False) for place, table in tables.points),
    ):
        for key in table:
            if key not in COMPONENT_KINDS:
                yield lambda place=place, table=table, key=key, many=many: _check_key(
                    tables, place, key, table[key], named, many
                )


def _check_key(tables: RecipeTables, place: str, key: str, value: Any, named: list[Any], many: bool) -> None:
    """``check_key``, which does not say that no component takes a key while one that is named is not known."""
    written = sum(len(_written(tables, kind)) for kind in COMPONENT_KINDS)
    try:
        check_key(tables, place, key, value, named, many)
    except StudyError as failure:
        if NOT_TAKEN not in str(failure) or len(named) >= written:
            raise


def _written(tables: RecipeTables, kind: str) -> list[tuple[str, Any]]:
    try:
        return list(tables.written(kind))
    except FalllineError:
        return []  # said when the trials are made


def _task_loss(tables: RecipeTables, named: list[Any]) -> None:
    """The loss of each task counts as named where no other is."""
    for component in list(named):
        if hasattr(component, "loss"):
            named.append(tables.resolve("loss", component.loss, f"task {component.name}"))
