"""The page's tables: ranked rows with their intervals drawn, published figures, costs."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from fallline.report import formatting
from fallline.report.html import Markup, join, tag
from fallline.report.results import JOINED, Results, TableColumn, columns
from fallline.report.rounding import interval
from fallline.report.style import Theme
from fallline.stats import label
from fallline.stats.columns import hyperparameter_columns

if TYPE_CHECKING:
    from fallline.report.comparison import Comparison

LONG = 30
"""A longer name is broken into lines in a table of many columns."""

SHOWN, MOST_SHOWN, MOST_ROWS = 10, 50, 1000
"""Rows shown at first, the most of them in a long table, and the most rows on the page; the CSV has all."""

_NUMBER = re.compile(r"[−+]?\d[\d,.e−+±~ -]*( ?%)?( \((−?\d+ ?%|sd [\d.e−+-]+)\))?|\d+ of \d+|–|∞|never")


def ranked(results: Results, frame: pl.DataFrame, look: Theme, shown: int = SHOWN) -> Markup:
    """The ranked table, sortable: the first rows are shown, the others on demand."""
    held = frame.head(MOST_ROWS)
    parts = columns(results, held)
    spans = Span.over(held, results.metric.column, shown)
    place = 1 + max(n for n, part in enumerate(parts) if part.heading in ("n", "95 % CI"))
    heads = [head(part) for part in parts]
    heads.insert(place, tag("th", "", aria_label="interval, drawn"))
    body = []
    for number, row in enumerate(held.iter_rows(named=True)):
        color = look.css(row["optimizer"])
        cells = [cell(part, number, look) for part in parts]
        drawn = None if results.metric.within else spans.draw(row)  # one scale would compare what cannot be compared
        cells.insert(place, tag("td", drawn, cls="span", style=f"--c:{color}"))
        kind = " ".join(word for word, on in (("top", row["rank"] == 1), ("rest", number >= shown)) if on)
        body.append(tag("tr", cells, cls=kind or None))
    return table(heads, body, more=f"Show {_more(frame.height, held.height, shown)}" if held.height > shown else None)


def arms_table(found: Sequence[TableColumn], comparison: Comparison, look: Theme, shown: int = 16) -> Markup:
    """The table of a comparison, each interval drawn after it; the best of each group in bold."""
    rows = comparison.arms.to_dicts()
    frame = comparison.arms.select(*(pl.col(name).alias(f"_{name}") for name in ("mean", "low", "high")))
    spans = Span.over(frame, "", shown)
    place = 1 + max(number for number, part in enumerate(found) if part.heading == "n" or part.heading.endswith(" CI"))
    heads = [head(part) for part in found]
    heads.insert(place, tag("th", "", aria_label="interval, drawn"))
    body = []
    for number, (row, drawn) in enumerate(zip(rows, frame.iter_rows(named=True), strict=True)):
        color = look.css(row["optimizer"]) if "optimizer" in row else None
        cells = [cell(part, number, look) for part in found]
        cells.insert(place, tag("td", spans.draw(drawn), cls="span", style=f"--c:{color}" if color else None))
        kind = " ".join(word for word, on in (("top", row["place"] == 1), ("rest", number >= shown)) if on)
        body.append(tag("tr", cells, cls=kind or None))
    more = f"Show {formatting.count(len(rows) - shown)} more" if len(rows) > shown else None
    return table(heads, body, more)


def plain_table(found: Sequence[TableColumn], shown: int = 20) -> Markup:
    """Columns as they are; the first rows are shown, long names are broken into lines."""
    count = len(found[0].texts) if found else 0
    kinds = ["n" if part.numeric else "wrap" if max(map(len, part.texts), default=0) > LONG else None for part in found]
    body = [
        tag(
            "tr",
            [
                tag("td", part.texts[number], cls=kind, data_v=sorting(part, number))
                for part, kind in zip(found, kinds, strict=True)
            ],
            cls="rest" if number >= shown else None,
        )
        for number in range(count)
    ]
    return table(
        [head(part) for part in found], body, f"Show {formatting.count(count - shown)} more" if count > shown else None
    )


def _more(all_rows: int, held: int, shown: int) -> str:
    if all_rows > held:
        return f"the first {formatting.count(held)} of {formatting.count(all_rows)} (all in the CSV)"
    return f"{formatting.count(held - shown)} more"


def table(heads: Sequence[Any], body: Sequence[Any], more: str | None = None) -> Markup:
    """A table that scrolls horizontally where it is wide."""
    inner = tag("div", tag("table", tag("thead", tag("tr", heads)), tag("tbody", body)), cls="scroll")
    return join(inner, tag("button", more, cls="more", type="button") if more else None)


def head(part: TableColumn) -> Markup:
    return tag(
        "th",
        part.heading,
        cls="n" if part.numeric else None,
        title=part.help or None,
        data_sort="n" if part.numeric else "t",
    )


def cell(part: TableColumn, number: int, look: Theme) -> Markup:
    value = part.values[number]
    text: Any = part.texts[number]
    if part.names:
        text = join(swatch(look, value), text)
    soft = part.texts[number] == formatting.MISSING or part.heading in ("#", "sd", "n", "at step")
    wrapped = part.heading == JOINED
    kind = " ".join(word for word, on in (("n", part.numeric), ("soft", soft), ("wrap", wrapped)) if on)
    return tag("td", text, cls=kind or None, data_v=sorting(part, number))


def sorting(part: TableColumn, number: int) -> Any:
    """The sorting value of a row, where it is not its text: a number to nine digits."""
    value = part.values[number]
    if isinstance(value, float):
        value = f"{value:.9g}"
    return None if value is None or str(value) == part.texts[number] else value


def swatch(look: Theme, optimizer: str) -> Markup:
    """The optimizer's line style as in the figures."""
    dash = look.optimizers[optimizer].dash
    line = tag("line", x1=0, y1=4.5, x2=26, y2=4.5, stroke_dasharray=None if dash[1] == 0 else " ".join(map(str, dash)))
    return tag("svg", line, cls="swatch", style=f"--c:{look.css(optimizer)}", aria_hidden="true")


