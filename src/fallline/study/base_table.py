"""The base of all tables of a study: unknown keys are errors, and values do not change."""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator

CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""Characters that do not print, except ends of lines and tabs."""


class StudyTable(BaseModel):
    """A table of a study as a frozen model."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _printable(cls, value: Any) -> Any:
        if isinstance(value, str) and CONTROLS.search(value):
            raise ValueError("holds a control character, which a terminal would obey; write the text without it")
        return value
