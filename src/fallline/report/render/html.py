"""A document as one page that needs no network: figures are drawn by an embedded script."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from fallline.errors import printable
from fallline.report import formatting
from fallline.report.document import Column, Document, Intervals, Table
from fallline.report.figures import RenderedFigure
from fallline.report.render.escaping import script_json, with_command
from fallline.report.style import Theme, night, theme, variables
from fallline.report.tables import frame_table

POLICY = "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:"
"""The page may load nothing; it contains everything it needs."""

LONG = 30
"""A longer text in a table is broken into lines."""

WIDTH = 150
"""Units of the drawing of an interval."""


def page(document: Document) -> str:
    """The whole page. Names of files, data and classes have no control characters."""
    charts = any(isinstance(block, RenderedFigure) for block in document.blocks())
    text = (
        _environment()
        .get_template("page.html")
        .render(
            document=document,
            policy=Markup(POLICY),
            css=Markup(variables() + _file("page.css")),
            js=Markup(_file("page.js")),
            themes=script_json({"light": theme(), "dark": theme(dark=True)}),
            vega=_bundle() if charts else "",
            rows=lambda table: rows_of(table, document.theme),
        )
    )
    return f"{printable(text)}\n"


@cache
def _environment() -> Environment:
    found = Environment(
        loader=FunctionLoader(_file), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    found.filters["command"] = with_command
    found.filters["kind"] = lambda block: type(block).__name__
    found.filters["markup"] = Markup
    found.globals["chart_data"] = chart_data
    found.globals["frame_table"] = frame_table
    return found


@cache
def _file(name: str) -> str:
    return resources.files("fallline.report.render").joinpath(name).read_text(encoding="utf-8")


@cache
def _bundle() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script, compressed, in base64: the page unpacks it, which takes it
    milliseconds, and is half a megabyte smaller. ``scripts/bundle_vega.py`` writes the file; ``vega.LICENSE``."""
    return base64.b64encode(resources.files("fallline.report").joinpath("vega.js.gz").read_bytes()).decode()


class Drawn(NamedTuple):
    """An interval: the place of the mean, and the ends of the bar where there is one."""

    mean: float
    bar: tuple[float, float] | None


@dataclass(frozen=True)
class Cell:
    """A cell of a table: its text and classes, what it is sorted by where that is not its text, the text below it, the
    line style of an optimizer (colour, dash), what it says of a claim, an interval with its colour."""

    text: str = ""
    classes: str = ""
    sort: str | None = None
    below: str = ""
    line: tuple[str, str] | None = None
    tone: str = ""
    drawn: Drawn | None = None
    color: str = ""


@dataclass(frozen=True)
class Rows:
    """A table as the page has it: heads (None: of the drawn intervals), (classes, cells) of each row, and what the
    button says that shows the others."""

    heads: list[Column | None]
    body: list[tuple[str, list[Cell]]]
    more: str


def rows_of(table: Table, marks: Theme | None) -> Rows:
    """The cells of ``table``, optimizers in the line styles of ``marks``."""
    scale = None if table.intervals is None else IntervalScale.over(table.intervals, table.shown)
    heads: list[Column | None] = list(table.columns)
    if table.intervals is not None:
        heads.insert(table.intervals.after + 1, None)
    body = []
    for place in range(table.height):
        cells = [_cell(column, place, marks) for column in table.columns]
        if table.intervals is not None and scale is not None:
            color = marks.css(table.optimizers[place]) if marks and table.optimizers else ""
            drawn = Cell(classes="span", drawn=scale.draw(*table.intervals.ends[place]), color=color)
            cells.insert(table.intervals.after + 1, drawn)
        kinds = [*["top"] * (place in table.best), *["rest"] * (place >= table.shown)]
        body.append((" ".join(kinds), cells))
    return Rows(heads, body, _more(table))


def _cell(column: Column, place: int, marks: Theme | None) -> Cell:
    text, value = column.texts[place], column.values[place]
    soft = column.soft or text == formatting.MISSING
    width = column.width or ("wrap" if not column.numeric and _longest(column) > LONG else "")
    classes = " ".join(word for word in ("n" if column.numeric else "", "soft" if soft else "", width) if word)
    line = None
    if column.names and marks is not None:
        dash = marks.optimizers[value].dash
        line = (marks.css(value), "" if dash[1] == 0 else " ".join(map(str, dash)))
    return Cell(
        text,
        classes.replace("wide", "wrap wide"),
        _sorting(value, text, column.below is not None),
        "" if column.below is None else column.below.texts[place],
        line,
        "" if column.tones is None else column.tones[place].replace(" ", "-"),
    )


def _longest(column: Column) -> int:
    return max(map(len, column.texts), default=0)


def _sorting(value: Any, text: str, below: bool) -> str | None:
    """The sorting value of a cell, where it is not its text: a number to nine digits."""
    if value is None:
        return None
    told = f"{value:.9g}" if isinstance(value, float) else str(value)
    return told if below or told != text else None


def _more(table: Table) -> str:
    if table.in_all > table.height:
        return f"Show the first {formatting.count(table.height)} of {formatting.count(table.in_all)} (all in the CSV)"
    return f"Show {formatting.count(table.height - table.shown)} more" if table.height > table.shown else ""


@dataclass(frozen=True)
class IntervalScale:
    """One scale for the intervals of a table, that of the rows shown at first; logarithmic where they span a factor of
    50."""

    low: float
    high: float
    log: bool

    @classmethod
    def over(cls, intervals: Intervals, shown: int) -> IntervalScale:
        """The scale for the first ``shown`` of these."""
        values = [value for ends in intervals.ends[:shown] for value in ends if value is not None]
        above = [value for value in values if value > 0]
        log = len(above) > 1 and min(values) >= 0 and max(above) / min(above) > 50
        values = [math.log(value) for value in above] if log else values
        return cls(min(values, default=0.0), max(values, default=1.0), log)

    def draw(self, mean: float | None, low: float | None, high: float | None) -> Drawn | None:
        """A dot at the mean, a bar over the interval; nothing where it is outside the scale."""
        at, left, right = (self._at(value) for value in (mean, low, high))
        if at is None or not 0 <= at <= WIDTH:
            return None
        bar = None if left is None or right is None else (round(max(left, 0), 1), round(min(right, WIDTH), 1))
        return Drawn(round(at, 1), bar)

    def _at(self, value: float | None) -> float | None:
        if value is None or (self.log and value <= 0):
            return None
        value = math.log(value) if self.log else value
        return 5 + 140 * ((value - self.low) / (self.high - self.low) if self.high > self.low else 0.5)


def chart_data(figure: RenderedFigure) -> Markup:
    """What the page's script draws a figure from: the chart, its rows as columns, and the colours of the dark theme."""
    whole = figure.specification
    chart = {key: value for key, value in whole.items() if key not in ("config", "datasets", "$schema")}
    stored = whole.get("datasets", {})
    return script_json(
        {
            "chart": chart,
            "rows": {name: packed(rows) for name, rows in stored.items()},
            "night": night(str(chart)),
            "renderer": "canvas" if stored else "svg",
        }
    )


def packed(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Rows as columns; a column of words as the list of distinct words and an index per row."""
    names = list(rows[0]) if rows else []
    found: dict[str, Any] = {}
    for name in names:
        values = [row[name] for row in rows]
        if any(isinstance(value, str) for value in values):
            different = {value: place for place, value in enumerate(dict.fromkeys(v for v in values if v is not None))}
            found[name] = {"words": list(different), "places": [different.get(value, -1) for value in values]}
        else:
            found[name] = values
    return {"length": len(rows), "columns": found}
