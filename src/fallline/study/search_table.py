"""The table [search]: what ``fallline tune`` tries, at how many steps and seeds, and from which ranges."""

from __future__ import annotations

import math
import re
from typing import Any

from pydantic import Field, field_validator, model_validator

from fallline.study.base_table import StudyTable

SAMPLERS = ("tpe", "sobol", "random")

SCALES = ("log", "one_minus_log", "uniform", "integer")
"""How a range is drawn from: its logarithm, that of 1 - x, evenly, or whole numbers evenly in their logarithm."""


class SearchTable(StudyTable):
    """``settings`` are tried of each optimizer, in each of ``brackets``; of those trained for the steps of a rung the
    share ``keep`` goes on to the next one, there with its own number of ``seeds``.

    ``space`` has ranges by "optimizer.hyperparameter", "*.hyperparameter" for every optimizer that has it, or the name
    of a field of the recipe: ``{ log = [1e-4, 1.0] }``, or a list of values. Without one each optimizer has the ranges
    declared for its hyperparameters. The best of each optimizer is trained with ``final_seeds`` seeds that the search
    did not see.
    """

    sampler: str = "tpe"
    settings: int = Field(default=16, ge=2, le=10_000)
    brackets: int = Field(default=2, ge=1, le=1_000)
    rungs: list[int] = Field(default_factory=list)
    keep: float = Field(default=0.25, gt=0, lt=1)
    seeds: list[int] = Field(default_factory=list)
    final_seeds: int = Field(default=10, ge=2, le=1_000)
    seed: int = Field(default=0, ge=0, lt=2**31)
    space: dict[str, Any] = Field(default_factory=dict)

    @field_validator("sampler")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in SAMPLERS and not re.fullmatch(r"optuna:\w+", name):
            raise ValueError(f"must be one of {', '.join(SAMPLERS)}, or optuna:NAME such as optuna:CmaEsSampler")
        return name

    @field_validator("rungs", "seeds")
    @classmethod
    def _growing(cls, values: list[int]) -> list[int]:
        if any(value < 1 for value in values) or values != sorted(values):
            raise ValueError("must be whole numbers of 1 or more that do not fall")
        return values

    @field_validator("space")
    @classmethod
    def _ranges(cls, space: dict[str, Any]) -> dict[str, Any]:
        for name, written in space.items():
            check_range(name, written)
        return space

    @model_validator(mode="after")
    def _alike(self) -> SearchTable:
        if self.rungs and self.seeds and len(self.rungs) != len(self.seeds):
            raise ValueError(f"has {len(self.rungs)} rungs and {len(self.seeds)} numbers of seeds; write one per rung")
        return self


def check_range(name: str, written: Any) -> None:
    """ValueError with what to write where a range of the search space is not one."""
    if isinstance(written, list):
        if len(written) < 1:
            raise ValueError(f"space {name}: a list of values needs one or more")
        return
    if not isinstance(written, dict) or len(written) != 1 or next(iter(written)) not in SCALES:
        raise ValueError(f"space {name}: write a list of values, or one of {', '.join(SCALES)} = [low, high]")
    (scale, ends), *_ = written.items()
    numbers = isinstance(ends, (list, tuple)) and len(ends) == 2 and all(_is_number(end) for end in ends)
    if not numbers or not ends[0] < ends[1]:
        raise ValueError(f"space {name}: {scale} takes two numbers, the low one first, got {ends!r}")
    if scale in ("log", "one_minus_log", "integer") and ends[0] <= 0:
        raise ValueError(f"space {name}: {scale} takes numbers above 0, got {ends!r}")
    if scale == "one_minus_log" and ends[1] >= 1:
        raise ValueError(f"space {name}: one_minus_log gives 1 - x for x below 1, got {ends!r}")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
