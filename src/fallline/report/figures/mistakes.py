"""The examples that most trials got wrong, as pictures: what they are, and what they were taken for."""

from __future__ import annotations

from typing import Any

import polars as pl

from fallline.report import formatting
from fallline.report import vega as alt
from fallline.report.figures import draw as common
from fallline.report.figures.kind import FigureKind
from fallline.report.png import data_uri, png
from fallline.report.style import INK, WIDTH, Theme
from fallline.stats.analysis import Analysis
from fallline.study import Figure

COLUMNS, MOST = 8, 48
SIDE, ROOM = 84, (WIDTH // 8, 148)
"""Pixels of a picture's longer side, and of the place it stands in: width, height."""


LINES = (("true", "text", 600), ("given", "alarm", 400), ("often", "muted", 400))
"""What stands under a picture: the field, its ink, its weight."""


def settle(analysis: Analysis, spec: Figure) -> Figure:
    return spec.model_copy(update={"metric": "mistakes", "title": spec.title or "Examples got wrong most often"})


def data(analysis: Analysis, spec: Figure) -> pl.DataFrame:
    """A row an example, worst first: task, data, split, example (its index), true, given (the class it was taken for
    most often), wrong of trials, image (bytes, not in the CSV), height, width, channels.

    Test examples where there are any; ``where`` keeps those of a task, split, label ...
    """
    rows = analysis.mistakes.filter(pl.col("image").is_not_null())
    for column, value in spec.where.items():
        rows = rows.filter(pl.col(column) == value) if column in rows.columns else rows.clear()
    splits = rows["split"].unique().to_list()
    if "split" not in spec.where and len(splits) > 1:
        rows = rows.filter(pl.col("split") == ("test" if "test" in splits else splits[0]))
    known = analysis.answers.select("task", "data", "split", "classes")
    rows = rows.head(MOST).join(known, on=["task", "data", "split"], how="left", maintain_order="left")
    said = [
        [_name(row["classes"], row[column]) for row in rows.iter_rows(named=True)]
        for column in ("label", "most_common")
    ]
    true, given = (pl.Series(name, values, pl.String) for name, values in zip(("true", "given"), said, strict=True))
    return rows.drop("classes", "label", "most_common").with_columns(true, given)


def _name(classes: list[str] | None, place: int | None) -> str:
    if place is None:
        return formatting.MISSING
    return classes[place] if classes and place < len(classes) else str(place)


def draw(frame: pl.DataFrame, spec: Figure, theme: Theme) -> Any:
    """A grid of pictures, each with three lines under it."""
    if frame.is_empty():
        return common.empty("No example that was got wrong was kept.")
    rows = []
    for place, row in enumerate(frame.iter_rows(named=True)):
        often = f"{formatting.count(row['wrong'])} of {formatting.count(row['trials'])}"
        rows.append(
            {
                "x": (place % COLUMNS) * ROOM[0] + SIDE / 2,
                "y": place // COLUMNS * ROOM[1],
                "picture": data_uri(png(row["image"], row["height"], row["width"], row["channels"])),
                "true": row["true"],
                "given": f"taken for {row['given']}",
                "often": f"wrong in {often}",
                "said": f"Example {row['example']}: {row['true']}, taken for {row['given']}, wrong in {often} trials",
            }
        )
    base = alt.Chart(alt.Data(values=rows))
    high = ROOM[1] * -(-len(rows) // COLUMNS)
    wide = ROOM[0] * min(COLUMNS, len(rows))
    x = alt.X("x:Q", axis=None, scale=alt.Scale(domain=[0, wide], nice=False, zero=False))
    sides = frame["height"].max(), frame["width"].max()
    tall, broad = (SIDE * side / max(sides) for side in sides)

    def at(down: float) -> alt.Y:
        return alt.Y("down:Q", axis=None, scale=alt.Scale(domain=[high, 0], nice=False, zero=False)), down

    layers = []
    y, down = at(SIDE / 2)
    layers.append(
        base.transform_calculate(down=f"datum.y + {down}")
        .mark_image(width=broad, height=tall, smooth=False)
        .encode(x=x, y=y, url="picture:N", description="said:N", tooltip=alt.Tooltip("said:N", title=" "))
    )
    for line, (field, ink, weight) in enumerate(LINES):
        y, down = at(SIDE + 12 + 14 * line)
        layers.append(
            base.transform_calculate(down=f"datum.y + {down}")
            .mark_text(color=INK[ink][0], fontWeight=weight, limit=ROOM[0] - 6, fontSize=11.5)
            .encode(x=x, y=y, text=f"{field}:N")
        )
    return alt.layer(*layers).properties(width=wide, height=high)


def caption(analysis: Analysis, frame: pl.DataFrame, spec: Figure) -> str:
    if frame.is_empty():
        return ""
    row = frame.row(0, named=True)
    said = [
        f"The {formatting.count(frame.height)} examples of the {row['split']} split that most trials got wrong, worst "
        "first: the true class, the class it was taken for most often, and how many of the trials got it wrong."
    ]
    always = frame.filter(pl.col("wrong") == pl.col("trials")).height
    if always:
        said.append(f"{formatting.plural(always, 'example')} of these no trial got right.")
    return " ".join(said)


def _fits(analysis: Analysis) -> bool:
    return analysis.mistakes["image"].count() > 0


MISTAKES = FigureKind("mistakes", "Examples got wrong most often", settle, data, draw, caption, _fits)