class Span:
    """Intervals drawn on one scale, that of the rows shown at first; logarithmic where they span a factor of 50."""

    def __init__(self, low: float, high: float, log: bool, column: str):
        self.low, self.high, self.log, self.column = low, high, log, column

    @classmethod
    def over(cls, frame: pl.DataFrame, column: str, shown: int) -> Span:
        """The scale for these rows."""
        names = [f"{column}_{part}" for part in ("mean", "low", "high")]
        values = [value for name in names for value in frame.head(shown)[name].to_list() if value is not None]
        above = [value for value in values if value > 0]
        log = len(above) > 1 and min(values) >= 0 and max(above) / min(above) > 50
        values = [math.log(value) for value in above] if log else values
        return cls(min(values, default=0.0), max(values, default=1.0), log, column)

    def draw(self, row: dict[str, Any]) -> Markup | None:
        """A dot at the mean, a bar over the interval; nothing where it is outside the scale."""
        mean, low, high = (self._at(row[f"{self.column}_{part}"]) for part in ("mean", "low", "high"))
        if mean is None or not 0 <= mean <= 150:
            return None
        bar = None
        if low is not None and high is not None:
            bar = tag("line", x1=round(max(low, 0), 1), x2=round(min(high, 150), 1), y1=9, y2=9)
        return tag("svg", bar, tag("circle", cx=round(mean, 1), cy=9, r=3.2), viewBox="0 0 150 18", aria_hidden="true")

    def _at(self, value: float | None) -> float | None:
        if value is None or (self.log and value <= 0):
            return None
        value = math.log(value) if self.log else value
        return 5 + 140 * ((value - self.low) / (self.high - self.low) if self.high > self.low else 0.5)


def reported_table(results: Results, frame: pl.DataFrame, shown: int = SHOWN) -> Markup:
    """Published figures beside the reproduced ones."""
    ours = {row["configuration"]: row for row in results.ranked.iter_rows(named=True)}
    names = ["trials", "metric", "reported", "ours", "95 % CI", "difference", "best reproduced"]
    heads = [
        tag("th", name, cls="n" if name in ("reported", "ours", "95 % CI", "difference") else None) for name in names
    ]
    body = [
        _reported_row(results, row, ours.get(row["best_configuration"]), place >= shown)
        for place, row in enumerate(frame.iter_rows(named=True))
    ]
    return table(heads, body, f"Show {formatting.count(len(body) - shown)} more" if len(body) > shown else None)


