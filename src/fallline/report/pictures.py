"""A figure on the page: its text, its data, and what the browser saves it from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fallline.report.figures import RenderedFigure
from fallline.report.html import Markup, join, script_json, tag
from fallline.report.style import night
from fallline.report.tables import frame_table


def figures(pictures: Iterable[RenderedFigure]) -> Markup:
    """Title, caption, files, picture and table of each figure."""
    return join([_figure(picture) for picture in pictures])


def _figure(picture: RenderedFigure) -> Markup:
    whole = picture.specification
    chart = {key: value for key, value in whole.items() if key not in ("config", "datasets", "$schema")}
    stored = whole.get("datasets", {})
    held = {
        "chart": chart,
        "rows": {name: packed(rows) for name, rows in stored.items()},
        "night": night(str(chart)),
        "renderer": "canvas" if stored else "svg",
    }
    files = join(
        [
            join(" ", tag("button", kind, type="button", data_kind=kind.lower(), data_name=picture.name))
            for kind in ("SVG", "PNG")
        ],
        " ",
        tag("a", "CSV", href=f"tables/figure-{picture.name}.csv"),
    )
    return tag(
        "figure",
        tag("h3", picture.title),
        tag("figcaption", picture.caption, tag("span", files, cls="files")),
        tag("div", tag("div"), cls="plot"),
        script_json(held, cls="chart"),
        frame_table(picture.table) if picture.table is not None else None,
        id=f"figure-{picture.name}",
    )


def packed(rows: list[dict[str, Any]]) -> dict[str, Any]:
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
