"""The table [scale]: on how many devices the steps of a study are timed, and what was published on it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from fallline.errors import HyperparameterError
from fallline.study.base_table import StudyTable
from fallline.study.device_counts import parse_counts


class ReportedTime(StudyTable):
    """A published time: an epoch or the budget took so many ``seconds`` on ``devices`` (None: not published)."""

    devices: int | str | None = None
    seconds: float = Field(gt=0)
    of: Literal["an epoch", "the budget"] = "an epoch"
    text: str = ""


class ScaleClaim(StudyTable):
    """A sentence on time: on ``devices`` the budget is trained more (``above``) or fewer (``below``) times as fast as
    on one.

    ``batch`` is one of the study's batch sizes as text, by default the first. Strong scaling: the devices share that
    batch; weak scaling: each device has such a batch, and there are as many times fewer steps. With ``than`` the
    speed-up is compared with that of another batch instead of a number.
    """

    text: str
    devices: int | str
    batch: str = ""
    scaling: Literal["strong", "weak"] = "strong"
    above: float | None = None
    below: float | None = None
    than: str = ""

    @field_validator("batch", "than", mode="before")
    @classmethod
    def _as_text(cls, batch: Any) -> str:
        return str(batch)

    @model_validator(mode="after")
    def _one_form(self) -> ScaleClaim:
        if sum((self.above is not None, self.below is not None, bool(self.than))) != 1:
            raise ValueError("a claim on time has one of above, below and than")
        return self


class ScaleTable(StudyTable):
    """``devices`` are counts such as 4 or "2x3" (two hosts of three); without ``batch_sizes`` they are the study's own.

    Each program is timed ``repeats`` times for about ``seconds`` each. A study with this table is measured after it is
    trained, and its report starts with the speed-up on more devices.
    """

    devices: list[int | str] = Field(default_factory=lambda: [1, 2, 4], min_length=1)
    batch_sizes: list[int] = Field(default_factory=list)
    repeats: int = Field(default=3, ge=1, le=100)
    seconds: float = Field(default=0.4, gt=0, le=600)
    reported: list[ReportedTime] = Field(default_factory=list)
    claims: list[ScaleClaim] = Field(default_factory=list)

    @field_validator("devices")
    @classmethod
    def _devices(cls, devices: list[int | str]) -> list[int | str]:
        try:
            parse_counts(devices, "scale.devices")
        except HyperparameterError as failure:
            raise ValueError(str(failure)) from None
        return devices

    @field_validator("batch_sizes")
    @classmethod
    def _sizes(cls, sizes: list[int]) -> list[int]:
        if any(size < 1 for size in sizes):
            raise ValueError("batch sizes to measure are whole numbers >= 1")
        return sizes
