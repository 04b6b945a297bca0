"""Data and tasks: examples split three ways, where they come from, and a model on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from fallline.contracts.model import Model
from fallline.contracts.rules import Loss, Metric


class Split(NamedTuple):
    """Examples: ``inputs`` [n, ...] and ``targets`` [n, ...], numpy arrays of equal length."""

    inputs: Any
    targets: Any


@dataclass(frozen=True)
class Splits:
    """Train, validation and test are three different things. A task may have no validation or test."""

    train: Split
    validation: Split | None = None
    test: Split | None = None


@dataclass(frozen=True)
class Dataset:
    """``load(size, folder)`` gives the Splits: size "sample" (ships in the package) or "full".

    ``folder`` is where the full files lie, or None to look in the usual places. ``files`` are what a full copy holds.
    ``examples`` says how many examples to train on each size has, ``shapes(size)`` gives the Splits with zeros that
    take no memory in place of the examples.
    """

    name: str
    title: str
    load: Callable[[str, Path | None], Splits]
    classes: tuple[str, ...] = ()
    licence: str = ""
    files: tuple[Any, ...] = ()
    has_sample: bool = True
    examples: Mapping[str, int] = field(default_factory=dict[str, int])
    shapes: Callable[[str], Splits] | None = None


@dataclass(frozen=True)
class Task:
    """A model on a dataset with its metrics.

    ``data(size, folder)`` gives the Splits; ``prepare(inputs)`` turns stored inputs into what the model takes (it runs
    inside the program, so images stay bytes in memory); ``metrics`` map a name to ``f(outputs, targets) -> [batch]`` or
    to a ``Metric``, which also says whether less of it is better.
    ``examples`` says how many examples to train on each size has; budgets in epochs need it before the data is read.
    ``gives`` is "logits", "probabilities" where the model ends in a softmax or sigmoid of its own, or "values" on the
    scale of the targets. It decides which losses fit, and above which output an example is a yes: 0 for logits, half
    way between the two targets for the others.
    ``classes`` name the labels, for tables and pictures. ``shapes`` is that of a Dataset, so that a plan need not read
    the examples.
    """

    name: str
    model: Model
    data: Callable[[str, Path | None], Splits]
    loss: str | Loss
    title: str = ""
    metrics: Mapping[str, Metric | Callable[[Any, Any], Any]] = field(default_factory=dict[str, Any])
    prepare: Callable[[Any], Any] | None = None
    fingerprint: str | None = None  # of the arrays, where the data is the user's own
    examples: Mapping[str, int] = field(default_factory=dict[str, int])
    gives: str = "logits"
    classes: tuple[str, ...] = ()
    shapes: Callable[[str], Splits] | None = None
