"""The tables of the measurement as texts, for page and terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from fallline.batching import steps_of
from fallline.report import formatting
from fallline.report.render.terminal import rich_table
from fallline.report.rounding import interval
from fallline.report.scaling.sentences import percent
from fallline.report.tables import frame_table

if TYPE_CHECKING:
    from rich.table import Table as RichTable

    from fallline.report.scaling.result import Scaled

AXES = {("data", "strong"): "one batch, split", ("data", "weak"): "one batch each", ("trial", "both"): "one trial each"}
"""What the devices do, by axis and scaling."""


def said_count(text: str) -> str:
    """A count of devices: "4", "2 hosts x 3"."""
    hosts, _, devices = text.rpartition("x")
    return f"{hosts} hosts × {devices}" if hosts else devices


def milliseconds(seconds: float | None) -> str:
    return formatting.MISSING if seconds is None else formatting.number(1e3 * seconds, 3)


def axes_table(scaled: Scaled) -> pl.DataFrame:
    """One row per (axis, batch, count): the time of a step, the speed-up with its range, the efficiency."""
    return pl.DataFrame(
        [
            {
                "devices do": AXES[row["axis"], row["scaling"]],
                "batch": formatting.count(row["batch"]),
                "devices": said_count(row["count"]),
                "ms per step": milliseconds(row["seconds"]),
                "range, ms": f"{milliseconds(row['low'])} to {milliseconds(row['high'])}",
                "ms on one device": milliseconds(row["alone"]),
                "speed-up": formatting.number(row["speed_up"], 3),
                "speed-up range": interval(row["speed_up_low"], row["speed_up_high"]),
                "efficiency": percent(row["efficiency"]),
            }
            for row in scaled.axes.iter_rows(named=True)
        ]
    )


def parts_table(scaled: Scaled) -> pl.DataFrame:
    """One row per split batch: the parts of a step's time."""
    return pl.DataFrame(
        [
            {
                "devices": said_count(row["count"]),
                "batch": formatting.count(row["batch"]),
                "per device": formatting.count(row["local"]),
                "ms per step": milliseconds(row["seconds"]),
                "compute": milliseconds(row["compute"]),
                "sharing": milliseconds(row["sharing"]),
                "communication": milliseconds(row["communication"]),
                "idle and overhead": milliseconds(row["rest"]),
            }
            for row in scaled.parts.iter_rows(named=True)
        ]
    )


def budget_table(scaled: Scaled) -> pl.DataFrame:
    """One row per (batch, scaling, count): steps, time of an epoch and of the budget, compared with one device."""
    rows = []
    for row in scaled.budgets.iter_rows(named=True):
        if row["scaling"] == "weak" and row["count"] == "1":
            continue
        rows.append(
            {
                "batch": formatting.name(row["batch"]),
                "devices do": AXES["data", row["scaling"]],
                "devices": said_count(row["count"]),
                "epochs": formatting.setting(float(f"{row['epochs']:.4g}")),
                "steps": formatting.count(row["steps"]),
                "s per epoch": formatting.number(row["an_epoch"], 3),
                "difference": formatting.signed(row["an_epoch"] - _one(scaled, row)["an_epoch"]),
                "budget": formatting.seconds(row["seconds"]),
                "speed-up": formatting.number(row["speed_up"], 3),
                "efficiency": percent(row["efficiency"]),
                "from": "measured sizes" if row["measured"] else "extrapolated",
            }
        )
    return pl.DataFrame(rows)


def epoch_table(scaled: Scaled) -> pl.DataFrame:
    """One row per (batch, epoch) of batches that change: seconds on each count, and the difference from one device."""
    changing = [pace.batch for pace in scaled.paces if len(pace.epochs) > 1]
    rows: dict[tuple[str, int], dict[str, Any]] = {}
    for row in scaled.epochs.filter(pl.col("batch").is_in(changing), scaling="strong").iter_rows(named=True):
        line = rows.setdefault(
            (row["batch"], row["epoch"]),
            {
                "batch": row["batch"],
                "epoch": row["epoch"],
                "size": formatting.count(row["batch_size"]),
                "steps": formatting.count(row["steps"]),
            },
        )
        line[f"s on {said_count(row['count'])}"] = formatting.number(row["seconds"], 3)
        if row["count"] != "1":
            line[f"{said_count(row['count'])} less 1"] = formatting.signed(row["difference"])
    return pl.DataFrame(list(rows.values()))


