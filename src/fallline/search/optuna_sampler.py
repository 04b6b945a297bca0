"""The samplers of Optuna: asked for a bracket's settings, told what each of them reached.

Optuna is an extra. Its state is made again when a search continues: the same settings are asked and told in the same
order, so that what is asked follows from the records.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from fallline.errors import StudyError, UnknownName
from fallline.search.space import Dimension, Space

if TYPE_CHECKING:
    from fallline.search.samplers import Seen

PREFIX = "optuna:"

NOT_HERE = ("BaseSampler", "GridSampler", "PartialFixedSampler")
"""Samplers that need more than a space."""


class OptunaSampler:
    """The sampler ``name`` of ``optuna.samplers`` for one space, larger values are better.

    UnknownName for another name, StudyError where Optuna, or a package that the sampler needs, is not installed.
    """

    def __init__(self, name: str, space: Space, seed: int):
        try:
            optuna: Any = import_module("optuna")
        except ModuleNotFoundError:
            raise StudyError(
                f"the sampler {PREFIX}{name} needs Optuna: pip install 'fallline[optuna]'; tpe, sobol and random need "
                "nothing"
            ) from None
        known = [each for each in optuna.samplers.__all__ if each.endswith("Sampler") and each not in NOT_HERE]
        if name not in known:
            raise UnknownName("sampler of Optuna", name, known, "[search]")
        self._states = optuna.trial.TrialState
        self._space, self._trials = space, []
        self._distributions = {
            dimension.name: optuna.distributions.CategoricalDistribution(range(len(dimension.choices)))
            if dimension.choices
            else optuna.distributions.FloatDistribution(0.0, 1.0)
            for dimension in space.dimensions
        }
        with _quiet(optuna):
            make = getattr(optuna.samplers, name)
            takes = inspect.signature(make).parameters
            wanted = {"seed": seed, "constant_liar": True}  # the settings of a bracket are asked together
            sampler = make(**{key: value for key, value in wanted.items() if key in takes})
            self._optuna = optuna
            self._study = optuna.create_study(direction="maximize", sampler=sampler)

    def ask(self, count: int) -> np.ndarray:
        """``count`` points [count, dimensions] of the unit cube."""
        with _quiet(self._optuna):
            try:
                self._trials = [self._study.ask(self._distributions) for _ in range(count)]
            except ImportError as failure:
                raise StudyError(
                    f"the sampler {PREFIX}{type(self._study.sampler).__name__} needs another package: {failure}"
                ) from None
        return np.array(
            [[_unit(dimension, trial.params) for dimension in self._space.dimensions] for trial in self._trials]
        )

    def tell(self, seen: Sequence[Seen | None], steps: Sequence[int]) -> None:
        """What each of the points that were asked last reached; ``steps`` of each rung. None: it was a duplicate."""
        for trial, one in zip(self._trials, seen, strict=True):
            if one is None or not np.isfinite(one.value):
                self._study.tell(trial, state=self._states.FAIL)
                continue
            trial.report(one.value, steps[one.rung])
            last = one.rung == len(steps) - 1
            self._study.tell(trial, one.value if last else None, state=None if last else self._states.PRUNED)


def _unit(dimension: Dimension, params: dict[str, Any]) -> float:
    """The place in [0, 1] of what Optuna chose: a number there, or the index of a choice."""
    chosen = params[dimension.name]
    return (chosen + 0.5) / len(dimension.choices) if dimension.choices else chosen


@contextmanager
def _quiet(optuna: Any) -> Iterator[None]:
    """Without Optuna's own lines and warnings on the screen of a search."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(level)
