"""From a study to its trials: axes cross or zip, numbers go to the optimizers that take them, seeds multiply."""

from __future__ import annotations

import itertools
import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fallline.batching import ORDERS
from fallline.contracts import Loss, Number, Optimizer, Task, check_numbers
from fallline.errors import NumberError, StudyError, UnknownName
from fallline.study.resolve import resolve
from fallline.study.said import shown
from fallline.study.spec import Study
from fallline.study.trial import Recipe, Trial

FIELDS = ("optimizer", "loss", "batch_size", "order", "steps")
MAX_TRIALS = 200_000
MAX_ROWS = 500_000_000
"""Points of curves in a study: some 10 GB; more is a mistake."""

MAX_STEPS = 2**31 - 1

Settings = dict[str, Any]


def expand(study: Study) -> list[Trial]:
    """Every trial of ``study`` once: configurations in the order of their axes, each with all seeds."""
    task = resolve(Task, study.task, study.folder, f"{study.name}, task")
    seeds, recipes = study.seed_list, dict[Recipe, None]()
    for recipe in Expansion(study, task).recipes():
        recipes[recipe] = None
        if len(recipes) * len(seeds) > MAX_TRIALS:
            raise StudyError(f"study {study.name} has more than {MAX_TRIALS:,} trials; give fewer values or seeds")
    rows = len(seeds) * sum(recipe.steps // study.record_every + 1 for recipe in recipes)
    if rows > MAX_ROWS:
        raise StudyError(f"study {study.name} would record {rows:,} points of curves, more than {MAX_ROWS:,}; "
                         f"record fewer: record_every = {study.record_every * -(-rows // MAX_ROWS)}")
    return [Trial(task, study.data, recipe, seed, study.evaluate_every, study.record_every)
            for recipe in recipes for seed in seeds]


class Expansion:
    """The tables of one study, split into what belongs to all optimizers and what belongs to one."""

    def __init__(self, study: Study, task: Task):
        self.study, self.task = study, task
        self.base, self.own_base = _split(study.base)
        self.axes, self.own_axes = _split(study.axes)
        self.varied = [("axes", self.axes), *((f"zip {n + 1}", group) for n, group in enumerate(study.zip))]
        self.points = [(f"points, {n + 1} of {len(study.points)}", point) for n, point in enumerate(study.points)]
        self.optimizers = self._optimizers()
        self._check()

    def recipes(self) -> Iterator[Recipe]:
        """Recipes in order; the same one may come twice."""
        choices = self.axes.get("optimizer", [None])
        groups = [_rows(group, self._place(place)) for place, group in self.varied[1:]]
        if not (self.study.points and not self.study.axes and not self.study.zip):
            for choice, *rows in itertools.product(choices, *groups):
                outer = {} if choice is None else {"optimizer": choice}
                for row in rows:
                    outer |= row
                yield from self._inner(outer)
        for place, point in self.points:
            yield self._recipe(point, self._place(place))

    def _inner(self, outer: Settings) -> Iterator[Recipe]:
        """All recipes of one optimizer and one row of each zip group."""
        rule = self._rule(outer)
        taken = {*FIELDS, *(number.name for number in rule.numbers)}
        axes = {key: values for key, values in self.axes.items()
                if key in taken and key not in outer and key != "optimizer"}
        axes |= self.own_axes.get(rule.name, {})
        if math.prod(len(values) for values in axes.values()) > MAX_TRIALS:
            raise StudyError(f"study {self.study.name}: the axes of {rule.name} alone cross to more than "
                             f"{MAX_TRIALS:,} recipes; zip some of them or give fewer values")
        if self.study.design == "one_at_a_time":
            rows: Any = [{}, *({key: value} for key, values in axes.items() for value in values)]
        else:
            rows = (dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values()))
        for row in rows:
            yield self._recipe(outer | row, self._place("base"))

    def _recipe(self, settings: Settings, where: str) -> Recipe:
        rule = self._rule(settings)
        numbers = {number.name for number in rule.numbers}
        full = {key: value for key, value in self.base.items() if key in FIELDS or key in numbers}
        full |= self.own_base.get(rule.name, {})
        full |= {key: value for key, value in settings.items() if key in FIELDS or key in numbers}
        given = {key: value for key, value in full.items() if key not in FIELDS}
        loss = resolve(Loss, full.get("loss", self.task.loss), self.study.folder, where)
        return Recipe(rule, tuple(check_numbers("optimizer", rule.name, rule.numbers, given, where).items()), loss,
                      _batch_size(full.get("batch_size", "all"), where), _order(full.get("order", "shuffled"), where),
                      _count("steps", full.get("steps"), where))

    def _rule(self, settings: Settings) -> Optimizer:
        written = settings.get("optimizer", self.base.get("optimizer"))
        if written is None:
            raise StudyError(f"no optimizer is chosen ({self.study.name}); write optimizer = \"adam\" under [base], "
                             "or optimizer = [\"adam\", \"momentum\"] under [axes]")
        return resolve(Optimizer, written, self.study.folder, self._place("optimizer"))

    def _optimizers(self) -> dict[str, Optimizer]:
        """Every rule the study names anywhere."""
        alone = [(f"{place}.optimizer", table["optimizer"]) for place, table in [("base", self.base), *self.points]
                 if "optimizer" in table]
        listed = [(f"{place}.optimizer, value {n + 1} of {len(values)}", one) for place, table in self.varied
                  for values in [_listed(table)] for n, one in enumerate(values)]
        rules: dict[str, Optimizer] = {}
        for place, written in [*alone, *listed]:
            rule = resolve(Optimizer, written, self.study.folder, self._place(place))
            if rules.setdefault(rule.name, rule) != rule:
                raise StudyError(f"two optimizers are named {rule.name!r} ({self._place(place)}); "
                                 "give each a name of its own, since records are kept by name")
        return rules

    def _check(self) -> None:
        """Every key is taken by some optimizer and every value of an axis is lawful, or an error with its place."""
        self._check_once()
        everyone = list(self.optimizers.values())
        self._check_table("base", self.base, everyone, many=False)
        for place, table in self.varied:
            self._check_table(place, table, everyone, many=True)
        for place, point in self.points:
            self._check_table(place, point, [self._rule(point)] if "optimizer" in point else everyone, many=False)
        for part, own, many in (("base", self.own_base, False), ("axes", self.own_axes, True)):
            for name, table in own.items():
                if name not in self.optimizers:
                    raise UnknownName("optimizer of this study", name, self.optimizers, self._place(f"{part}.{name}"))
                self._check_table(f"{part}.{name}", table, [self.optimizers[name]], many)

    def _check_once(self) -> None:
        """What varies does so in one place."""
        seen: dict[str, str] = {}
        for place, table in self.varied:
            for key in table:
                if seen.setdefault(key, place) != place:
                    raise StudyError(f"{key} varies in {seen[key]} and in {place} ({self.study.name}); "
                                     "keep one of them")

    def _check_table(self, place: str, table: Mapping[str, Any], owners: Sequence[Optimizer], many: bool) -> None:
        known = {number.name for rule in owners for number in rule.numbers}
        for key, value in table.items():
            where = self._place(f"{place}.{key}")
            if key not in FIELDS and key not in known:
                raise self._unknown(place, key, known, where)
            if many and (not isinstance(value, list) or not value):
                raise StudyError(f"an axis is a list of at least one value, got {shown(value)} ({where})")
            values = value if many else [value]
            for number, one in enumerate(values):
                self._check_value(key, one, owners, f"{where}, value {number + 1} of {len(values)}" if many else where)

    def _unknown(self, place: str, key: str, known: set[str], where: str) -> StudyError:
        fields = set(type(self.study).model_fields)
        if key in fields:
            return StudyError(f"{key} is a field of the study, not of a recipe ({where}); write it at the top of the "
                              "file, above the first [table]")
        if place == "base":  # where --set puts what is no field of a study, misspelt ones too
            known = known | fields
        return UnknownName("field or number of the optimizers in this study", key, known | set(FIELDS), where)

    def _check_value(self, key: str, value: Any, owners: Sequence[Optimizer], where: str) -> None:
        if key in ("optimizer", "loss"):
            resolve(Optimizer if key == "optimizer" else Loss, value, self.study.folder, where)
        elif key == "steps":
            _count(key, value, where)
        elif key == "batch_size":
            _batch_size(value, where)
        elif key == "order":
            _order(value, where)
        else:
            for number in [number for rule in owners for number in rule.numbers if number.name == key]:
                _check_number(number, value, where)

    def _place(self, inside: str) -> str:
        return f"{self.study.name}, {inside}"


