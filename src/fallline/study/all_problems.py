"""Every value of a study examined by itself, so that all that is wrong can be said at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from fallline.contracts import Metric, Task
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
    unknown: list[str] = []

    def find(kind: str, written: Any, place: str) -> None:
        try:
            named.append(tables.resolve(kind, written, place))
        except FalllineError:
            unknown.append(kind)
            raise

    def key(place: str, name: str, value: Any, many: bool) -> None:
        try:
            check_key(tables, place, name, value, named, many)
        except StudyError as failure:
            if NOT_TAKEN not in str(failure) or not unknown:  # else a component that is not known may take it
                raise

    for kind in COMPONENT_KINDS:
        for place, written in _written(tables, kind):
            yield partial(find, kind, written, place)
    yield lambda: _task_loss(tables, named)
    for number, metric in enumerate(study.metrics, start=1):
        where = tables.place(f"metrics, {number} of {len(study.metrics)}")
        yield partial(resolve, Metric, metric, study.folder, where)
    for place, table, many in (
        ("base", tables.base, False),
        *((place, table, True) for place, table in tables.varied),
        *((place, table, False) for place, table in tables.points),
    ):
        for name, value in table.items():
            if name not in COMPONENT_KINDS:
                yield partial(key, place, name, value, many)


def _written(tables: RecipeTables, kind: str) -> list[tuple[str, Any]]:
    try:
        return list(tables.written(kind))
    except FalllineError:
        return []  # said when the trials are made


def _task_loss(tables: RecipeTables, named: list[Any]) -> None:
    """The loss of each task counts as named where no other is."""
    for component in list(named):
        if isinstance(component, Task):
            named.append(tables.resolve("loss", component.loss, f"task {component.name}"))
