"""Versions, machine, commit, and times of the run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl

from fallline.report import formatting
from fallline.report.document import Block, Column, Facts, Heading, Paragraph, Table, folded_if_long
from fallline.report.sections.budget import budget_blocks
from fallline.report.sections.forecast import forecast_blocks
from fallline.store import Run

TIMES = {
    "trace_seconds": "trace",
    "compile_seconds": "compile",
    "warmup_seconds": "warm-up",
    "steady_seconds": "steady",
    "evaluate_seconds": "evaluation",
}
VERSIONS = ("fallline", "python", "jax", "jaxlib", "optax", "equinox", "numpy", "polars")
MOST_BLOCKS = 60


def environment_blocks(run: Run) -> list[Block]:
    """The environment of the last start, total times, training budgets, the forecast, and one row per block."""
    places = run.environments
    last: dict[str, Any] = places[-1] if places else {}
    found: list[Block] = [Facts([(name, value) for name, value in _facts(run, last, len(places)) if value])]
    if budget := budget_blocks(run):
        found += [Heading("Training budgets", "budget"), *budget, Heading("Time")]
    times = run.timings
    if times.is_empty():
        return found
    shown = times.head(MOST_BLOCKS)
    more = f" (the first {MOST_BLOCKS})" if times.height > MOST_BLOCKS else ""
    summary = f"Time and memory of {formatting.plural(times.height, 'block')}{more}"
    return [
        *found,
        *forecast_blocks(run),
        folded_if_long(block_table(shown), summary),
        Paragraph(
            "Wall-clock seconds. Warm-up is the first dispatch; steps/s are of all lanes together after it. A "
            "lane's share of a block's time is not the time of that trial trained alone.",
            "note",
        ),
    ]


def _facts(run: Run, last: dict[str, Any], starts: int) -> list[tuple[str, str]]:
    machine = [str(last[key]) for key in ("processor", "platform") if last.get(key)]
    if last.get("cores"):
        machine.append(formatting.plural(last["cores"], "core"))
    if last.get("memory_bytes"):
        machine.append(formatting.size(last["memory_bytes"]))
    spent = {name: sum(run.timings[key].drop_nulls()) for key, name in TIMES.items() if key in run.timings.columns}
    trials = run.trials
    return [
        ("trials", f"{formatting.count(trials.height)}, {formatting.count(_steps(trials))} steps in total"),
        ("time", ", ".join(f"{name} {formatting.seconds(value)}" for name, value in spent.items())),
        ("device", str(last.get("device") or "")),
        ("machine", ", ".join(machine)),
        ("versions", ", ".join(f"{name} {last[name]}" for name in VERSIONS if last.get(name))),
        ("commit", str(last.get("commit") or "")),
        ("command", str(last.get("command") or "")),
        (
            "started",
            str(last.get("started") or "")[:19].replace("T", " ") + (f" (start {starts})" if starts > 1 else ""),
        ),
    ]


def _steps(trials: pl.DataFrame) -> int:
    """Steps of all trials; for trials that ended early the steps made."""
    ended = [pl.col(name) for name in ("stopped_at", "diverged_at") if name in trials.columns]
    return int(trials.select(pl.coalesce(*ended, "steps").sum()).item())


def block_table(times: pl.DataFrame) -> Table:
    """One row per block: lanes, steps, parameters, times, speed, memory."""
    rows = times.to_dicts()

    def numbers(heading: str, key: str, say: Callable[[Any], str]) -> Column:
        values = [row.get(key) for row in rows]
        return Column(heading, [say(value) for value in values], values)

    speeds = [_steps_a_second(row) for row in rows]
    return Table(
        [
            Column.of_texts("block", [row["block"] for row in rows]),
            Column.of_texts("device", [row.get("device") or formatting.MISSING for row in rows]),
            *(numbers(key, key, formatting.count) for key in ("lanes", "seeds", "steps", "parameters")),
            *(numbers(heading, key, lambda value: formatting.number(value, 3)) for key, heading in TIMES.items()),
            Column("steps/s", [formatting.count(speed) for speed in speeds], speeds),
            numbers("predicted memory", "predicted_memory_bytes", formatting.size),
        ],
        len(rows),
    )


def _steps_a_second(row: dict[str, Any]) -> float | None:
    """Steps of all lanes together in a second."""
    if not row.get("steady_seconds"):
        return None
    return (row.get("steady_steps") or 0) * row["lanes"] / row["steady_seconds"] or None
