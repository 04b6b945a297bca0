"""A heat map with its values written in: colours, inks that can be read on them, hatches, frames."""

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
"""The colours, the same by day and by night, and from where on black can be read on them better than white."""

ON_DARK, ON_BRIGHT = "#fff", "#000"
"""Inks on the colours: short forms, which the page leaves as they are by night."""

DECADE, OWN_COLOURS = 10.0, 1 / 3
"""Values that span more are coloured by their logarithm; and where no panel spans more of the scale over all panels,
each has its own."""

LEGEND = 190
"""Pixels beside the cells of a panel, for the legend and the names on the left."""

WIDEST, HIGHEST, NARROWEST, LOWEST, ROOMY = 104, 58, 62, 30, 84
"""Pixels of a cell at most, the fewest in which two lines can be read, and how wide it must be for larger letters."""


@dataclass(frozen=True)
class HeatMapCells:
    """How cells are drawn on one scale of colours.

    Rows have up and right (texts) with their places, value, sd, n, trials, lost, gone, state, best, trial.
    """

    said: str
    low: float
    high: float
    log: bool
    width: int
    height: int

    @classmethod
    def of(cls, frame: pl.DataFrame, said: str, log: bool, room: int) -> HeatMapCells:
        """The scale over the values of ``frame``: logarithmic where asked or where they span more than a decade.

        A value of exactly 0 has the colour of the smallest above it.
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
        """Which part of the scale of ``all_cells`` these values span."""
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
        """The heat map of one panel; pairs that were not run say so."""
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
        """The rows as they are drawn: bright tells on which of them the ink is black."""
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
            common.tip("sd"),
            alt.Tooltip("n:Q", title="seeds"),
            alt.Tooltip("lost:Q", title="lost"),
        ]

    def _texts(self, known: alt.Chart, x: alt.X, y: alt.Y) -> list[alt.Chart]:
        """The value and, under it, its spread if it has one."""
        ink = alt.condition("datum.bright", alt.value(ON_BRIGHT), alt.value(ON_DARK))
        size = 13 if self.width >= ROOMY else 11
        single, spread = (known.transform_filter(f"datum.spread {sign} ''") for sign in ("==", "!="))
        value = {"fontSize": size, "fontWeight": 600}
        told = (
            (self._told(single.mark_text(**value)), "value_said:N"),
            (self._told(spread.mark_text(dy=-8, **value)), "value_said:N"),
            (spread.mark_text(dy=9, fontSize=size - 2 if size == 13 else 10), "spread:N"),
        )
        return [mark.encode(x=x, y=y, text=text, color=ink) for mark, text in told]

    def _frame(self, best: alt.Chart, x: alt.X, y: alt.Y) -> list[alt.Chart]:
        """A frame that can be seen on the cell and on what surrounds it: two lines, one in the ink of each."""
        ink = alt.condition("datum.bright", alt.value(ON_BRIGHT), alt.value(ON_DARK))
        around = best.mark_rect(filled=False, strokeWidth=6).encode(x=x, y=y, stroke=ink)
        return [around, best.mark_rect(filled=False, strokeWidth=3, stroke=INK["text"][0]).encode(x=x, y=y)]

    def _without_value(self, cells: pl.DataFrame, across: list[str], upward: list[str], x: Any, y: Any) -> list[Any]:
        """Cells without a colour: hatched where all seeds diverged, a word where nothing was run."""
        every = pl.DataFrame({"up": upward}).join(pl.DataFrame({"right": across}), how="cross")
        found = every.join(cells.select("up", "right", "state", "trial"), on=["up", "right"], how="left")
        found = found.with_columns(pl.col("state").fill_null("not run")).filter(pl.col("state") != "value")
        if found.is_empty():
            return []
        base = alt.Chart(common.held(found))
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
    """The rows of each ``panel_place``, and how they are drawn: on one scale of colours, or each on its own where on
    one each would be of one colour."""
    parts = [rows for _, rows in frame.group_by("panel_place", maintain_order=True)]
    room = WIDTH // side_by_side(len(parts)) - LEGEND
    whole = HeatMapCells.of(frame, said, log, room)
    own = [
        HeatMapCells.of(rows, said, whole.log, room) if rows["value"].is_not_null().any() else whole for rows in parts
    ]
    apart = len(parts) > 1 and max(cells.part_of(whole) for cells in own) < OWN_COLOURS
    return [(cells if apart else whole, rows) for cells, rows in zip(own, parts, strict=True)]


def own_colours(drawn: list[tuple[HeatMapCells, pl.DataFrame]]) -> bool:
    """Whether the panels have scales of their own."""
    return len({(cells.low, cells.high) for cells, _ in drawn}) > 1


def side_by_side(count: int) -> int:
    """How many of so many panels stand in a row."""
    return count if count < 3 else 2 if count == 4 else 3


def _hatch(tall: float, lines: int = 7) -> str:
    """Slanting lines in a box from -1 to 1 and from -tall to tall, as the path of a symbol."""
    found = []
    for place in range(1, lines):
        c = (1 + tall) * (2 * place / lines - 1)  # the line x + y = c, cut where the box ends
        left, right = max(-1.0, c - tall), min(1.0, c + tall)
        found.append(f"M{left:.3f},{c - left:.3f}L{right:.3f},{c - right:.3f}")
    return "".join(found)
