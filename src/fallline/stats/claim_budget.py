"""On what budget claims were made, and on what budget a run judges them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import polars as pl

from fallline.stats.columns import configurations
from fallline.stats.filters import where
from fallline.store import Run
from fallline.store.claims import noted_claims
from fallline.study import Claim
from fallline.study.original_claims import tables

Span = tuple[int, int]


class ClaimBudget(NamedTuple):
    """How much the arms of a claim train: the least and the most ``steps`` and ``images`` (different ones) of their
    configurations, how many these are, and which ``data`` they train on. ``images`` are None where one of two budgets
    does not tell."""

    configurations: int
    steps: Span
    images: Span | None
    data: tuple[str, ...]


def budgets(run: Run, claims: Sequence[Claim]) -> list[tuple[ClaimBudget, ClaimBudget] | None]:
    """Of each claim the budget that it was made about and that of the run; None where they are the same, or where the
    folder does not tell."""
    noted = noted_claims(run.paths, run.study)
    if noted is None or not noted.written or not {"train_examples", "subset"} <= set(run.trials.columns):
        return [None] * len(claims)
    known = configurations(run).unique("configuration", maintain_order=True)
    images = pl.min_horizontal("subset", "train_examples")
    ours = known.with_columns(data=pl.col("data").str.split(",").list.first(), images=images, configurations=pl.lit(1))
    written = _frame(noted.written)
    return [_pair(_budget(written, claim), _budget(ours, claim)) for claim in claims]


def _pair(made: ClaimBudget | None, judged: ClaimBudget | None) -> tuple[ClaimBudget, ClaimBudget] | None:
    if made is None or judged is None:
        return None
    if made.images is None or judged.images is None:
        made, judged = made._replace(images=None), judged._replace(images=None)
    return None if made == judged else (made, judged)


def _budget(rows: pl.DataFrame, claim: Claim) -> ClaimBudget | None:
    """The budget of the rows that belong to an arm of the claim; None where there are none."""
    rows = where(rows, claim.where).with_row_index("place")
    arms: list[Mapping[str, Any]] = (
        [{}] if claim.worse == "others" else [table for table in tables(claim) if table is not claim.where]
    )
    own = pl.concat([where(rows, dict(table)) for table in arms]).unique("place")
    if own.is_empty():
        return None
    return ClaimBudget(
        int(own["configurations"].sum()),
        _span(own["steps"]),
        None if own["images"].null_count() else _span(own["images"]),
        tuple(sorted(own["data"].unique())),
    )


def _span(values: pl.Series) -> Span:
    counts = values.to_list()
    return min(counts), max(counts)


def _frame(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """The rows as the table of trials has them: a column with any text in it is text."""
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
