"""The components that the tables of a study name, found and checked for names that two of them have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from fallline.contracts import Loss, Optimizer, Schedule, Task
from fallline.errors import StudyError
from fallline.study.components import COMPONENT_KINDS, Components
from fallline.study.resolve import resolve, resolve_task

if TYPE_CHECKING:
    from fallline.study.spec import Study

TYPES = {"task": Task, "optimizer": Optimizer, "loss": Loss, "schedule": Schedule}


class RecipeTables:
    """The tables of a study, split into the keys of all recipes and the tables of single components.

    ``base`` and ``axes`` hold the former, ``component_bases`` and ``component_axes`` the latter by the
    component's name.
    ``varied`` are all tables of axes and ``points`` the listed recipes, each with its place in the study.
    """

    def __init__(self, study: Study):
        self.study = study
        self.base, self.component_bases = _split(study.base)
        self.axes, self.component_axes = _split(study.axes)
        self.varied = [("axes", self.axes), *((f"zip {n + 1}", group) for n, group in enumerate(study.zip))]
        self.points = [(f"points, {n + 1} of {len(study.points)}", point) for n, point in enumerate(study.points)]

    def place(self, inside: str) -> str:
        """A place in the study as errors say it."""
        return f"{self.study.name}, {inside}"

    def resolve(self, kind: str, written: Any, place: str) -> Any:
        """The component of that kind that ``written`` means."""
        if kind == "task":
            return resolve_task(written, self.study, self.place(place))
        return resolve(TYPES[kind], written, self.study.folder, self.place(place))

    def components(self, settings: dict[str, Any]) -> Components:
        """The components that ``settings`` name, or else the base, or else the study and its task."""
        written = {"task": self.study.task, "schedule": "constant"} | self.base | settings
        if "optimizer" not in written:
            raise StudyError(
                f'no optimizer is chosen ({self.study.name}); write optimizer = "adam" under [base], '
                'or optimizer = ["adam", "momentum"] under [axes]'
            )
        task = self.resolve("task", written["task"], "task")
        return Components(
            task,
            self.resolve("optimizer", written["optimizer"], "optimizer"),
            self.resolve("loss", written.get("loss", task.loss), "loss"),
            self.resolve("schedule", written["schedule"], "schedule"),
        )

    def named(self, kind: str) -> dict[str, Any]:
        """Every component of that kind that the study names anywhere; StudyError where two have one name."""
        components: dict[str, Any] = {}
        for place, written in self.written(kind):
            component = self.resolve(kind, written, place)
            if components.setdefault(component.name, component) != component:
                raise StudyError(
                    f"two {kind}s are named {component.name!r} ({self.place(place)}); "
                    "give each a name of its own, since records are kept by name"
                )
        if kind == "loss":  # and the loss of each task, which is used where no other is chosen
            for task in self.named("task").values():
                component = self.resolve("loss", task.loss, f"task {task.name}")
                components.setdefault(component.name, component)
        return components

    def all_named(self) -> dict[str, dict[str, Any]]:
        """``named`` of every kind."""
        return {kind: self.named(kind) for kind in COMPONENT_KINDS}

    def written(self, kind: str) -> Iterator[tuple[str, Any]]:
        """Each place that names a component of that kind, and what is written there."""
        for name, table in self.component_bases.items():
            if kind in table:
                raise StudyError(
                    f"{kind} cannot be chosen in a table of one component ({self.place(f'base.{name}.{kind}')}); "
                    "write points = [{...}, ...] to give some recipes other components"
                )
        for place, table in [("base", self.base), *self.points]:
            if kind in table:
                yield f"{place}.{kind}", table[kind]
        if kind in ("task", "schedule"):
            yield kind, self.study.task if kind == "task" else "constant"
        for place, table in self.varied:
            values = table.get(kind, [])
            values = values if isinstance(values, list) else [values]
            for number, written in enumerate(values, start=1):
                yield f"{place}.{kind}, value {number} of {len(values)}", written


def _split(table: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """A table's own keys, and its tables of single components."""
    general = {key: value for key, value in table.items() if not isinstance(value, Mapping)}
    return general, {key: dict(value) for key, value in table.items() if isinstance(value, Mapping)}
