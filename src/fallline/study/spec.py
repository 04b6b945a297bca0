"""The study: a base recipe, axes, seeds, a question; checked where it is written."""

from __future__ import annotations

import re
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Discriminator, Field, PrivateAttr, Tag, ValidationError, ValidationInfo, field_validator

from fallline.contracts import Task
from fallline.errors import StudyError, UnknownName
from fallline.study.base_table import StudyTable
from fallline.study.data_table import FileData
from fallline.study.formatting import shown
from fallline.study.merge import merge
from fallline.study.python_values import to_python
from fallline.study.scale_table import ScaleTable
from fallline.study.search_table import SearchTable
from fallline.study.storable import unstorable
from fallline.study.tables import Claim, Figure, NetworkTable, Reported, Target, check_network, read_at_the_end
from fallline.study.test_leakage import EPOCH, FOLLOWING, asked_in_training, best_on_test, on_test

if TYPE_CHECKING:
    from fallline.study.trial import Trial

MAX_LINES = 8
"""Errors shown at once; more than a screen helps nobody."""

MAX_NAME = 100

NAME_PATTERN = r"[A-Za-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9][A-Za-z0-9_.-]*)?"


DataField = Annotated[
    Annotated[Literal["sample", "full"], Tag("size")] | Annotated[FileData, Tag("file")],
    Discriminator(lambda value: "file" if isinstance(value, (dict, FileData)) else "size"),
]
"""``data = "sample"`` or "full" of a built-in data set, or the table [data] of the user's own file."""

RECIPE = ("base", "axes", "zip", "points")
"""Fields whose values are checked by the law of their hyperparameter, when trials are made."""


