"""The budget for which claims were made, and the budget of the run that tests them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import polars as pl

from fallline.stats.columns import configurations
from fallline.stats.filters import select_trials
from fallline.store import Run
from fallline.store.claims import noted_claims
from fallline.study import Claim
from fallline.study.original_claims import tables

Span = tuple[int, int]


class ClaimBudget(NamedTuple):
    """How much the arms of a claim train: minimum and maximum of ``steps`` and of ``images`` (distinct training
    examples) over their ``configurations`` (a count), and the ``data`` they train on. ``images`` is None where unknown
    in one of two budgets."""

    configurations: int
    steps: Span
    images: Span | None
    data: tuple[str, ...]


def budgets(run: Run, claims: Sequence[Claim]) -> list[tuple[ClaimBudget, ClaimBudget] | None]:
    """For each claim the budget it was made for and that of the run; None where they are equal or unknown."""
    preregistered = noted_claims(run.paths, run.study)
    if (
        preregistered is None
        or not preregistered.written
        or not {"train_examples", "subset"} <= set(run.trials.columns)
    ):
        return [None] * len(claims)
    known = configurations(run).unique("configuration", maintain_order=True)
    images = pl.min_horizontal("subset", "train_examples")
    ours = known.with_columns(data=pl.col("data").str.split(",").list.first(), images=images, configurations=pl.lit(1))
    original = _frame(preregistered.written)
    return [_pair(_budget(original, claim), _budget(ours, claim)) for claim in claims]


def _pair(original: ClaimBudget | None, tested: ClaimBudget | None) -> tuple[ClaimBudget, ClaimBudget] | None:
    if original is None or tested is None:
        return None
    if original.images is None or tested.images is None:
        original, tested = original._replace(images=None), tested._replace(images=None)
    return None if original == tested else (original, tested)


def _budget(rows: pl.DataFrame, claim: Claim) -> ClaimBudget | None:
    """The budget of the rows of the claim's arms; None where there are none."""
    rows = select_trials(rows, claim.where).with_row_index("place")
    arms: list[Mapping[str, Any]] = (
        [{}] if claim.worse == "others" else [table for table in tables(claim) if table is not claim.where]
    )
    of_arms = pl.concat([select_trials(rows, dict(table)) for table in arms]).unique("place")
    if of_arms.is_empty():
        return None
    return ClaimBudget(
        int(of_arms["configurations"].sum()),
        _span(of_arms["steps"]),
        None if of_arms["images"].null_count() else _span(of_arms["images"]),
        tuple(sorted(of_arms["data"].unique())),
    )


def _span(values: pl.Series) -> Span:
    counts = values.to_list()
    return min(counts), max(counts)


def _frame(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """The rows with the types of the table of trials: a column with any text is text."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: [row.get(name) for row in rows] for name in names}
    return pl.DataFrame(
        {
            name: [None if value is None else str(value) for value in values]
            if any(isinstance(value, str) for value in values)
            else values
            for name, values in columns.items()
        },
        strict=False,
    )
