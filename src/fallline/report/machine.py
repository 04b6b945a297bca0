"""Versions, machine, commit, and times of the run."""

from __future__ import annotations

from typing import Any

import polars as pl

from fallline.report import formatting, predicted
from fallline.report.budget import how_long
from fallline.report.html import Markup, details, join, tag
from fallline.report.tables import table
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


def what_ran(run: Run) -> Markup:
    """The environment of the last start, total times, training budgets, and one row per block."""
    places = run.environments
    last: dict[str, Any] = places[-1] if places else {}
    facts = [(name, value) for name, value in _facts(run, last, len(places)) if value]
    listed = tag("dl", [join(tag("dt", name), tag("dd", value)) for name, value in facts])
    long = how_long(run)
    if long:
        listed = join(listed, tag("h3", "Training budgets", id="budget"), long, tag("h3", "Time"))
    times = run.timings
    if times.is_empty():
        return listed
    forecast = predicted.section(run)
    listed = listed if forecast is None else join(listed, forecast)
    blocks = block_table(times.head(MOST_BLOCKS))
    note = tag(
        "p",
        "Wall-clock seconds. Warm-up is the first dispatch; steps/s are of all lanes together after it. A "
        "lane's share of a block's time is not the time of that trial trained alone.",
        cls="note",
    )
    if times.height > 6:
        more = f" (the first {MOST_BLOCKS})" if times.height > MOST_BLOCKS else ""
        return join(
            listed, details(f"Time and memory of {formatting.plural(times.height, 'block')}{more}", blocks), note
        )
    return join(listed, blocks, note)


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


def block_table(times: pl.DataFrame) -> Markup:
    """One row per block: lanes, steps, parameters, times, speed, memory."""
    heads = ["block", "device", "lanes", "seeds", "steps", "parameters", *TIMES.values(), "steps/s", "predicted memory"]
    body = []
    for row in times.iter_rows(named=True):
        speed = None
        if row.get("steady_seconds"):
            speed = (row.get("steady_steps") or 0) * row["lanes"] / row["steady_seconds"] or None
        cells = [formatting.count(row.get(key)) for key in ("lanes", "seeds", "steps", "parameters")]
        cells += [formatting.number(row.get(key), 3) for key in TIMES] + [formatting.count(speed)]
        cells.append(formatting.size(row.get("predicted_memory_bytes")))
        body.append(
            tag(
                "tr",
                tag("td", row["block"]),
                tag("td", row.get("device") or formatting.MISSING),
                [tag("td", text, cls="n") for text in cells],
            )
        )
    return table([tag("th", name, cls="n" if place > 1 else None) for place, name in enumerate(heads)], body)
