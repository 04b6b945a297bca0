"""Data and tasks: examples in three splits, where they come from, and a model trained on them."""

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
    """The three splits. A task may have no validation and no test split."""

    train: Split
    validation: Split | None = None
    test: Split | None = None


@dataclass(frozen=True)
class Dataset:
    """``load(size, folder)`` gives the Splits: size "sample" (ships in the package) or "full".

    ``folder`` is the folder of the full files, or None for the usual places. ``files`` describe the files of a full
    copy. ``examples`` maps a size to its number of training examples. ``shapes(size)`` returns the Splits with zeros
    that take no memory in place of the examples.
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
    inside the program, so images stay bytes in memory). ``metrics`` map a name to ``f(outputs, targets) -> [batch]`` or
    to a ``Metric``, which also says whether less of it is better.
    ``examples`` maps a size to its number of training examples; budgets in epochs need it before the data is read.
    ``gives`` is "logits", "probabilities" where the model ends in its own softmax or sigmoid, or "values" on the scale
    of the targets. It decides which losses fit, and the output above which a binary prediction is positive: 0 for
    logits, the midpoint of the two targets for the others.
    ``classes`` name the labels in tables and figures. ``shapes`` is that of a Dataset, so that a plan need not read
    the examples.
    A task whose architecture a recipe chooses has ``models(**sizes)``: the Model of these sizes, equal sizes the same
    object. ``in_units(function)`` turns a metric's function into one in the units of the targets, where training
    scales them. ``pipeline`` is a JSON-like description of how a file became arrays: it is kept with the records.
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
    models: Callable[..., Model] | None = None
    in_units: Callable[[Callable[..., Any]], Callable[..., Any]] | None = None
    pipeline: Mapping[str, Any] | None = None
