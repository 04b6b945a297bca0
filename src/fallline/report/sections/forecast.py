"""Predicted and measured memory and time of every cohort, its share of the device's matmul throughput, and its
bottleneck.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from fallline.report import formatting
from fallline.report.document import Block, Column, Heading, Paragraph, Table, folded_if_long
from fallline.store import Run

SECONDS = ("warmup_seconds", "steady_seconds", "evaluate_seconds")

BOUNDS = {
    "overhead": "overhead of launching operations: more lanes or larger batches would cost little",
    "memory": "memory bandwidth: faster arithmetic would bring little",
    "arithmetic": "arithmetic (compute-bound)",
}
NOTE = (
    "Memory is the peak of the process during training beyond its packages, by the allocator's counter; time is "
    "the sum over blocks of training and evaluation. Neither includes compiling, and both were predicted before "
    "the first step. FLOPs are counted in the compiled program; the share is of the throughput of a large "
    "float32 matmul measured on this device."
)
SORTED_BY = (
    "memory_bytes",
    "predicted_memory_bytes",
    "memory_error",
    "seconds",
    "predicted_seconds",
    "seconds_error",
    "flops_a_second",
    "share",
)

SHAPE = {
    "cohort": pl.String,
    "predicted_memory_bytes": pl.Float64,
    "memory_bytes": pl.Float64,
    "resident_bytes": pl.Float64,
    "predicted_seconds": pl.Float64,
    "seconds": pl.Float64,
    "flops": pl.Float64,
    "flops_a_second": pl.Float64,
    "share": pl.Float64,
    "bound": pl.String,
    "bound_share": pl.Float64,
    "how": pl.String,
}


def predicted_frame(run: Run) -> pl.DataFrame:
    """One row per complete cohort with a forecast: predicted and measured values.

    Memory is what the cohort's process held beyond its packages, by the allocator's counter, seconds the sum over
    blocks of training and evaluation; ``share`` is the fraction of the device's matmul throughput reached.
    """
    rows = []
    timings = run.timings
    for cohort in (cohort for round_ in run.plan.get("rounds", []) for cohort in round_["cohorts"]):
        told, names = cohort.get("predicted"), [block["name"] for block in cohort["blocks"]]
        if not told or timings.is_empty() or "peak_memory_bytes" not in timings.columns:
            continue
        own = timings.filter(pl.col("block").is_in(names))
        if names and own.height == len(names):
            rows.append(_row(cohort["name"], told, own))
    return pl.DataFrame(rows, schema=SHAPE)


def _row(name: str, told: dict[str, Any], own: pl.DataFrame) -> dict[str, Any]:
    seconds = float(own.select(pl.sum_horizontal(SECONDS).sum()).item())
    working = float(own.select(pl.sum_horizontal(SECONDS[:2]).sum()).item())
    rate = told["flops"] * told["at_once"] / working if working else None
    product = told.get("product_flops")
    return {
        "cohort": name,
        "predicted_memory_bytes": told["memory_bytes"],
        "memory_bytes": own["peak_memory_bytes"].cast(pl.Float64).max(),
        "resident_bytes": own["resident_bytes"].cast(pl.Float64).max(),
        "predicted_seconds": told["seconds"],
        "seconds": seconds,
        "flops": told["flops"],
        "flops_a_second": rate,
        "share": rate / product if rate and product else None,
        "bound": told["bound"],
        "bound_share": told["bound_share"],
        "how": told["how"],
    }


def forecast_blocks(run: Run) -> list[Block]:
    """The table and its summary; none where nothing was predicted."""
    frame = predicted_frame(run)
    if frame.is_empty():
        return []
    rows = frame.to_dicts()
    cells = [_cells(row) for row in rows]
    frame = frame.with_columns(
        memory_error=pl.col("predicted_memory_bytes") / pl.col("memory_bytes") - 1,
        seconds_error=pl.col("predicted_seconds") / pl.col("seconds") - 1,
    )
    heads = ("memory", "predicted", "error", "time", "predicted", "error", "FLOP/s", "of the device")
    bounds = [
        formatting.MISSING if row["bound"] is None else f"{row['bound']} ({_percent(row['bound_share'])})"
        for row in rows
    ]
    table = Table(
        [
            Column.of_texts("cohort", [row["cohort"] for row in rows]),
            *(
                Column(head, [row[place] for row in cells], frame[key].to_list())
                for place, (head, key) in enumerate(zip(heads, SORTED_BY, strict=True))
            ),
            Column.of_texts("bound by", bounds),
        ],
        frame.height,
    )
    return [
        Heading("Predicted and measured", "predicted"),
        Paragraph(sentence(frame)),
        folded_if_long(table, f"Predicted and measured, {frame.height} cohorts"),
        Paragraph(NOTE, "note"),
    ]


def sentence(frame: pl.DataFrame) -> str:
    """How accurate the forecast was, and the bottleneck."""
    told = []
    for what, name in (("memory", "memory_bytes"), ("time", "seconds")):
        both = frame.filter(pl.col(f"predicted_{name}").is_not_null(), pl.col(name) > 0)
        if both.height:
            off = (both[f"predicted_{name}"] / both[name] - 1).abs()
            told.append(f"{what}: median error {_percent(off.median())}, maximum {_percent(off.max())}")
    said = f"Error of the forecast: {'; '.join(told)}. " if told else ""
    bounds = frame.filter(pl.col("bound").is_not_null()).sort("seconds", descending=True)
    if bounds.is_empty():
        return said + "The device was not calibrated, so no time was predicted: fallline plan calibrates it once."
    most = bounds.row(0, named=True)
    reached = (
        ""
        if most["share"] is None
        else (
            f" It reached {formatting.number(most['flops_a_second'] / 1e9, 3)} GFLOP/s, "
            f"{_percent(most['share'])} of the device's matmul throughput."
        )
    )
    return f"{said}The longest cohort, {most['cohort']}, is limited by {BOUNDS[most['bound']]}.{reached}"


def _cells(row: dict[str, Any]) -> list[str]:
    return [
        formatting.size(row["memory_bytes"]),
        formatting.size(row["predicted_memory_bytes"]),
        _off(row["predicted_memory_bytes"], row["memory_bytes"]),
        formatting.seconds(row["seconds"]),
        formatting.seconds(row["predicted_seconds"]),
        _off(row["predicted_seconds"], row["seconds"]),
        formatting.number(row["flops_a_second"], 3),
        _percent(row["share"]),
    ]


def _off(predicted: float | None, measured: float | None) -> str:
    if not predicted or not measured:
        return formatting.MISSING
    return f"{100 * (predicted / measured - 1):+.0f} %".replace("-", "−")


def _percent(share: Any) -> str:
    return (
        formatting.MISSING
        if share is None
        else f"{100 * float(share):.2g} %"
        if share < 0.1
        else f"{100 * share:.0f} %"
    )
