"""The form of plan.json: what is read from it is checked here, so that nothing else in it can do harm."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from fallline.study.formatting import shown

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,100}$")]
"""Names files; so it has no dot and no slash."""

Count = Annotated[int, Field(ge=0, le=10**9, strict=True)] | bool
Word = Annotated[str, Field(max_length=100)]
Seed = Annotated[int, Field(ge=0, lt=2**31, strict=True)]
Trial = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]


class Entry(BaseModel):
    """Fields that are not named here are kept as they are: later versions may have more."""

    model_config = ConfigDict(extra="allow")


class BlockEntry(Entry):
    """Trials that are trained at once: those of each of its seeds, seed after seed."""

    name: Name
    seeds: list[Seed] = []
    trials: list[Trial] = []

    @model_validator(mode="after")
    def _full_grid(self) -> BlockEntry:
        if self.seeds and len(self.trials) % len(self.seeds):
            raise ValueError(f"{len(self.trials)} trials are not as many for each of {len(self.seeds)} seeds")
        return self


class CohortEntry(Entry):
    """``layout`` says how it is run: counts of steps, seeds, programs."""

    name: Name
    layout: dict[str, Count | Word] = {}
    blocks: list[BlockEntry]


class RoundEntry(Entry):
    cohorts: list[CohortEntry]


class PlanFile(Entry):
    format: int = 0
    rounds: list[RoundEntry]
    earlier: list[Trial] = []


def first_mistake(plan: object) -> str | None:
    """What is wrong with a plan, in words with its place; None where nothing is."""
    try:
        PlanFile.model_validate(plan)
    except ValidationError as failure:
        error = failure.errors(include_url=False)[0]
        place = ".".join(map(str, error["loc"])) or "the whole"
        return f"{place[:100]}: {error['msg']}, got {shown(error.get('input'))}"
    return None
