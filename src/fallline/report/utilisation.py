"""Utilisation against batch size: sentence, table, figure and page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import altair as alt
import polars as pl

from fallline.errors import StudyError
from fallline.report import formatting
from fallline.report.document import Document, Drawing, Group, Paragraph, Section
from fallline.report.export import SCALE, write_table
from fallline.report.render import html
from fallline.report.style import WIDTH, theme
from fallline.report.tables import frame_table
from fallline.store.files import write_derived

SUFFIXES = (".html", ".svg", ".png", ".csv")
ENOUGH = 0.9
"""A batch size is large enough if it reaches this share of the maximum examples per second."""

REPORTED = {128: 0.20, 1024: 0.54}
"""Utilisation of one GPU by the convnet of ``workers``, as published (TensorFlow, one run each)."""


def knee(frame: pl.DataFrame) -> int:
    """The smallest batch within 10 % of the maximum examples per second."""
    return int(frame.filter(pl.col("examples_a_second") >= ENOUGH * pl.col("examples_a_second").max())["batch"].min())


def answer(frame: pl.DataFrame, task: str) -> str:
    """Utilisation at two sizes, and the size from which larger batches gain nothing."""
    known = [row for row in frame.iter_rows(named=True) if row["batch"] in REPORTED]
    known = known or [frame.row(0, named=True), frame.row(-1, named=True)]
    used = "busy" if frame["busy"].null_count() == 0 else "share"
    said = ", ".join(f"at {row['batch']:,} to {100 * row[used]:.2g} %" for row in known)
    what = "busy (by its own counter)" if used == "busy" else "used (throughput of large matmuls = 100 %)"
    last = int(frame["batch"].max())
    end = knee(frame)
    more = (
        f"beyond {end:,} larger batches gain nothing"
        if end < last
        else f"and up to {last:,}, the largest measured, larger batches are faster"
    )
    return f"{task}: {said} the device is {what}; {more}."


def reported() -> str:
    """The published figures, for comparison."""
    told = ", ".join(f"{100 * share:.0f} % at {batch:,}" for batch, share in REPORTED.items())
    return f"Published for the convnet of workers on one GPU: {told}."


def shown(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame as texts."""
    rows = [
        {
            "batch": formatting.count(row["batch"]),
            "step": formatting.seconds(row["step_seconds"]),
            "predicted": formatting.seconds(row["predicted_step_seconds"]),
            "examples/s": formatting.count(round(row["examples_a_second"])),
            "GFLOP/s": formatting.number(row["flops_a_second"] / 1e9, 3),
            "of the matmul throughput": f"{100 * row['share']:.2g} %",
            "busy": formatting.MISSING if row["busy"] is None else f"{100 * row['busy']:.0f} %",
            "bound by": row["bound"],
            "published": f"{100 * REPORTED[row['batch']]:.0f} %" if row["batch"] in REPORTED else "",
        }
        for row in frame.iter_rows(named=True)
    ]
    return pl.DataFrame(rows)


def chart(frame: pl.DataFrame) -> Any:
    """Examples a second and the share of the device against the batch size; a rule where larger batches gain
    nothing.
    """
    rows = frame.with_columns(knee=pl.lit(knee(frame)), percent=100 * pl.col("share"))
    x = alt.X("batch:Q", title="batch size", scale=alt.Scale(type="log", base=2))
    base = alt.Chart(alt.Data(values=rows.to_dicts()))
    rule = base.mark_rule(strokeDash=[4, 4]).encode(x=alt.X("knee:Q", scale=alt.Scale(type="log", base=2)))

    def panel(name: str, title: str) -> Any:
        y = alt.Y(f"{name}:Q", title=title, scale=alt.Scale(type="log"))
        tips = [alt.Tooltip("batch:Q"), alt.Tooltip(f"{name}:Q", title=title, format=".3s")]
        line = base.mark_line(point=True).encode(x=x, y=y, tooltip=tips)
        return alt.layer(rule, line).properties(width=WIDTH / 2 - 60, height=220)

    drawn = panel("examples_a_second", "examples per second") | panel("percent", "% of matmul throughput")
    drawn["config"] = theme()
    return drawn


def write(frame: pl.DataFrame, task: str, path: str | Path) -> Path:
    """Write a page (.html), the figure (.svg, .png) or the data (.csv); StudyError for another suffix."""
    import vl_convert

    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise StudyError(f"--out takes a file that ends in one of {', '.join(SUFFIXES)}, got {path.name!r}")
    if path.suffix == ".csv":
        write_table(path, frame)
        return path
    svg = vl_convert.vegalite_to_svg(chart(frame).to_dict())
    if path.suffix == ".svg":
        write_derived(path, svg)
    elif path.suffix == ".png":
        write_derived(path, vl_convert.svg_to_png(svg, scale=SCALE))
    else:
        write_derived(path, html.page(_document(frame, task, svg)))
    return path


def _document(frame: pl.DataFrame, task: str, svg: str) -> Document:
    said = [Paragraph(answer(frame, task), "first"), Paragraph(reported())]
    return Document(
        "utilisation",
        f"How well {task} uses {frame['device'][0]}",
        [
            Section("answer", "Answer", [Group(said, "answer")], bare=True),
            Section("figure", "Figure", [Drawing(svg)], bare=True),
            Section("sizes", "Batch sizes", [frame_table(shown(frame))]),
        ],
        about=f"fallline utilisation of {task}.",
    )