def _check_number(number: Number, value: Any, where: str) -> None:
    """Lawful as written, and as the program takes it."""
    exact = number.check(value, where)
    try:
        rounded = struct.unpack("f", struct.pack("f", exact))[0]
    except OverflowError:
        rounded = math.inf
    try:
        number.check(rounded)
    except NumberError:
        raise NumberError(f"{number.name} {number.law} and be finite after rounding to 32 bits, "
                          f"where {value!r} is {rounded} ({where})") from None


def _split(table: Mapping[str, Any]) -> tuple[Settings, dict[str, Settings]]:
    """A table's own keys, and its sub-tables, which belong to one optimizer each."""
    general = {key: value for key, value in table.items() if not isinstance(value, Mapping)}
    return general, {key: dict(value) for key, value in table.items() if isinstance(value, Mapping)}


def _listed(table: Mapping[str, Any]) -> list[Any]:
    values = table.get("optimizer", [])
    return values if isinstance(values, list) else [values]


def _rows(group: Mapping[str, Sequence[Any]], where: str) -> list[Settings]:
    """A zip group as rows: the first values of all its lists, then the second, ..."""
    lengths = {key: len(values) for key, values in group.items()}
    if len(set(lengths.values())) != 1:
        counts = ", ".join(f"{key} has {length}" for key, length in lengths.items()) or "it has none"
        raise StudyError(f"the lists of a zip group move together, so they need equal lengths: {counts} ({where})")
    return [dict(zip(group, values, strict=True)) for values in zip(*group.values(), strict=True)]


def _count(name: str, value: Any, where: str) -> int:
    if value is None:
        raise StudyError(f"{name} is missing ({where}); write {name} = 500 under [base], for example")
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise NumberError(f"{name} must be a whole number >= 1, got {shown(value)} ({where})")
    if value > MAX_STEPS:
        raise NumberError(f"{name} must be at most {MAX_STEPS:,}, got {value:,} ({where})")
    return value


def _batch_size(value: Any, where: str) -> int | None:
    if value == "all":
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise NumberError(f"batch_size must be a whole number >= 1 or \"all\", got {shown(value)} ({where})")
    return value


def _order(value: Any, where: str) -> str:
    if value not in ORDERS:
        raise UnknownName("order of batches", value, ORDERS, where)
    return value
