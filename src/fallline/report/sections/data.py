"""The section on the user's own data: what was decided for each column, how the rows were split."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fallline.report import formatting
from fallline.report.document import Block, Column, Paragraph, Table
from fallline.store import Run


def data_blocks(run: Run) -> list[Block]:
    """Sentences and a table per file; none for a run on built-in data or arrays of Python."""
    return [block for pipeline in run.pipelines.values() for block in _of_file(pipeline)]


def data_lines(pipeline: Mapping[str, Any]) -> list[str]:
    """What a file became, as sentences: its splits, its classes, rows that were left out."""
    rows = {name: formatting.count(count) for name, count in pipeline["rows"].items()}
    lines = [
        f"{pipeline['file']}: {', '.join(f'{count} rows for {name}' for name, count in rows.items())}, split "
        f"{pipeline['split']}."
    ]
    if pipeline.get("rows_without_target"):
        lines.append(f"{formatting.plural(pipeline['rows_without_target'], 'row')} without a target left out.")
    if counts := pipeline.get("class_counts"):
        total = sum(counts.values())
        shares = [f"{name} {100 * count / total:.0f} %" for name, count in list(counts.items())[:12]]
        more = f", and {len(counts) - 12} more" if len(counts) > 12 else ""
        lines.append(f"Classes in the training rows: {', '.join(shares)}{more}.")
    if weights := pipeline.get("class_weights"):
        lines.append(f"Class weights in the loss: {', '.join(f'{weight:.3g}' for weight in weights)}.")
    if (target := pipeline.get("target")) and target["scale"]:
        pairs = [
            f"{name} minus {formatting.number(shift)}, divided by {formatting.number(scale)}"
            for name, shift, scale in zip(target["names"], target["shift"], target["scale"], strict=True)
        ]
        lines.append(f"The target is standardised for training: {'; '.join(pairs)}. Errors are in its own units.")
    return lines


def column_rows(pipeline: Mapping[str, Any]) -> list[tuple[str, str, str, int, int, str]]:
    """(column, kind, why, different values, missing cells, what it became) of each column of a table."""
    became = {encoding["name"]: _became(encoding) for encoding in pipeline.get("encodings", ())}
    return [
        (
            column["name"],
            column["kind"],
            column["why"],
            column["values"],
            column["missing"],
            became.get(column["name"], "-"),
        )
        for column in pipeline.get("columns", ())
    ]


def _became(encoding: Mapping[str, Any]) -> str:
    """The inputs that a column became, in words."""
    if encoding["kind"] == "category":
        count = len(encoding["levels"]) + encoding["other"]
        return formatting.plural(count, "input") + (", rare values share one" if encoding["other"] else "")
    shift, scale = formatting.number(encoding["shift"]), formatting.number(encoding["scale"])
    flag = "; missing cells get the median and a flag" if encoding["flags"] else ""
    if encoding["kind"] == "date":
        return f"day, place in the year and in the week{flag}"
    return f"(value - {shift}) / {scale}{flag}"


def _of_file(pipeline: Mapping[str, Any]) -> list[Block]:
    lines: list[Block] = [Paragraph(line) for line in data_lines(pipeline)]
    rows = column_rows(pipeline)
    if not rows:
        return lines
    names, kinds, reasons, values, missing, became = zip(*rows, strict=True)
    table = Table(
        [
            Column.of_texts("column", names),
            Column.of_texts("kind", kinds),
            Column.of_texts("why", reasons, width="wrap"),
            Column("values", [formatting.count(count) for count in values], values),
            Column("missing", [formatting.count(count) for count in missing], missing),
            Column.of_texts("input of the model", became, width="wrap"),
        ],
        len(rows),
    )
    overrule = 'Fitted on the training rows alone. Overrule a kind in the study: [data.columns] NAME = "category".'
    return [*lines, table, Paragraph(overrule, "note")]
