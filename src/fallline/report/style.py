"""The style of figures: a colour, dash and shape per name, light and dark; the figures' theme."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from fallline.study.column_words import WORD_FIELDS

FONT = 'Inter, "Helvetica Neue", "Liberation Sans", Arial, sans-serif'
WIDTH = 1000
"""The width of a figure on the page, in pixels."""


class Mark(NamedTuple):
    """How one name is drawn. Names of one colour differ in their dash."""

    light: str
    dark: str
    dash: tuple[int, ...]
    shape: str


_SOLID, _LONG, _DOTS, _MIXED = (1, 0), (7, 3), (2, 2), (8, 2, 2, 2)

PALETTE = (
    Mark("#495562", "#b2c0ae", _SOLID, "circle"),
    Mark("#4581ff", "#3facfe", _SOLID, "square"),
    Mark("#7858b6", "#5f74f9", _SOLID, "triangle-up"),
    Mark("#50866d", "#a6ffd7", _SOLID, "triangle-right"),
    Mark("#a8941d", "#fde17b", _SOLID, "triangle-down"),
    Mark("#a82807", "#d65239", _SOLID, "diamond"),
    Mark("#461861", "#e8c1ff", _SOLID, "cross"),
    Mark("#9d8dbe", "#9c5eaa", _SOLID, "triangle-left"),
    Mark("#641412", "#fc874e", _SOLID, "circle"),
    Mark("#1328a6", "#9b92b4", _SOLID, "square"),
)
"""Ten colours, found by search: in normal, protan and deutan vision (Machado, Oliveira, Fernandes 2009) any two are at
least 0.1 apart in OKLab, and each has a contrast of 3 to the paper. More than ten names repeat them with dashes."""

OWN = (
    "gradient_descent",
    "momentum",
    "nesterov",
    "adagrad",
    "adadelta",
    "adam",
    "rmsprop",
    "ftrl",
    "proximal_gradient_descent",
    "proximal_adagrad",
)
"""These have a colour of their own in every report; other names take the colours left over, in alphabetical order, then
all of them with dashes."""

WORDS = ("loss", "loss_kind", "schedule", *WORD_FIELDS, "task", "data")
"""Columns of names; all others hold amounts, coloured from small to large."""

_RAMP = ("#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725")

INK = {
    "text": ("#2b2f36", "#d9dce1"),
    "muted": ("#6a707a", "#9aa1ab"),
    "axis": ("#b9bec6", "#4c525c"),
    "grid": ("#eceef1", "#2a2e35"),
    "paper": ("#ffffff", "#16181c"),
    "faint": ("#d3d7dd", "#3a3f48"),
    "alarm": ("#b3261e", "#ff8a80"),
}
"""Light and dark colours of everything but data."""


@dataclass(frozen=True)
class Theme:
    """The marks of one report: a name has the same mark in every figure and table."""

    optimizers: dict[str, Mark]

    @classmethod
    def of(cls, optimizers: Sequence[str]) -> Theme:
        """Marks for these optimizers."""
        spare = [mark for name, mark in zip(OWN, PALETTE, strict=True) if name not in optimizers]
        spare += [_redashed(mark, turn) for turn in (1, 2, 3) for mark in PALETTE]
        others = sorted({name for name in optimizers if name not in OWN})
        found = {name: PALETTE[OWN.index(name)] for name in optimizers if name in OWN}
        return cls(found | {name: spare[place % len(spare)] for place, name in enumerate(others)})

    def css(self, optimizer: str) -> str:
        """The optimizer's colour on the page, in either theme."""
        mark = self.optimizers[optimizer]
        return next(f"var(--m{place})" for place, other in enumerate(PALETTE) if other.light == mark.light)

    def marks(self, column: str, names: Sequence[str]) -> list[Mark]:
        """One mark per name, in the order of the legend: optimizers have their own, amounts a ramp, words the
        palette.
        """
        if column == "optimizer":
            own = {name.replace("_", " "): mark for name, mark in self.optimizers.items()}
            return [own[name] for name in names]
        if column not in WORDS and len(names) > 1:
            return [_on_ramp(place / (len(names) - 1)) for place in range(len(names))]
        places = range(1, len(names) + 1)
        return [_redashed(PALETTE[place % len(PALETTE)], place // len(PALETTE)) for place in places]


def _redashed(mark: Mark, turn: int) -> Mark:
    """The same colours with another dash, ``turn`` places further: for the names beyond the palette."""
    dashes = (_SOLID, _LONG, _DOTS, _MIXED)
    return mark._replace(dash=dashes[(dashes.index(mark.dash) + turn) % len(dashes)])


def _on_ramp(t: float) -> Mark:
    """A colour of the ramp from small (0) to large (1): without its pale end in light themes, its dark end in dark
    ones.
    """
    return Mark(_ramp(0.8 * t), _ramp(0.3 + 0.7 * t), _SOLID, "circle")


def _ramp(t: float) -> str:
    place = t * (len(_RAMP) - 1)
    low = min(int(place), len(_RAMP) - 2)
    ends = [[int(_RAMP[k][i : i + 2], 16) for i in (1, 3, 5)] for k in (low, low + 1)]
    return "#" + "".join(f"{round(a + (place - low) * (b - a)):02x}" for a, b in zip(*ends, strict=True))


def night(colors: str) -> dict[str, str]:
    """Which light colours in a figure's text become which dark ones."""
    return {light: dark for light, dark in _twins().items() if light in colors}


@cache
def _twins() -> dict[str, str]:
    """The dark twin of every light colour."""
    pairs = {mark.light: mark.dark for mark in PALETTE} | {light: dark for light, dark in INK.values()}
    for n in range(2, 33):
        pairs |= {mark.light: mark.dark for mark in (_on_ramp(place / (n - 1)) for place in range(n))}
    return pairs


def theme(dark: bool = False) -> dict[str, Any]:
    """The Vega-Lite config of every figure."""
    ink = {name: pair[dark] for name, pair in INK.items()}
    return {
        "background": ink["paper"],
        "font": FONT,
        "padding": {"left": 2, "right": 2, "top": 4, "bottom": 2},
        "view": {"stroke": None},
        "axis": {
            "labelColor": ink["muted"],
            "titleColor": ink["text"],
            "domainColor": ink["axis"],
            "tickColor": ink["axis"],
            "gridColor": ink["grid"],
            "labelFontSize": 11,
            "titleFontSize": 12,
            "titleFontWeight": "normal",
            "titlePadding": 8,
            "labelPadding": 4,
            "tickSize": 4,
        },
        "axisX": {"grid": False},
        "axisY": {
            "domain": False,
            "ticks": False,
            "titleAlign": "left",
            "titleAnchor": "end",
            "titleAngle": 0,
            "titleBaseline": "bottom",
            "titleX": 0,
            "titleY": -9,
        },
        "legend": {
            "labelColor": ink["text"],
            "titleColor": ink["muted"],
            "labelFontSize": 12,
            "titleFontSize": 12,
            "titleFontWeight": "normal",
            "symbolStrokeWidth": 2.2,
            "symbolSize": 150,
            "symbolOpacity": 1,
            "rowPadding": 4,
            "columnPadding": 16,
            "labelLimit": 240,
            "offset": 16,
        },
        "header": {
            "labelColor": ink["text"],
            "labelFontSize": 12,
            "labelFontWeight": 600,
            "labelAnchor": "start",
            "labelPadding": 27,
            "title": None,
        },
        "title": {"color": ink["text"], "fontSize": 12, "fontWeight": 600, "anchor": "start", "offset": 8},
        "line": {"strokeWidth": 1.6, "strokeJoin": "round"},
        "text": {"color": ink["muted"], "fontSize": 11},
        "rule": {"color": ink["axis"]},
    }


def variables() -> str:
    """The page's colours as CSS variables: light, and dark where the system or the reader asks for it."""
    light, dark = (
        ";".join(
            [
                *(f"--{name}:{value}" for name, value in _page_inks(place).items()),
                *(f"--m{number}:{mark[place]}" for number, mark in enumerate(PALETTE)),
            ]
        )
        for place in (0, 1)
    )
    return (
        f":root{{color-scheme:light;{light}}}"
        f"@media (prefers-color-scheme:dark){{:root:not([data-theme=light]){{color-scheme:dark;{dark}}}}}"
        f":root[data-theme=dark]{{color-scheme:dark;{dark}}}\n"
    )


def _page_inks(place: int) -> dict[str, str]:
    own = {
        "ink": ("#14171c", "#f2f3f5"),
        "line": ("#e6e8ec", "#2c3038"),
        "hover": ("#f6f7f9", "#1e2127"),
        "link": ("#0b63b0", "#74b8f2"),
    }
    return {name: pair[place] for name, pair in (INK | own).items()}
