"""Checking the names that a study's tables (claims, figures, reported results) select trials by; misspelt ones are
errors.

An arm without a trial is no error: another preset may have it. A name is known where it is built in, or where the study
or any of its presets has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from fallline.contracts import Hyperparameter, Metric, MetricName, Task
from fallline.errors import FalllineError, HyperparameterError, StudyError, UnknownName
from fallline.losses import builtin_losses
from fallline.optimizers import builtin_optimizers
from fallline.schedules import builtin_schedules
from fallline.study import Claim, Study, Trial
from fallline.study.common_hyperparameters import COMMON
from fallline.study.components import COMPONENT_KINDS, hyperparameters_of
from fallline.study.device_counts import parse_counts
from fallline.study.expand import Expansion
from fallline.study.recipe_fields import FIELD_NAMES, check_field
from fallline.study.resolve import resolve
from fallline.tasks import builtin_tasks
from fallline.training.validation import columns_of

FOLLOWS = ("data", "loss_kind")
"""Columns of a trial that follow from its recipe and may distinguish arms."""

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
"""What a figure may also select or colour by: columns of trials and of misclassified examples."""

DATA = ("sample", "full")

OF_A_COLUMN = ("curves", "sensitivity", "tuning", "grid", "ranks", "hyperparameters", "stopping", "reported")
"""The kinds of figures whose metric is a column."""


@dataclass(frozen=True)
class Names:
    """The names that a study may use. ``parts`` by kind and name; ``metrics`` are those that the study and its presets
    add."""

    parts: Mapping[str, Mapping[str, Any]]
    networks: frozenset[str]
    tasks: tuple[Task, ...]
    metrics: frozenset[str]

    @classmethod
    def of(cls, study: Study, trials: Sequence[Trial], metrics: Iterable[str], presets: Sequence[Expansion]) -> Names:
        """The names of the study with these trials, and of its presets."""
        built_in = {
            "task": builtin_tasks(),
            "optimizer": builtin_optimizers(),
            "loss": builtin_losses(),
            "schedule": builtin_schedules(),
        }
        components: dict[str, dict[str, Any]] = {kind: dict(built_in[kind]) for kind in COMPONENT_KINDS}
        used_tasks = {trial.task.name: trial.task for trial in trials}
        for trial in trials:
            recipe = trial.recipe
            chosen = (trial.task, recipe.optimizer, recipe.loss, recipe.schedule)
            for kind, component in zip(COMPONENT_KINDS, chosen, strict=True):
                components[kind][component.name] = component
        added = set(metrics)
        for preset in presets:
            for kind, named in preset.named.items():
                components[kind] |= named
            used_tasks |= preset.named["task"]
            added |= _metrics(preset.study)
        return cls(components, frozenset(study.networks), tuple(used_tasks.values()), frozenset(added))

    @cached_property
    def hyperparameters(self) -> dict[str, list[Hyperparameter]]:
        """The hyperparameters of all components, and those that every recipe has, by name."""
        by_name: dict[str, list[Hyperparameter]] = {}
        of_components = (
            hyperparameter
            for named in self.parts.values()
            for component in named.values()
            for hyperparameter in hyperparameters_of(component)
        )
        for hyperparameter in (*of_components, *COMMON):
            by_name.setdefault(hyperparameter.name, []).append(hyperparameter)
        return by_name

    @cached_property
    def keys(self) -> set[str]:
        """The keys that trials may be selected by."""
        return {*FIELD_NAMES, *COMPONENT_KINDS, *FOLLOWS, *self.hyperparameters}

    @cached_property
    def _columns(self) -> tuple[set[str], set[str]]:
        of_tasks = [columns_of(task, self.metrics) for task in self.tasks]
        curves, results = (set().union(*columns) for columns in zip(*of_tasks, strict=True))
        steps = {f"{name}_step" for name in results if MetricName.parse(name).statistic in ("min", "best")}
        return curves, results | steps | {"steps_to_target"}

    @property
    def curves(self) -> set[str]:
        """The columns of the curves."""
        return self._columns[0]

    @property
    def results(self) -> set[str]:
        """The columns of results in the table of trials."""
        return self._columns[1]

    @property
    def goals(self) -> set[str]:
        """What a goal may be given for: a metric by its name or by one of its columns."""
        of_tasks = {name for task in self.tasks for name in task.metrics}
        return {*of_tasks, *self.metrics, "loss", *self.curves, *self.results}


def check_names(study: Study, trials: Sequence[Trial], metrics: Iterable[str]) -> None:
    """UnknownName for an unknown name, StudyError for a value that its setting cannot have, with the place in the
    study.

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
    for number, claim in enumerate(study.claims, start=1):
        _check_claim(claim, names, f"{where}, claims, {number} of {len(study.claims)}")
    for number, result in enumerate(study.reported, start=1):
        here = f"{where}, reported, {number} of {len(study.reported)}"
        _check_table(result.where, names, f"{here}, where")
        _check_table({key: value for key, value in result.at.items() if key != "step"}, names, f"{here}, at")
        _known(
            "result of a trial",
            result.metric,
            {*names.results, *names.curves, *names.hyperparameters},
            f"{here}, metric",
        )
    for number, claim in enumerate(study.scale.claims if study.scale else [], start=1):
        here = f"{where}, scale.claims, {number} of {len(study.scale.claims)}"
        parse_counts([claim.devices], f"{here}, devices")
        for field in ("batch", "than"):
            if text := getattr(claim, field):
                check_field("batch_size", int(text) if text.isdecimal() else text, f"{here}, {field}")
    for number, figure in enumerate(study.figures, start=1):
        here, columns = f"{where}, figures, {number} of {len(study.figures)}", {*names.keys, *RECORDS}
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
        short = {str(MetricName.parse(name).curve) for name in names.results}
        _known("result of a trial", claim.metric, names.results | (short & names.curves), f"{where}, metric")


