"""Every name that a study's tables select by is one that some study may have; what is misspelt is an error.

An arm without a trial is no error: another preset may have it. So what counts as known is what is built in, and what
the study or any of its presets names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from fallline.contracts import Hyperparameter, Metric, Task
from fallline.errors import FalllineError, HyperparameterError, StudyError, UnknownName
from fallline.losses import builtin_losses
from fallline.optimizers import builtin_optimizers
from fallline.schedules import builtin_schedules
from fallline.study import Claim, Study, Trial
from fallline.study.device_counts import parse_counts
from fallline.study.expand import Expansion
from fallline.study.parts import CHOICES, COMMON, hyperparameters_of
from fallline.study.resolve import resolve
from fallline.study.values import FIELDS, check_field
from fallline.tasks import tasks
from fallline.training.validation import columns_of

FOLLOWS = ("data", "loss_kind")
"""Columns of a trial that follow from its recipe and may tell arms apart."""

RECORDS = (
    "seed",
    "status",
    "trial",
    "block",
    "cohort",
    "configuration",
    "parameters",
    "train_examples",
    "examples_seen",
    "split",
    "example",
    "label",
    "wrong",
    "trials",
    "most_common",
)
"""What a figure may select or colour by as well: columns of trials and of the examples that were mistaken."""

DATA = ("sample", "full")

OF_A_COLUMN = ("curves", "sensitivity", "tuning", "grid", "ranks", "hyperparameters", "stopping", "reported")
"""Kinds of figure whose metric is a column."""


@dataclass(frozen=True)
class Names:
    """What a study may name. ``parts`` by kind and name; ``metrics`` are those that the study and its presets add."""

    parts: Mapping[str, Mapping[str, Any]]
    networks: frozenset[str]
    tasks: tuple[Task, ...]
    metrics: frozenset[str]

    @classmethod
    def of(cls, study: Study, trials: Sequence[Trial], metrics: Iterable[str], presets: Sequence[Expansion]) -> Names:
        """Those of the study with these trials, and of its presets."""
        built_in = {
            "task": tasks(),
            "optimizer": builtin_optimizers(),
            "loss": builtin_losses(),
            "schedule": builtin_schedules(),
        }
        found: dict[str, dict[str, Any]] = {kind: dict(built_in[kind]) for kind in CHOICES}
        own = {trial.task.name: trial.task for trial in trials}
        for trial in trials:
            recipe = trial.recipe
            for kind, part in zip(CHOICES, (trial.task, recipe.optimizer, recipe.loss, recipe.schedule), strict=True):
                found[kind][part.name] = part
        added = set(metrics)
        for preset in presets:
            for kind, parts in preset.named.items():
                found[kind] |= parts
            own |= {task.name: task for task in preset.named_tasks()}
            added |= _metrics(preset.study)
        return cls(found, frozenset(study.networks), tuple(own.values()), frozenset(added))

    @cached_property
    def hyperparameters(self) -> dict[str, list[Hyperparameter]]:
        """The numbers of all parts, and those that every recipe has, by name."""
        found: dict[str, list[Hyperparameter]] = {}
        owned = (
            number for named in self.parts.values() for part in named.values() for number in hyperparameters_of(part)
        )
        for number in (*owned, *COMMON):
            found.setdefault(number.name, []).append(number)
        return found

    @cached_property
    def keys(self) -> set[str]:
        """By what trials may be selected."""
        return {*FIELDS, *CHOICES, *FOLLOWS, *self.hyperparameters}

    @cached_property
    def _columns(self) -> tuple[set[str], set[str]]:
        found = [columns_of(task, self.metrics) for task in self.tasks]
        curves, results = (set().union(*columns) for columns in zip(*found, strict=True))
        steps = {f"{name}_step" for name in results if name.startswith(("min_", "best_"))}
        return curves, results | steps | {"steps_to_target"}

    @property
    def curves(self) -> set[str]:
        """The columns of the curves."""
        return self._columns[0]

    @property
    def results(self) -> set[str]:
        """The columns of the trials that are results."""
        return self._columns[1]

    @property
    def goals(self) -> set[str]:
        """What a goal may be given to: a metric by its own name or by a column of it."""
        own = {name for task in self.tasks for name in task.metrics}
        return {*own, *self.metrics, "loss", *self.curves, *self.results}


def check_names(study: Study, trials: Sequence[Trial], metrics: Iterable[str]) -> None:
    """UnknownName, or StudyError for a value that its setting can never have, with the place in the study.

    ``metrics`` are the names of those that the study adds.
    """
    presets = _presets(study)
    names = Names.of(study, trials, metrics, list(presets.values()))
    _check_tables(study, names, study.name)
    for name, expansion in presets.items():
        _check_tables(expansion.study, names, f"{study.name}, presets.{name}")


def _check_tables(study: Study, names: Names, where: str) -> None:
    for name in study.goals:
        _known("metric", name, names.goals, f"{where}, goals")
    for place, claim in enumerate(study.claims, start=1):
        _check_claim(claim, names, f"{where}, claims, {place} of {len(study.claims)}")
    for place, one in enumerate(study.reported, start=1):
        here = f"{where}, reported, {place} of {len(study.reported)}"
        _check_table(one.where, names, f"{here}, where")
        _check_table({key: value for key, value in one.at.items() if key != "step"}, names, f"{here}, at")
        _known(
            "result of a trial", one.metric, {*names.results, *names.curves, *names.hyperparameters}, f"{here}, metric"
        )
    for place, claim in enumerate(study.scale.claims if study.scale else [], start=1):
        here = f"{where}, scale.claims, {place} of {len(study.scale.claims)}"
        parse_counts([claim.devices], f"{here}, devices")
        for field in ("batch", "than"):
            if text := getattr(claim, field):
                check_field("batch_size", int(text) if text.isdecimal() else text, f"{here}, {field}")
    for place, figure in enumerate(study.figures, start=1):
        here, columns = f"{where}, figures, {place} of {len(study.figures)}", {*names.keys, *RECORDS}
        _check_table(figure.where, names, f"{here}, where", RECORDS)
        for field in ("color", "panel"):
            if (column := getattr(figure, field)) is not None:
                for name in column.split(","):
                    _known("recipe column", name.strip(), columns, f"{here}, {field}")
        for name in figure.of:
            _known("watched scalar", name, names.curves, f"{here}, of")
        if figure.metric is not None and figure.kind in OF_A_COLUMN:
            _known(
                "result of a trial",
                figure.metric,
                {*names.results, *names.curves, *names.hyperparameters},
                f"{here}, metric",
            )


def _check_claim(claim: Claim, names: Names, where: str) -> None:
    for field, table in _arms(claim):
        _check_table(table, names, f"{where}, {field}")
    for field in ("for_each", "tune"):
        for key in getattr(claim, field) or []:
            _known("setting of a trial", key, names.keys, f"{where}, {field}")
    if claim.metric is not None and claim.step is not None:
        _known("column of the curves", claim.metric, names.curves, f"{where}, metric")
    elif claim.metric is not None:
        short = {name.removeprefix("final_") for name in names.results}
        _known("result of a trial", claim.metric, names.results | (short & names.curves), f"{where}, metric")


def _check_table(table: Mapping[str, Any], names: Names, where: str, more: Iterable[str] = ()) -> None:
    """A table that selects trials: its keys are settings, and its values ones that these may have."""
    for key, value in table.items():
        if key in more:
            continue
        _known("setting of a trial", key, names.keys, where)
        for one in value if isinstance(value, (list, tuple)) else [value]:
            _check_value(key, one, names, f"{where}.{key}")


def _check_value(key: str, value: Any, names: Names, where: str) -> None:
    if key in names.parts:
        if not (key == "task" and value in names.networks):
            _known(key, value, names.parts[key], where)
    elif key == "data":
        _known("data", str(value).split(",")[0], DATA, where)  # of a cut: "sample, fold 1 of 5"
    elif key in FIELDS and isinstance(value, str) and not (key == "subset" and value == "all"):
        check_field(key, value, where)
    elif key in names.hyperparameters and isinstance(value, str) and value != "off":
        _check_number(key, value, names, where)


def _check_number(key: str, value: str, names: Names, where: str) -> None:
    """A text in place of a number is an error where no part takes it."""
    wrong: list[HyperparameterError] = []
    for number in names.hyperparameters[key]:
        try:
            number.check(value, where)
        except HyperparameterError as failure:
            wrong.append(failure)
    if len(wrong) == len(names.hyperparameters[key]):
        raise wrong[0]


def _known(kind: str, name: Any, known: Iterable[str], where: str) -> None:
    if name not in list(known):  # it may be anything, a list too
        raise UnknownName(kind, name, known, where)


def _arms(claim: Claim) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The claim's tables of settings, each with the name of its field."""
    equal = claim.equal if isinstance(claim.equal, list) else [claim.equal]
    tables = [
        ("better", claim.better),
        ("worse", claim.worse),
        ("arm", claim.arm),
        ("where", claim.where),
        *(("equal", table) for table in equal),
    ]
    return ((name, table) for name, table in tables if isinstance(table, Mapping))


def _presets(study: Study) -> dict[str, Expansion]:
    """The presets with their parts found and their tables checked, or an error that says which preset is wrong.

    What a preset needs beside names (a package, a file of data) is its own affair: it is told when it is run.
    """
    found, whole = {}, study.written
    for name in whole.presets:
        try:
            found[name] = Expansion(whole.preset(name))
        except UnknownName as failure:
            place = failure.where.removeprefix(f"{study.name}, ")
            raise UnknownName(
                failure.kind,
                failure.name,
                failure.known,
                ", ".join(filter(None, [study.name, f"presets.{name}", place])),
            ) from None
        except StudyError as failure:
            if failure.__cause__ is None:  # else a module of the user's could not be loaded here
                raise type(failure)(f"{failure} ({study.name}, presets.{name})") from None
        except FalllineError:
            continue
    return found


def _metrics(study: Study) -> set[str]:
    """The names of the metrics that a study adds."""
    found = set()
    for written in study.metrics:
        try:
            found.add(resolve(Metric, written, study.folder, f"{study.name}, metrics").name)
        except StudyError as failure:
            if failure.__cause__ is None:
                raise
    return found
