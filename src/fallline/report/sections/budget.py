"""The training budget of each batch policy, as a table and as a calculation."""

from __future__ import annotations

from typing import Any

import polars as pl

from fallline.report import formatting
from fallline.report.document import Block, Paragraph
from fallline.report.tables import frame_table
from fallline.stats import budgets
from fallline.store import Run
from fallline.study.recipe_fields import KEPT

USUAL = {
    "workers": 1.0,
    **{field.name: field.default for field in KEPT if field.policy not in ("", "size", "order")},
    "early_stop": None,
}
"""Values that need no column where all rows have them."""


def budget_blocks(run: Run) -> list[Block]:
    """One row per distinct (batch policy, budget), with its calculation in words; none in folders without it."""
    table = budget_table(budgets(run))
    if table.is_empty():
        return []
    return [
        frame_table(table),
        Paragraph("An epoch is one pass over the examples; steps = epochs × examples / batch.", "note"),
    ]


def budget_table(known: pl.DataFrame) -> pl.DataFrame:
    """The rows of ``budgets`` as texts: only the columns that are needed."""
    said = []
    for row in known.iter_rows(named=True):
        said.append(
            {
                "batch_size": formatting.value_of("batch_size", row["batch_size"]),
                "order": row["order"],
                **{name: formatting.value_of(name, row.get(name)) for name in _telling(known)},
                "examples": formatting.count(_used(row)),
                "steps_an_epoch": _plain(row["steps_an_epoch"]),
                "epochs": _plain(row["epochs"]),
                "steps": formatting.count(row["steps"]),
                "examples_seen": formatting.count(row["examples_seen"]),
                **({"stopped_early": _stopped(row)} if known["stopped"].sum() else {}),
                "trials": formatting.count(row["trials"]),
                "in_words": sentence(row),
            }
        )
    return pl.DataFrame(said)


def _telling(known: pl.DataFrame) -> list[str]:
    """The less common fields of a batch policy that are not at their default everywhere."""
    return [name for name, usual in USUAL.items() if name in known.columns and not set(known[name]) <= {usual, None}]


def _plain(value: float) -> str:
    whole = abs(value - round(value)) < 1e-9 * max(1.0, value)
    return formatting.count(value) if whole else formatting.setting(float(f"{value:.4g}"))


def _stopped(row: dict[str, Any]) -> str:
    return f"{formatting.count(row['stopped'])} at {formatting.count(row['stopped_at'])}" if row["stopped"] else "0"


def sentence(row: dict[str, Any]) -> str:
    """The calculation: "40 epochs × 60,000 examples / 128 = 18,750 steps", and the examples left over.

    >>> sentence({"epochs": 40.0, "train_examples": 60000, "batch_size": 128, "steps": 18750})
    '40 epochs × 60,000 examples / 128 a batch = 18,750 steps'
    """
    epochs, examples = row["epochs"], _used(row)
    unit = "epoch" if epochs == 1 else "epochs"
    head = f"{_plain(epochs)} {unit} × {formatting.count(examples)} examples"
    steps = f"{formatting.count(row['steps'])} steps"
    if row["batch_size"] is None:
        return f"{head}, all of them at every step: {steps}"
    text = formatting.value_of("batch_size", row["batch_size"])
    if not str(row["batch_size"]).isdigit():
        return f"{head} in batches of {text}: {steps}"
    size = int(row["batch_size"])
    if row.get("overlap"):
        return f"{head} in batches of {text} that overlap by {formatting.setting(100 * row['overlap'])} %: {steps}"
    exact, left = epochs * examples / size, examples % size
    workers = int(row.get("workers") or 1)
    text = f"{text} a batch"
    if workers > 1 and size % workers == 0:
        text = f"({formatting.count(size // workers)} a batch × {workers} workers)"
    if abs(exact - row["steps"]) < 1e-6 * exact:
        return f"{head} / {text} = {steps}"
    why = f"; the {formatting.count(left)} remaining examples of an epoch are {_fate(row)}" if left else ""
    return f"{head} / {text} = {_plain(exact)}: {steps}{why}"


def _used(row: dict[str, Any]) -> int:
    """The number of different examples that a trial trains on."""
    return min(row.get("subset") or row["train_examples"], row["train_examples"])


def _fate(row: dict[str, Any]) -> str:
    return "a smaller batch of their own" if row.get("last_batch") == "kept" else "dropped"
