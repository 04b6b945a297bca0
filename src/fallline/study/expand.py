"""From a study to its trials: axes cross or zip, numbers go to the parts that take them, seeds multiply."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fallline.batching import BatchPolicy
from fallline.contracts import Hyperparameter, Loss, Optimizer, Schedule, Task
from fallline.errors import StudyError, UnknownName
from fallline.losses import builtin_losses
from fallline.optimizers import builtin_optimizers
from fallline.schedules import builtin_schedules
from fallline.study.budget import batches_of, steps_of
from fallline.study.formatting import shown
from fallline.study.parts import CHOICES, COMMON, CheckedHyperparameters, Parts, hyperparameters_of
from fallline.study.resolve import resolve, resolve_task
from fallline.study.spec import Study
from fallline.study.test_leakage import asked_in_training
from fallline.study.trial import Recipe, Trial
from fallline.study.values import BUDGETS, FIELDS, check_field, check_number
from fallline.tasks import tasks
from fallline.tasks.folds import FoldSplit, cuts

KINDS = {"task": Task, "optimizer": Optimizer, "loss": Loss, "schedule": Schedule}
MAX_TRIALS = 200_000
MAX_ROWS = 500_000_000
"""Points of curves in a study: some 10 GB; more is a mistake."""

Settings = dict[str, Any]


def expand(study: Study) -> list[Trial]:
    """Every trial of ``study`` once: configurations in the order of their axes, each with all seeds."""
    seeds, parts, found = study.seed_list, cuts(study.holdout, study.folds), dict[tuple[str, Recipe], Task]()
    for task, recipe in Expansion(study).recipes():
        found[task.name, recipe] = task
        if len(found) * len(seeds) * len(parts) > MAX_TRIALS:
            raise StudyError(f"study {study.name} has more than {MAX_TRIALS:,} trials; give fewer values or seeds")
    rows = len(seeds) * len(parts) * sum(recipe.steps // study.record_every + 1 for _, recipe in found)
    if rows > MAX_ROWS:
        raise StudyError(
            f"study {study.name} would record {rows:,} points of curves, more than {MAX_ROWS:,}; "
            f"record fewer: record_every = {study.record_every * -(-rows // MAX_ROWS)}"
        )
    return [
        Trial(task, study.data, recipe, seed, study.evaluate_every, study.record_every, cut)
        for cut in parts
        for (_, recipe), task in found.items()
        for seed in seeds
    ]


class Expansion:
    """The tables of one study, split into what belongs to all recipes and what belongs to those with one part."""

    def __init__(self, study: Study):
        self.study = study
        self.base, self.own_base = _split(study.base)
        self.axes, self.own_axes = _split(study.axes)
        self.varied = [("axes", self.axes), *((f"zip {n + 1}", group) for n, group in enumerate(study.zip))]
        self.points = [(f"points, {n + 1} of {len(study.points)}", point) for n, point in enumerate(study.points)]
        self.cut = cuts(study.holdout, study.folds)[0]
        self._recipes: dict[tuple[Any, ...], _Recipes] = {}
        self.named = {choice: self._named(choice) for choice in CHOICES}
        self._check()

    def recipes(self) -> Iterator[tuple[Task, Recipe]]:
        """Recipes with their tasks, in order; the same one may come twice."""
        choices = {key: self.axes[key] for key in ("optimizer", *CHOICES) if key in self.axes}
        groups = [_rows(group, self._place(place)) for place, group in self.varied[1:]]
        if not (self.study.points and not self.study.axes and not self.study.zip):
            for chosen in itertools.product(*choices.values()):
                for rows in itertools.product(*groups):
                    outer = dict(zip(choices, chosen, strict=True))
                    for row in rows:
                        outer |= row
                    yield from self._inner(outer)
        for place, point in self.points:
            yield self._of(self._parts(point), self._place(place)).recipe(point)

    def _inner(self, outer: Settings) -> Iterator[tuple[Task, Recipe]]:
        """All recipes with the same parts and one row of each zip group."""
        parts = self._parts(outer)
        taken = {*FIELDS, *parts.taken}
        axes = {
            key: values for key, values in self.axes.items() if key in taken and key not in outer and key not in CHOICES
        }
        for name in parts.names:
            axes |= self.own_axes.get(name, {})
        if math.prod(len(values) for values in axes.values()) > MAX_TRIALS:
            raise StudyError(
                f"study {self.study.name}: the axes of {parts.optimizer.name} alone cross to more than "
                f"{MAX_TRIALS:,} recipes; zip some of them or give fewer values"
            )
        if self.study.design == "one_at_a_time":
            rows: Any = [{}, *({key: value} for key, values in axes.items() for value in values)]
        else:
            rows = (dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values()))
        recipes = self._of(parts, self._place("base"))
        for row in rows:
            yield recipes.recipe(outer | row)

    def _of(self, parts: Parts, where: str) -> _Recipes:
        """All recipes of these parts that are written in one place."""
        key = (where, *map(id, parts))
        if key not in self._recipes:
            tables = [self.base, *(self.own_base.get(name, {}) for name in parts.names)]
            self._recipes[key] = _Recipes(self.study, CheckedHyperparameters(parts, where), tables, self.cut)
        return self._recipes[key]

    def _parts(self, settings: Settings) -> Parts:
        """The parts that settings name, or the base, or the study and its task."""
        written = {"task": self.study.task, "schedule": "constant"} | self.base | settings
        if "optimizer" not in written:
            raise StudyError(
                f'no optimizer is chosen ({self.study.name}); write optimizer = "adam" under [base], '
                'or optimizer = ["adam", "momentum"] under [axes]'
            )
        task = self._resolve("task", written["task"], "task")
        return Parts(
            task,
            self._resolve("optimizer", written["optimizer"], "optimizer"),
            self._resolve("loss", written.get("loss", task.loss), "loss"),
            self._resolve("schedule", written["schedule"], "schedule"),
        )

    def _resolve(self, choice: str, written: Any, place: str) -> Any:
        if choice == "task":
            return resolve_task(written, self.study, self._place(place))
        return resolve(KINDS[choice], written, self.study.folder, self._place(place))

    def _named(self, choice: str) -> dict[str, Any]:
        """Every part of that kind that the study names anywhere."""
        alone = [
            (f"{place}.{choice}", table[choice])
            for place, table in [("base", self.base), *self.points]
            if choice in table
        ]
        own = [(f"base.{name}.{choice}", table[choice]) for name, table in self.own_base.items() if choice in table]
        if own:
            raise StudyError(
                f"{choice} cannot be chosen in a table of one part ({self._place(own[0][0])}); "
                "write points = [{...}, ...] to give some recipes other parts"
            )
        listed = [
            (f"{place}.{choice}, value {n + 1} of {len(values)}", one)
            for place, table in self.varied
            for values in [_listed(table, choice)]
            for n, one in enumerate(values)
        ]
        if choice == "task":
            alone.append(("task", self.study.task))
        if choice == "schedule":
            alone.append(("schedule", "constant"))
        parts: dict[str, Any] = {}
        for place, written in [*alone, *listed]:
            part = self._resolve(choice, written, place)
            if parts.setdefault(part.name, part) != part:
                raise StudyError(
                    f"two {choice}s are named {part.name!r} ({self._place(place)}); "
                    "give each a name of its own, since records are kept by name"
                )
        if choice == "loss":  # what tasks bring where nothing else is said
            for task in self.named_tasks():
                part = self._resolve("loss", task.loss, f"task {task.name}")
                parts.setdefault(part.name, part)
        return parts

    def named_tasks(self) -> list[Task]:
        """The tasks that the study names anywhere."""
        return list(self._named("task").values())

    def _check(self) -> None:
        """Every key is taken by some part and every value of an axis is lawful, or an error with its place."""
        self._check_once()
        everyone = [part for parts in self.named.values() for part in parts.values()]
        self._check_table("base", self.base, everyone, many=False)
        for place, table in self.varied:
            self._check_table(place, table, everyone, many=True)
        for place, point in self.points:
            chosen = [
                self._resolve(choice, point[choice], f"{place}.{choice}") for choice in CHOICES if choice in point
            ]
            kinds = {type(part) for part in chosen}
            self._check_table(
                place, point, [*chosen, *(part for part in everyone if type(part) not in kinds)], many=False
            )
        by_name = {part.name: part for part in everyone}
        for part, own, many in (("base", self.own_base, False), ("axes", self.own_axes, True)):
            for name, table in own.items():
                if name not in by_name:
                    known = self.named["optimizer"] if len(self.named["optimizer"]) else by_name
                    raise UnknownName("optimizer of this study", name, known, self._place(f"{part}.{name}"))
                self._check_table(f"{part}.{name}", table, [by_name[name]], many)

    def _check_once(self) -> None:
        """What varies does so in one place."""
        seen: dict[str, str] = {}
        for place, table in self.varied:
            for key in table:
                if seen.setdefault(key, place) != place:
                    raise StudyError(
                        f"{key} varies in {seen[key]} and in {place} ({self.study.name}); keep one of them"
                    )
            both = [budget for budget in BUDGETS if budget in table]
            if len(both) > 1:
                raise StudyError(
                    f"a budget is given in steps or in epochs, not in both ({self._place(place)}); keep one of them"
                )

    def _check_table(self, place: str, table: Mapping[str, Any], owners: Sequence[Any], many: bool) -> None:
        hyperparameters = [*(number for part in owners for number in hyperparameters_of(part)), *COMMON]
        known = {number.name for number in hyperparameters}
        for key, value in table.items():
            where = self._place(f"{place}.{key}")
            if key not in FIELDS and key not in CHOICES and key not in known:
                raise self._unknown(place, key, value, known, where)
            if many and (not isinstance(value, list) or not value):
                raise StudyError(f"an axis is a list of at least one value, got {shown(value)} ({where})")
            values = value if many else [value]
            for place_of, one in enumerate(values):
                self._check_value(
                    key, one, hyperparameters, f"{where}, value {place_of + 1} of {len(values)}" if many else where
                )

    def _unknown(self, place: str, key: str, value: Any, known: set[str], where: str) -> StudyError:
        fields = set(type(self.study).model_fields)
        if key in fields:
            return StudyError(
                f"{key} is a field of the study, not of a recipe ({where}); write it at the top of the "
                "file, above the first [table]"
            )
        if told := asked_in_training(key, value):
            return StudyError(f"{told} ({where})")
        owners = [
            f"{kind} {name}"
            for kind, parts in _known_parts().items()
            for name, part in parts.items()
            if any(number.name == key for number in hyperparameters_of(part))
        ]
        if owners:
            some = ", ".join(owners[:4]) + (f" and {len(owners) - 4} more" if len(owners) > 4 else "")
            return StudyError(f"{key} is a number of {some}, and no recipe of this study has such a part ({where})")
        if place == "base":  # where --set puts what is no field of a study, misspelt ones too
            known = known | fields
        return UnknownName("field or number of a recipe of this study", key, {*known, *FIELDS, *CHOICES}, where)

    def _check_value(self, key: str, value: Any, hyperparameters: Sequence[Hyperparameter], where: str) -> None:
        if key == "task":
            resolve_task(value, self.study, where)
        elif key in CHOICES:
            resolve(KINDS[key], value, self.study.folder, where)
        elif key in FIELDS:
            check_field(key, value, where)
        else:
            for number in [number for number in hyperparameters if number.name == key]:
                check_number(number, value, where)

    def _place(self, inside: str) -> str:
        return f"{self.study.name}, {inside}"


class _Recipes:
    """Recipes of the same parts, on top of the same ``tables`` of a study: what many of them share is made once."""

    def __init__(
        self, study: Study, hyperparameters: CheckedHyperparameters, tables: Sequence[Settings], cut: FoldSplit | None
    ):
        self.study, self.hyperparameters, self.cut = study, hyperparameters, cut
        self.common: Settings = {}
        for table in tables:
            self.common = self._over(self.common, table)
        self._budgets: dict[tuple[int, ...], tuple[BatchPolicy, int]] = {}

    def recipe(self, settings: Settings) -> tuple[Task, Recipe]:
        """The recipe that ``settings``, values of the study, make of what is common."""
        full, parts = self._over(self.common, settings), self.hyperparameters.parts
        batches, steps = self._budget(full)
        return parts.task, Recipe(
            parts.optimizer,
            parts.loss,
            parts.schedule,
            batches,
            steps,
            self.hyperparameters.of(full),
            full.get("precision", "float32"),
        )

    def _over(self, below: Settings, table: Settings) -> Settings:
        """A table laid over another, of what these parts take."""
        if any(budget in table for budget in BUDGETS):  # a budget in epochs replaces one in steps, and the reverse
            below = {key: value for key, value in below.items() if key not in BUDGETS}
        return below | {key: value for key, value in table.items() if key in self.hyperparameters.taken}

    def _budget(self, full: Settings) -> tuple[BatchPolicy, int]:
        """Batches and steps, worked out once for all recipes with the same fields."""
        key = tuple([id(full.get(name)) for name in (*FIELDS, "workers")])
        if key not in self._budgets:
            where, task = self.hyperparameters.where, self.hyperparameters.parts.task
            batches = batches_of(full, where)
            self._budgets[key] = batches, steps_of(full, batches, task, self.study.data, where, self.cut)
        return self._budgets[key]


def _known_parts() -> dict[str, Mapping[str, Any]]:
    """Every built-in part that brings numbers, by kind."""
    return {
        "optimizer": builtin_optimizers(),
        "loss": builtin_losses(),
        "schedule": builtin_schedules(),
        "task": tasks(),
    }


def _split(table: Mapping[str, Any]) -> tuple[Settings, dict[str, Settings]]:
    """A table's own keys, and its sub-tables, which belong to one part each."""
    general = {key: value for key, value in table.items() if not isinstance(value, Mapping)}
    return general, {key: dict(value) for key, value in table.items() if isinstance(value, Mapping)}


def _listed(table: Mapping[str, Any], choice: str) -> list[Any]:
    values = table.get(choice, [])
    return values if isinstance(values, list) else [values]


def _rows(group: Mapping[str, Sequence[Any]], where: str) -> list[Settings]:
    """A zip group as rows: the first values of all its lists, then the second, ..."""
    lengths = {key: len(values) for key, values in group.items()}
    if len(set(lengths.values())) != 1:
        counts = ", ".join(f"{key} has {length}" for key, length in lengths.items()) or "it has none"
        raise StudyError(f"the lists of a zip group move together, so they need equal lengths: {counts} ({where})")
    return [dict(zip(group, values, strict=True)) for values in zip(*group.values(), strict=True)]
