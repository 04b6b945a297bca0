"""Colours, text sizes and marks at pixel positions for the picture of a network."""

from __future__ import annotations

from typing import Any, NamedTuple

FONT = 'Inter, "Helvetica Neue", "Liberation Sans", Arial, sans-serif'
NAME, LABEL, SMALL = 12.5, 11.0, 10.5
"""Sizes of text."""

THIN, THICK, THICK_SMALL = 0.8, 6.0, 3.5
"""The width of a weight of 0, of the heaviest edge, and of the heaviest where many are drawn."""


class Colors(NamedTuple):
    """The picture's colours: of what is no data, and of weights above and below 0."""

    text: str
    muted: str
    line: str
    fill: str
    paper: str
    positive: str
    negative: str


LIGHT = Colors("#2b2f36", "#6a707a", "#b9bec6", "#eceef1", "#ffffff", "#4581ff", "#a82807")
DARK = Colors("#d9dce1", "#9aa1ab", "#4c525c", "#2a2e35", "#16181c", "#3facfe", "#d65239")
"""Blue and burnt orange stay apart in protan and deutan vision, and differ in lightness."""


def signs(colors: Colors, plain: str) -> Any:
    """The colour of an edge by its field ``sign``: above, below, or plain where there is no weight."""
    import altair as alt

    scale = alt.Scale(domain=["above", "below", "plain"], range=[colors.positive, colors.negative, plain])
    return alt.Color("sign:N", scale=scale, legend=None)


def text(rows: list[dict[str, Any]], field: str, x: str, color: str, y: str = "y", **style: Any) -> Any:
    """The texts in ``field`` at these pixels."""
    import altair as alt

    return alt.Chart(alt.InlineData(values=rows)).mark_text(color=color, **style).encode(**at(x, y), text=f"{field}:N")


def at(x: str, y: str) -> dict[str, Any]:
    """Fields that hold pixels."""
    import altair as alt

    return {"x": alt.X(f"{x}:Q", scale=None, axis=None), "y": alt.Y(f"{y}:Q", scale=None, axis=None)}