def forecast_table(scaled: Scaled) -> pl.DataFrame:
    """One row per count: the model's prediction for the study's batch, and the batch from which a split is faster."""
    judged = scaled.judged
    rows = judged.forecast.filter(batch=judged.batch)
    by = {(row["devices"], row["axis"], row["scaling"]): row for row in rows.iter_rows(named=True)}
    found = []
    for row in judged.thresholds.iter_rows(named=True):
        n = row["devices"]
        split, weak = by.get((n, "data", "strong")), by[n, "data", "weak"]
        found.append(
            {
                "devices": formatting.count(n),
                "all-reduce, ms": milliseconds(row["communication"]),
                f"split of {formatting.count(judged.batch)}": formatting.MISSING
                if split is None
                else f"{formatting.number(split['speed_up'], 3)} times",
                f"{formatting.count(judged.batch)} each": f"{formatting.number(weak['speed_up'], 3)} times",
                "one trial each": f"{formatting.count(n)} times",
                "split faster from": _batch(row["pays_from"], n),
                "efficiency 70 % from": _batch(row["good_from"], n),
                **(
                    {}
                    if scaled.measured.law_across is None
                    else {"across hosts faster from": _batch(row["pays_from_across"], n)}
                ),
            }
        )
    return pl.DataFrame(found)


def reported_table(scaled: Scaled) -> pl.DataFrame:
    """One row per published time: its seconds and speed-up, and the reproduced ones, strong and weak."""
    asked = scaled.study.scale
    if asked is None or not asked.reported:
        return pl.DataFrame()
    first = {published.of: published.seconds for published in reversed(asked.reported) if str(published.devices) == "1"}
    own = {
        (row["count"], row["scaling"]): row
        for row in scaled.budgets.iter_rows(named=True)
        if row["batch"] == scaled.paces[0].batch
    }
    rows = []
    for published in asked.reported:
        strong, weak = (own.get((str(published.devices), kind)) for kind in ("strong", "weak"))
        base = first.get(published.of)
        column = "an_epoch" if published.of == "an epoch" else "seconds"
        rows.append(
            {
                "devices": formatting.MISSING if published.devices is None else said_count(str(published.devices)),
                "published": f"{formatting.seconds(published.seconds)} {published.of}",
                "its speed-up": formatting.MISSING if base is None else formatting.number(base / published.seconds, 3),
                "reproduced, one batch split": formatting.MISSING
                if strong is None
                else f"{formatting.seconds(strong[column])} ({formatting.number(strong['speed_up'], 3)} times)",
                "reproduced, one batch each": formatting.MISSING
                if weak is None
                else f"{formatting.seconds(weak[column])} ({formatting.number(weak['speed_up'], 3)} times)",
                "text": published.text,
            }
        )
    return pl.DataFrame(rows)


def calculated(scaled: Scaled) -> list[str]:
    """Sentences: the steps of the first budget on each count of devices, one batch on each."""
    pace = scaled.paces[0]
    examples = scaled.facts["examples"]
    if len(pace.epochs) > 1:
        return []
    found = []
    for count in scaled.measured.counts:
        workers = scaled.measured.devices(count)
        if pace.epochs[0][0] * workers <= examples:
            found.append(steps_of(round(pace.whole, 6), examples, pace.epochs[0][0], workers).sentence)
    return list(dict.fromkeys(found))


def terminal(scaled: Scaled) -> list[RichTable]:
    """The tables for a terminal."""
    tables = (
        ("Speed-up of a step", axes_table(scaled)),
        ("Time of a split step, ms", parts_table(scaled)),
        ("Time of the study", budget_table(scaled)),
        ("Predictions", forecast_table(scaled)),
    )
    return [rich_table(frame_table(frame), title) for title, frame in tables if not frame.is_empty()]


def _one(scaled: Scaled, row: dict[str, Any]) -> dict[str, Any]:
    return scaled.budgets.row(
        by_predicate=(pl.col("batch") == row["batch"])
        & (pl.col("count") == "1")
        & (pl.col("scaling") == "strong")
        & (pl.col("epochs") == row["epochs"]),
        named=True,
    )


def _batch(value: float | None, devices: int) -> str:
    return "never" if value is None else formatting.count(max(devices, value))
