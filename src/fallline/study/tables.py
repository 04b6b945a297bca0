"""The tables of a study besides its recipe and its axes: target, figures, networks, claims, published results."""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

from pydantic import AliasChoices, Field, field_validator, model_validator

from fallline.errors import ModelError, UnknownName
from fallline.study.base_table import StudyTable
from fallline.study.python_values import to_python
from fallline.study.test_leakage import EPOCH, best_on_test, on_test, refusal


class Target(StudyTable):
    """A value of a metric to reach; the records say after how many steps a trial did."""

    metric: str = "train_loss"
    value: float

    @field_validator("metric")
    @classmethod
    def _not_on_test(cls, metric: str) -> str:
        return read_at_the_end(metric, on_test(metric), "count the steps to a target")


class Figure(StudyTable):
    """A figure of the report: its kind and what it shows; ``where`` selects the trials with these values.

    ``of`` names the two watched scalars of a path.
    """

    kind: str
    title: str = ""
    metric: str | None = None
    scale: Literal["linear", "log"] = "linear"
    color: str | None = None
    panel: str | None = None
    of: list[str] = Field(default_factory=list)
    where: dict[str, Any] = Field(default_factory=dict)
    steps: int | None = Field(default=None, ge=1)


class NetworkTable(StudyTable):
    """A network of neurons as text and the data it learns: a task of the study's own, by the name of its table.

    ``data`` is "two-gaussians" or a CSV file beside the study, with the column ``target``. Parameters and biases are
    initialised uniformly in ``initial_range``; ``watch`` names those to record at every step.
    """

    text: str
    data: str = "two-gaussians"
    target: str = ""
    activation: str = "sigmoid"
    loss: str = "squared_error"
    watch: list[str] = Field(default_factory=list)
    initial_range: tuple[float, float] = Field(
        default=(0.0, 1.0), validation_alias=AliasChoices("initial_range", "begin")
    )
    """``begin`` is its name in earlier run folders."""


def check_network(name: str, table: NetworkTable) -> None:
    """NetworkError, ModelError or UnknownName with the network's ``name`` where its text cannot be read, or names an
    unknown parameter or loss."""
    _read_network(name, table.text, table.activation, tuple(table.watch), table.initial_range, table.loss)


@cache
def _read_network(
    name: str, text: str, activation: str, watch: tuple[str, ...], initial_range: tuple[float, float], loss: str
) -> None:
    # Cached, since every change of a study makes a new one.
    from fallline.losses import find_loss
    from fallline.networks import neurons

    try:
        neurons(text, activation=activation, name=name, watch=watch, initial_range=initial_range)
    except UnknownName as failure:
        raise UnknownName(failure.kind, failure.name, failure.known, f"network {name}, {failure.where}") from None
    except ModelError as failure:
        raise type(failure)(f"network {name}: {failure}") from None
    find_loss(loss, f"network {name}, loss")


class Claim(StudyTable):
    """A sentence and the comparison that tests it, in one of three forms.

    ``better`` than ``worse`` (or than all "others") by more than ``margin``; ``arm`` with its mean ``above`` or
    ``below`` a value, or ``near`` it within ``margin``; arms that are ``equal`` within ``margin``. Arms are tables as
    in ``Reported.where``. With ``step`` the value is that of the curves at that step. A claim with ``min_steps`` is
    about runs of that many steps or more: shorter ones do not test it.
    """

    text: str
    metric: str | None = None
    better: dict[str, Any] | None = None
    worse: dict[str, Any] | Literal["others"] | None = None
    arm: dict[str, Any] | None = None
    above: float | None = None
    below: float | None = None
    near: float | None = None
    equal: dict[str, Any] | list[dict[str, Any]] | None = None
    margin: float = Field(default=0.0, ge=0)
    direction: Literal["up", "down"] | None = None
    where: dict[str, Any] = Field(default_factory=dict)
    for_each: list[str] | None = None
    tune: list[str] = Field(default_factory=list)
    step: int | None = Field(default=None, ge=0)
    min_steps: int | None = Field(default=None, ge=1)

    @field_validator("better", "worse", "arm", "equal", "where", mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        return to_python(value)

    @model_validator(mode="after")
    def _one_form(self) -> Claim:
        form = ("better", "worse", "arm", "above", "below", "near", "equal")
        given = {name for name in form if getattr(self, name) is not None}
        if given not in ({"better", "worse"}, {"arm", "above"}, {"arm", "below"}, {"arm", "near"}, {"equal"}):
            raise ValueError(
                "a claim has better and worse, or arm and one of above, below and near, or equal; it has "
                + (" and ".join(sorted(given)) or "none of them")
            )
        if isinstance(self.equal, list) and len(self.equal) < 2:
            raise ValueError("equal lists two arms or more, or is the table of one arm whose configurations are equal")
        at_a_step = self.step is not None and on_test(self.metric)
        read_at_the_end(self.metric, at_a_step or best_on_test(self.metric), EPOCH)
        return self


class Reported(StudyTable):
    """A published result to print beside the reproduced one: in the trials ``where``, ``metric`` was ``value``."""

    where: dict[str, Any]
    metric: str
    value: float | None = None
    at: dict[str, Any] = Field(default_factory=dict)
    text: str = ""


def read_at_the_end(metric: Any, chooses: bool, what: str) -> Any:
    """``metric``, or ValueError where it ``chooses`` something on the test split."""
    if chooses:
        raise ValueError(refusal(metric, what))
    return metric