class Study(StudyTable):
    """A base recipe, its axes, its seeds and its question. ``fallline.run`` trains it.

    >>> study = Study(name="rates", task="mnist-softmax", base={"optimizer": "adam", "steps": 200, "batch_size": 100},
    ...               axes={"learning_rate": [0.1, 0.01]}, seeds=5)
    >>> len(study.trials())
    10
    """

    name: str = Field(max_length=MAX_NAME)
    task: Any
    model: str = ""
    title: str = ""
    question: str = ""
    about: str = ""
    source: str = ""
    data: DataField = "sample"
    holdout: float | None = Field(default=None, gt=0, lt=1)
    folds: int | None = Field(default=None, ge=2, le=100)
    metric: str = "validation_loss"
    metrics: list[Any] = Field(default_factory=list)
    goals: dict[str, Literal["min", "max"]] = Field(default_factory=dict)
    margins: dict[str, Annotated[float, Field(gt=0, allow_inf_nan=False)]] = Field(default_factory=dict)
    seeds: int | list[int] = 1
    design: Literal["cross", "one_at_a_time"] = "cross"
    base: dict[str, Any] = Field(default_factory=dict)
    axes: dict[str, Any] = Field(default_factory=dict)
    zip: list[dict[str, list[Any]]] = Field(default_factory=list)
    points: list[dict[str, Any]] = Field(default_factory=list)
    evaluate_every: int | None = Field(default=None, ge=1)
    record_every: int = Field(default=1, ge=1)
    time_alone: bool = False
    marks: list[int] = Field(default_factory=list)
    keep_weights: Literal["best", "all", "none"] | None = None
    target: Target | None = None
    figures: list[Figure] = Field(default_factory=list)
    reported: list[Reported] = Field(default_factory=list)
    claims: list[Claim] = Field(default_factory=list)
    networks: dict[str, NetworkTable] = Field(default_factory=dict)
    scale: ScaleTable | None = None
    search: SearchTable | None = None
    presets: dict[str, dict[str, Any]] = Field(default_factory=dict)
    folder: Path | None = Field(default=None, exclude=True)
    _original: Study | None = PrivateAttr(default=None)

    def __init__(self, /, **values: Any):
        name = str(values.get("name", "study"))
        try:
            values = _with_task(values)
            super().__init__(**values)
        except ValidationError as failure:
            raise StudyError(_in_words(failure, name)) from None
        kept = {key: value for key, value in values.items() if key not in ("folder", *RECIPE)}
        if wrong := list(islice(unstorable(kept), MAX_LINES)):
            raise StudyError(_listed(name, [f"  {place}: {law} (got {shown(value)})" for place, law, value in wrong]))

    @field_validator("base", "axes", "zip", "points", mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        return to_python(value)

    @field_validator("name", mode="before")
    @classmethod
    def _name(cls, name: Any) -> Any:
        if not isinstance(name, str) or not re.fullmatch(NAME_PATTERN, name):
            raise ValueError("must be letters, digits and _ . - that start with a letter or digit, with one / at most")
        return name

    @field_validator("seeds", mode="before")
    @classmethod
    def _seeds(cls, seeds: Any) -> Any:
        seeds = to_python(seeds)
        if isinstance(seeds, list):
            whole = all(isinstance(seed, int) and not isinstance(seed, bool) for seed in seeds)
            if not seeds or not whole or len(set(seeds)) < len(seeds) or any(not 0 <= seed < 2**31 for seed in seeds):
                raise ValueError("a list of seeds holds different whole numbers from 0 to 2147483647, at least one")
        elif isinstance(seeds, bool) or not isinstance(seeds, int) or not 1 <= seeds <= 100_000:
            raise ValueError("must be a count from 1 to 100000 or a list of seeds")
        return seeds

    @field_validator("task")
    @classmethod
    def _task(cls, task: Any) -> Any:
        if not isinstance(task, (str, Task)):
            raise ValueError(f"must be a task's name, 'file.py:name' or a fallline.Task, got {type(task).__name__}")
        return task

    @field_validator("model")
    @classmethod
    def _model(cls, model: str) -> str:
        if model and not re.fullmatch(r"[^:]+:[A-Za-z_]\w*", model):
            raise ValueError("must be 'file.py:name' or 'module:name' of a model or of what makes one")
        return model

    @field_validator("metric")
    @classmethod
    def _metric(cls, metric: str) -> str:
        return read_at_the_end(metric, best_on_test(metric), EPOCH)

    @field_validator("figures")
    @classmethod
    def _figures(cls, figures: list[Figure]) -> list[Figure]:
        for figure in figures:
            chooses = (figure.kind in FOLLOWING and on_test(figure.metric)) or best_on_test(figure.metric)
            read_at_the_end(figure.metric, chooses, FOLLOWING.get(figure.kind, EPOCH))
        return figures

    @field_validator("networks")
    @classmethod
    def _networks(cls, networks: dict[str, NetworkTable]) -> dict[str, NetworkTable]:
        for name, table in networks.items():  # all of them: a claim or a preset may use one that no task names
            check_network(name, table)
        return networks

    @field_validator("presets")
    @classmethod
    def _presets(cls, presets: dict[str, Any]) -> dict[str, Any]:
        for name in presets:
            if not re.fullmatch(NAME_PATTERN, name) or "/" in name or len(name) > 100:
                raise ValueError(
                    f"{shown(name)} cannot name a preset, which names a folder: letters, digits and _ . - "
                    "that start with a letter or digit"
                )
        return presets

    @field_validator("folds")
    @classmethod
    def _folds(cls, folds: int | None, info: ValidationInfo) -> int | None:
        if folds is not None and info.data.get("holdout") is not None:
            raise ValueError(
                "holdout keeps one part of train for validation and folds keep each part in turn; write one of them"
            )
        return folds

    @property
    def data_size(self) -> str:
        """ "sample" or "full"; a file of the user's own is always used in full."""
        return self.data if isinstance(self.data, str) else "full"

    @property
    def seed_list(self) -> list[int]:
        """The seeds themselves: a count n means 0 ... n-1."""
        return list(range(self.seeds)) if isinstance(self.seeds, int) else list(self.seeds)

    def preset(self, name: str) -> Study:
        """This study with the changes of a preset; "full" is the study itself unless it has a preset of that name."""
        if name not in self.presets:
            if name == "full":
                return self
            raise UnknownName("preset", name, {"full", *self.presets}, self.name)
        return self.with_(self.presets[name])

    def with_(self, changes: dict[str, Any]) -> Study:
        """This study with some fields replaced; a table (base, axes, ...) is merged key by key."""
        values = {field: getattr(self, field) for field in type(self).model_fields if field in self.model_fields_set}
        changed = type(self)(**merge(values, changes))
        if "claims" not in changes:
            changed._original = self.original
        return changed

    @property
    def original(self) -> Study:
        """The study that the claims are about: this one, before presets and settings were applied."""
        return self._original or self

    def trials(self) -> list[Trial]:
        """Every trial of the study, each once, in a fixed order; StudyError where something in it is wrong."""
        from fallline.study.expand import expand

        return expand(self)

    @property
    def hash(self) -> str:
        """Names the resolved study: another question, axis or value is another study."""
        from fallline.study.plain import plain
        from fallline.study.trial import digest

        return digest(plain(self))


def _with_task(values: dict[str, Any]) -> dict[str, Any]:
    """``values`` with the task of [data], which is named after its file where the study gives no name."""
    data = values.get("data")
    if "task" in values or not isinstance(data, (dict, FileData)):
        return values
    data = data if isinstance(data, FileData) else FileData.model_validate(data)
    return values | {"task": data.task_name, "data": data}


_PARTS = {
    "data": ("[data]", FileData),
    "target": ("target", Target),
    "figures": ("figure", Figure),
    "reported": ("reported figure", Reported),
    "claims": ("claim", Claim),
    "networks": ("network", NetworkTable),
    "scale": ("[scale]", ScaleTable),
    "search": ("[search]", SearchTable),
}


def _in_words(failure: ValidationError, name: str) -> str:
    """pydantic's errors, one per line: the place, what is wrong, the value."""
    lines = []
    for error in failure.errors():
        loc = _without_tag(error["loc"], failure.title)
        place = ".".join(str(step) for step in loc) or "study"
        if error["type"] == "extra_forbidden":
            *within, key = loc
            word, kind = _PARTS[str(within[0])] if within else ("study", Study)
            known = set(kind.model_fields) - {"folder"}
            unknown = UnknownName(f"field of a {word}", str(key), known, ".".join(map(str, within)))
            lines.append("  " + (asked_in_training(key, error.get("input")) or str(unknown)))
        elif error["type"] == "missing":
            lines.append(f"  {place} is missing; write: {place} = ...")
        else:
            message = error["msg"].removeprefix("Value error, ")
            lines.append(f"  {place}: {message} (got {shown(error.get('input'))})")
    return _listed(name, lines)


def _without_tag(loc: tuple[Any, ...], title: str) -> tuple[Any, ...]:
    """A place in the study as it is written: ``data.csv``, however pydantic found the table."""
    if title == FileData.__name__:  # checked by itself
        return ("data", *loc)
    return (loc[0], *loc[2:]) if loc[:1] == ("data",) else loc


def _listed(name: str, lines: list[str]) -> str:
    lines = [f"study {name[:MAX_NAME]} cannot be used:", *lines]
    if len(lines) > MAX_LINES:
        lines[MAX_LINES:] = [f"  and {len(lines) - MAX_LINES} more"]
    return "\n".join(lines)