def _reported_row(results: Results, row: dict[str, Any], best: dict[str, Any] | None, rest: bool) -> Markup:
    """One published figure: what it speaks of and in which words, the values, where best reproduced trials lies."""
    lies = recipe_text(results, best, row["where"]) if best else ""
    said = formatting.MISSING if best is None else formatting.number(row["best"]) + (f": {lies}" if lies else "")
    trials = join(formatting.where(row["where"], row["at"]), tag("small", row["text"]) if row["text"] else None)
    figures = [told(row["metric"], row[key], results) for key in ("reported", "ours")]
    ends = interval(row["low"], row["high"])
    return tag(
        "tr",
        tag("td", trials, cls="wrap"),
        tag(
            "td",
            f"best {label(row['metric'])}"
            if row["metric"] in hyperparameter_columns(results.run.trials)
            else label(row["metric"]),
        ),
        [tag("td", figure, cls="n") for figure in figures],
        tag("td", ends, cls="n soft"),
        tag("td", formatting.signed(row["difference"]), cls="n"),
        tag("td", said, cls="wrap soft"),
        cls="rest" if rest else None,
    )


def recipe_text(results: Results, row: dict[str, Any], known: dict[str, Any]) -> str:
    """The configuration in words, without the settings in ``known``."""
    return formatting.recipe(row, [name for name in results.varying if name not in known], results.digits)


def told(metric: str, value: float | None, results: Results) -> str:
    """A metric as a result, a hyperparameter as a setting."""
    if metric in hyperparameter_columns(results.run.trials):
        return formatting.value_of(metric, value, results.digits)
    return formatting.number(value)


def far_off(results: Results, frame: pl.DataFrame, limit: float = 0.02) -> str:
    """A sentence on the figures that differ by more than ``limit`` from the published ones."""
    far = frame.filter(pl.col("difference").abs() > limit)
    unmatched = frame.filter(pl.col("ours").is_null()).height
    said = []
    if far.height:
        cases = [_case(results, row) for row in far.iter_rows(named=True)]
        said.append(f"Differences above {limit}: {formatting.listed(cases, 6)}.")
    elif frame["difference"].drop_nulls().len():
        said.append(f"All are within {limit} of the published value.")
    if unmatched:
        said.append(f"Published, but without a value in this run: {formatting.count(unmatched)}.")
    return " ".join(said)


def _case(results: Results, row: dict[str, Any]) -> str:
    theirs, ours = (told(row["metric"], row[key], results) for key in ("reported", "ours"))
    return (
        f"{formatting.where(row['where'], row['at'])}, {label(row['metric'])} ({theirs} published, {ours} reproduced)"
    )


WRAPPED = ("what_it_does", "configuration", "in_words", "claim", "verdict", "text")
"""Columns of long texts."""

SAID = ("class", "panel", "configuration", "in_words")
"""Columns whose texts are not changed: the user's names, and texts in words."""


def frame_table(frame: pl.DataFrame) -> Markup:
    """A frame as it is: words left-aligned, numbers right-aligned; the first rows are shown."""
    if frame.is_empty():
        return Markup("")
    held = frame.head(MOST_ROWS)
    numeric = [name not in SAID and _is_numbers(held[name]) for name in frame.columns]
    heads = [
        tag("th", formatting.name(name), cls="n" if on else None)
        for name, on in zip(frame.columns, numeric, strict=True)
    ]
    results = ("value", "mean")
    body = [
        tag(
            "tr",
            [
                tag(
                    "td",
                    formatting.number(value)
                    if name in results
                    else value
                    if name in SAID
                    else formatting.setting(value),
                    cls="n" if on else "wrap" if name in WRAPPED else None,
                )
                for name, value, on in zip(frame.columns, row, numeric, strict=True)
            ],
            cls="rest" if place >= MOST_SHOWN else None,
        )
        for place, row in enumerate(held.iter_rows())
    ]
    more = f"Show {_more(frame.height, held.height, MOST_SHOWN)}" if held.height > MOST_SHOWN else None
    return table(heads, body, more)


def _is_numbers(column: pl.Series) -> bool:
    if column.dtype.is_numeric():
        return True
    return column.dtype == pl.String and all(_NUMBER.fullmatch(text) for text in column.drop_nulls())
