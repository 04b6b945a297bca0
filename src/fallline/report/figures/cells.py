"""A heat map with its values as text: colours, readable text colours, hatches, frames."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import polars as pl

from fallline.report import formatting
from fallline.report import vega as alt
from fallline.report.figures import draw as common
from fallline.report.style import INK, WIDTH

SCHEME, BRIGHT_FROM = "viridis", 0.43
"""The colour scheme of both themes, and the part of the scale from which on black text is easier to read than white."""

ON_DARK, ON_BRIGHT = "#fff", "#000"
"""Text colours on the cells, in the short form, which the page does not replace in the dark theme."""

DECADE, OWN_COLOURS = 10.0, 1 / 3
"""Values that span a larger factor are coloured by their logarithm; where no panel spans a larger part of the common
scale, each panel has its own scale."""

LEGEND = 190
"""Pixels beside the cells of a panel for the legend and the axis labels."""

WIDEST, HIGHEST, NARROWEST, LOWEST, ROOMY = 104, 58, 62, 30, 84
"""Pixels of a cell: the largest, the smallest with room for two lines of text, and the width for a larger font."""


@dataclass(frozen=True)
class HeatMapCells:
    """How cells are drawn on one colour scale, ``said`` being the label of the metric.

    Rows have up and right (texts) with their positions, value, sd, n, trials, lost, gone, state, best, trial.
    """

    said: str
    low: float
    high: float
    log: bool
    width: int
    height: int

    @classmethod
    def of(cls, frame: pl.DataFrame, said: str, log: bool, room: int) -> HeatMapCells:
        """The scale over the values of ``frame``: logarithmic where ``log``, or where they span more than a decade.

        A value of exactly 0 has the colour of the smallest value above 0.
        """
        values = frame["value"].drop_nulls()
        above = values.filter(values > 0)
        log = values.min() >= 0 and not above.is_empty() and (log or above.max() / above.min() > DECADE)
        low, high = (float(end) for end in ((above if log else values).min(), values.max()))
        if low == high:
            low, high = (low / 1.1, high * 1.1) if log else (low - 0.5, high + 0.5)
        width = max(14, min(WIDEST, room // frame["right"].n_unique()))
        return cls(said, low, high, log, width, max(14, min(HIGHEST, 520 // frame["up"].n_unique())))

    def part_of(self, all_cells: HeatMapCells) -> float:
        """The part of the scale of ``all_cells`` that these values span."""
        if all_cells.log and self.low <= 0:
            return 1.0
        ends = [(cells.low, cells.high) for cells in (self, all_cells)]
        own, whole = (math.log(high / low) if all_cells.log else high - low for low, high in ends)
        return own / whole

    @property
    def written(self) -> bool:
        """Whether there is room for the values."""
        return self.width >= NARROWEST and self.height >= LOWEST

    def picture(self, cells: pl.DataFrame, title: str) -> Any:
        """The heat map of one panel; cells without a trial read "not run"."""
        across = cells.unique("right_place").sort("right_place")["right"].to_list()
        upward = cells.unique("up_place").sort("up_place", descending=True)["up"].to_list()
        x, y = self._sides(cells, across, upward)
        rows = alt.Chart(common.held(self._rows(cells)))
        known = rows.transform_filter("datum.state == 'value'")
        layers = [
            self._told(known.mark_rect()).encode(x=x, y=y, color=self._color(), tooltip=self._tips()),
            *self._without_value(cells, across, upward, x, y),
            *(self._texts(known, x, y) if self.written else []),
            *self._frame(rows.transform_filter("datum.best"), x, y),
        ]
        picture = alt.layer(*layers, title=title) if title else alt.layer(*layers)
        return picture.properties(width=self.width * len(across), height=self.height * len(upward))

    def _sides(self, cells: pl.DataFrame, across: list[str], upward: list[str]) -> tuple[alt.X, alt.Y]:
        plain = {"domain": False, "ticks": False, "grid": False, "labelOverlap": not self.written}
        names = [formatting.name(cells[name][0]) for name in ("along", "side")]
        scales = [alt.Scale(domain=order, padding=0) for order in (across, upward)]
        x = alt.X("right:N", sort=across, title=names[0], scale=scales[0], axis=alt.Axis(**plain, labelAngle=0))
        return x, alt.Y("up:N", sort=upward, title=names[1], scale=scales[1], axis=alt.Axis(**plain))

    def _rows(self, cells: pl.DataFrame) -> pl.DataFrame:
        """The rows as drawn; ``bright``: whether the text on the cell is black."""
        sd, lost = pl.col("sd"), pl.col("lost") > 0
        spread = sd.map_elements(lambda value: f"sd {formatting.number(value, 2)}", return_dtype=pl.String)
        gone = pl.format("{} of {} {}", "lost", "trials", "gone")
        cells = cells.with_columns(spread=pl.when(lost).then(gone).otherwise(spread).fill_null(""))
        cells = cells.with_columns(shade=pl.col("value").clip(self.low))
        bright = pl.col("shade").map_elements(self._bright, return_dtype=pl.Boolean)
        wanted = ("up", "right", "value", "shade", "sd", "n", "lost", "spread", "state", "best", "trial", "bright")
        return cells.with_columns(bright=bright).select(wanted)

    def _bright(self, value: float) -> bool:
        low, high = (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)
        return ((math.log(value) if self.log else value) - low) / (high - low) >= BRIGHT_FROM

    def _color(self) -> alt.Color:
        title = self.said + (", log scale" if self.log else "")
        kind = "log" if self.log else "linear"
        scale = alt.Scale(type=kind, scheme=SCHEME, domain=[self.low, self.high], nice=False)
        ticks = common.value_axis(5, self.log)["labelExpr"]
        legend = alt.Legend(orient="right", labelExpr=ticks, tickCount=5, titleLimit=220, gradientLength=150)
        return alt.Color("shade:Q", title=title, scale=scale, legend=legend)

    def _told(self, chart: alt.Chart) -> alt.Chart:
        return common.spoken(chart, ["value", "sd"])

    def _tips(self) -> list[alt.Tooltip]:
        return [
            alt.Tooltip("trial:N"),
            common.tip("value", self.said),
            common.tip("sd", "standard deviation"),
            alt.Tooltip("n:Q", title="seeds"),
            alt.Tooltip("lost:Q", title="without a value"),
        ]

    def _texts(self, known: alt.Chart, x: alt.X, y: alt.Y) -> list[alt.Chart]:
        """The value and, under it, its standard deviation where there is one."""
        ink = alt.condition("datum.bright", alt.value(ON_BRIGHT), alt.value(ON_DARK))
        size = 13 if self.width >= ROOMY else 11
        single, spread = (known.transform_filter(f"datum.spread {sign} ''") for sign in ("==", "!="))
        value = {"fontSize": size, "fontWeight": 600}
        marks = (
            (self._told(single.mark_text(**value)), "value_said:N"),
            (self._told(spread.mark_text(dy=-8, **value)), "value_said:N"),
            (spread.mark_text(dy=9, fontSize=size - 2 if size == 13 else 10), "spread:N"),
        )
        return [mark.encode(x=x, y=y, text=text, color=ink) for mark, text in marks]

    def _frame(self, best: alt.Chart, x: alt.X, y: alt.Y) -> list[alt.Chart]:
        """A frame that is visible on the cell and on the background: two lines, in the text colour of each."""
        ink = alt.condition("datum.bright", alt.value(ON_BRIGHT), alt.value(ON_DARK))
        around = best.mark_rect(filled=False, strokeWidth=6).encode(x=x, y=y, stroke=ink)
        return [around, best.mark_rect(filled=False, strokeWidth=3, stroke=INK["text"][0]).encode(x=x, y=y)]

    def _without_value(self, cells: pl.DataFrame, across: list[str], upward: list[str], x: Any, y: Any) -> list[Any]:
        """Cells without a value: hatched where all seeds diverged, "not run" where there is no trial."""
        every = pl.DataFrame({"up": upward}).join(pl.DataFrame({"right": across}), how="cross")
        cells_without_value = every.join(cells.select("up", "right", "state", "trial"), on=["up", "right"], how="left")
        cells_without_value = cells_without_value.with_columns(pl.col("state").fill_null("not run")).filter(
            pl.col("state") != "value"
        )
        if cells_without_value.is_empty():
            return []
        base = alt.Chart(common.held(cells_without_value))
        gone = base.transform_filter("datum.state == 'diverged'")
        layers = [
            gone.mark_rect(color=INK["grid"][0]).encode(x=x, y=y, tooltip=["trial:N", "state:N"]),
            gone.mark_point(
                shape=_hatch(self.height / self.width), size=self.width**2, strokeWidth=1, color=INK["axis"][0]
            ).encode(x=x, y=y),
        ]
        if self.written:
            ink = alt.condition("datum.state == 'diverged'", alt.value(INK["alarm"][0]), alt.value(INK["muted"][0]))
            layers.append(base.mark_text(fontSize=12, fontWeight=600).encode(x=x, y=y, text="state:N", color=ink))
        return layers


def panels(frame: pl.DataFrame, said: str, log: bool) -> list[tuple[HeatMapCells, pl.DataFrame]]:
    """The rows of each ``panel_place`` and how they are drawn: on one colour scale, or each panel on its own where a
    common scale would hide the differences within them."""
    parts = [rows for _, rows in frame.group_by("panel_place", maintain_order=True)]
    room = WIDTH // side_by_side(len(parts)) - LEGEND
    whole = HeatMapCells.of(frame, said, log, room)
    own = [
        HeatMapCells.of(rows, said, whole.log, room) if rows["value"].is_not_null().any() else whole for rows in parts
    ]
    apart = len(parts) > 1 and max(cells.part_of(whole) for cells in own) < OWN_COLOURS
    return [(cells if apart else whole, rows) for cells, rows in zip(own, parts, strict=True)]


def own_colours(drawn: list[tuple[HeatMapCells, pl.DataFrame]]) -> bool:
    """Whether each panel has its own colour scale."""
    return len({(cells.low, cells.high) for cells, _ in drawn}) > 1


def side_by_side(count: int) -> int:
    """The number of panels in a row."""
    return count if count < 3 else 2 if count == 4 else 3


def _hatch(tall: float, lines: int = 7) -> str:
    """Slanting lines in a box from -1 to 1 and from -tall to tall, as the path of a symbol."""
    lines_drawn = []
    for place in range(1, lines):
        c = (1 + tall) * (2 * place / lines - 1)  # the line x + y = c, cut where the box ends
        left, right = max(-1.0, c - tall), min(1.0, c + tall)
        lines_drawn.append(f"M{left:.3f},{c - left:.3f}L{right:.3f},{c - right:.3f}")
    return "".join(lines_drawn)