def _check_table(table: Mapping[str, Any], names: Names, where: str, more: Iterable[str] = ()) -> None:
    """Check a table that selects trials: its keys are settings, and its values ones that these may have."""
    for key, value in table.items():
        if key in more:
            continue
        _known("setting of a trial", key, names.keys, where)
        for single in value if isinstance(value, (list, tuple)) else [value]:
            _check_value(key, single, names, f"{where}.{key}")


def _check_value(key: str, value: Any, names: Names, where: str) -> None:
    if key in names.parts:
        if not (key == "task" and value in names.networks):
            _known(key, value, names.parts[key], where)
    elif key == "data":
        _known("data", str(value).split(",")[0], DATA, where)  # with folds: "sample, fold 1 of 5"
    elif key in FIELD_NAMES and isinstance(value, str) and not (key == "subset" and value == "all"):
        check_field(key, value, where)
    elif key in names.hyperparameters and isinstance(value, str) and value != "off":
        _check_number(key, value, names, where)


def _check_number(key: str, value: str, names: Names, where: str) -> None:
    """The error for a text in place of a number, where no component takes it."""
    wrong: list[HyperparameterError] = []
    for hyperparameter in names.hyperparameters[key]:
        try:
            hyperparameter.check(value, where)
        except HyperparameterError as failure:
            wrong.append(failure)
    if len(wrong) == len(names.hyperparameters[key]):
        raise wrong[0]


def _known(kind: str, name: Any, known: Iterable[str], where: str) -> None:
    if name not in list(known):  # a name may be any value, even a list
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
    """The presets with their components resolved, or an error that says which preset is wrong.

    Only names are checked: a missing package or data file is reported when the preset is run.
    """
    expansions, whole = {}, study.original
    for name in whole.presets:
        try:
            expansions[name] = Expansion(whole.preset(name))
        except UnknownName as failure:
            place = failure.where.removeprefix(f"{study.name}, ")
            raise UnknownName(
                failure.kind,
                failure.name,
                failure.known,
                ", ".join(filter(None, [study.name, f"presets.{name}", place])),
            ) from None
        except StudyError as failure:
            if failure.__cause__ is None:  # else a user's module could not be loaded here
                raise type(failure)(f"{failure} ({study.name}, presets.{name})") from None
        except FalllineError:
            continue
    return expansions


def _metrics(study: Study) -> set[str]:
    """The names of the metrics that a study adds."""
    names = set()
    for written in study.metrics:
        try:
            names.add(resolve(Metric, written, study.folder, f"{study.name}, metrics").name)
        except StudyError as failure:
            if failure.__cause__ is None:
                raise
    return names
