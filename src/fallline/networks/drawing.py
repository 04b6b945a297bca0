"""The picture of a network: inputs left, outputs right, terms on the edges; weights as width and colour."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

from fallline.errors import ModelError
from fallline.networks import labels
from fallline.networks.key import curves, heaviest, key
from fallline.networks.labels import Edge, Values
from fallline.networks.marks import (
    DARK,
    FONT,
    LABEL,
    LIGHT,
    NAME,
    SMALL,
    THICK,
    THICK_SMALL,
    THIN,
    Colors,
    at,
    signs,
    text,
)
from fallline.networks.network import Network
from fallline.networks.placing import Placing, place
from fallline.networks.routes import routes

LONGEST = 240
"""Pixels that the text on an edge may take."""

MOST_DRAWN = 3000
"""So many pieces of edges are drawn; of more the heaviest edges."""

KEY = 26
"""From the network to the key under it."""

SCALE = 2
"""Pixels of a PNG a pixel of the picture."""


def draw(network: Network, values: Values | None = None, *, dark: bool = False) -> Any:
    """The picture as an altair chart, which displays itself in a notebook; what does not fit is in the tooltips.

    ``values`` holds each parameter by its name and the bias of neuron xw as ``bias_xw``: all, or ModelError.
    """
    colors = DARK if dark else LIGHT
    return picture(network, values, colors).configure(
        background=colors.paper, font=FONT, view={"stroke": None}, padding=8
    )


def save(network: Network, path: str | Path, values: Values | None = None) -> None:
    """Write the picture as .svg or .png; ModelError for another ending or where it cannot be written."""
    path = Path(path)
    if path.suffix.lower() not in (".svg", ".png"):
        raise ModelError(f"a picture's file must end in .svg or .png, got {path.name!r}")
    drawn = svg(network, values)
    try:
        if path.suffix.lower() == ".svg":
            path.write_text(drawn, encoding="utf-8")
        else:
            import vl_convert

            path.write_bytes(vl_convert.svg_to_png(drawn, scale=SCALE))
    except OSError as failure:
        raise ModelError(f"cannot write {path}: {failure.strerror or failure}") from None


def svg(network: Network, values: Values | None = None) -> str:
    """The picture as SVG, in light colours."""
    import vl_convert

    return vl_convert.vegalite_to_svg(draw(network, values).to_dict(validate=False))


def picture(network: Network, values: Values | None = None, colors: Colors = LIGHT) -> Any:
    """The chart without theme, to be combined with others."""
    import altair as alt
    from altair.utils.schemapi import debug_mode

    values = labels.checked(network, values)
    edges = labels.edges(network)
    names = {name: labels.width(name, NAME) for name in (*network.inputs, *(neuron.name for neuron in network.neurons))}
    texts = {(edge.source, edge.target): _texts(edge, values) for edge in edges}
    wide = {pair: sum(labels.width(said, LABEL) for said in both) + 10 * all(both) for pair, both in texts.items()}
    placing = place(network, edges, names, wide)
    weights = {} if values is None else {(edge.source, edge.target): labels.weight(edge, values) for edge in edges}
    shown = _shown(placing, edges, weights)
    thick = THICK if placing.labelled else max(1.6, min(THICK_SMALL, 70 / math.sqrt(len(shown))))
    bottom = placing.height + KEY
    with debug_mode(False):  # altair would check every row against its schema
        layers = [_edges(placing, shown, weights, thick, colors), *_nodes(placing, network, values, colors)]
        layers += _labels(placing, texts, colors) if placing.labelled else []
        below, end = key(network, bottom, weights, thick, len(shown), len(edges), colors)
        return alt.layer(*layers, *below).properties(width=round(max(placing.width, end)), height=round(bottom) + 12)


def _texts(edge: Edge, values: Values | None) -> tuple[str, str]:
    """The text on an edge: names, and the values of a trained network."""
    named = labels.in_names(edge)
    if values is None:
        return labels.fitted(named, LABEL, LONGEST), ""
    valued = labels.fitted(labels.in_values(edge, values), LABEL, 0.6 * LONGEST)
    named = "" if named == valued else named  # a constant
    return labels.fitted(named, LABEL, LONGEST - labels.width(valued, LABEL)), valued


def _shown(placing: Placing, edges: Sequence[Edge], weights: dict[tuple[str, str], float]) -> list[Edge]:
    """The edges to draw, heavy ones last and so on top."""
    pieces = {edge: 1 + 2 * len(placing.between[edge.source, edge.target]) for edge in edges}
    if not weights:
        drawn = min(len(edges), max(1, len(edges) * MOST_DRAWN // sum(pieces.values())))
        return [edges[i * len(edges) // drawn] for i in range(drawn)]
    sizes = {pair: abs(size) if math.isfinite(size) else 0.0 for pair, size in weights.items()}
    order = sorted(edges, key=lambda edge: -sizes[edge.source, edge.target])
    kept = sum(total <= MOST_DRAWN for total in accumulate(pieces[edge] for edge in order))
    return order[:kept][::-1]


def _edges(
    placing: Placing, edges: Sequence[Edge], weights: dict[tuple[str, str], float], thick: float, colors: Colors
) -> Any:
    """Lines: grey without values, else as wide as the weight is large, in the colour of its sign."""
    import altair as alt

    most, ways, rows = heaviest(weights), routes(placing, edges), []
    for i, edge in enumerate(edges):
        pair = (edge.source, edge.target)
        own = {
            "edge": i,
            "says": " → ".join(pair),
            "term": _cut(labels.in_names(edge), 60),
            **_stroke(weights.get(pair), most, thick, placing.labelled, len(edges)),
        }
        points = ways[pair].round(1).tolist()
        if placing.labelled:
            rows += [own | {"x": x, "y": y} for x, y in points]
        else:
            rows += [own | {"x": a, "y": b, "x2": c, "y2": d} for (a, b), (c, d) in pairwise(points)]
    chart = alt.Chart(alt.InlineData(values=rows))
    tips = [
        alt.Tooltip(f"{field}:N", title=title)
        for field, title in (("says", "edge"), ("term", "term"), *([("weight", "weight")] if weights else []))
    ]
    marked = chart.mark_line(strokeCap="butt", strokeJoin="round") if placing.labelled else chart.mark_rule()
    ends = {"detail": "edge:N"} if placing.labelled else {"x2": "x2:Q", "y2": "y2:Q"}
    return marked.encode(
        **at("x", "y"),
        **ends,
        tooltip=tips,
        color=signs(colors, colors.line if placing.labelled else colors.muted),
        size=alt.Size("wide:Q", scale=None),
        strokeOpacity=alt.StrokeOpacity("solid:Q", scale=None),
    )


def _stroke(weight: float | None, most: float, thick: float, labelled: bool, of: int) -> dict[str, Any]:
    """The style of an edge; where there are many the light ones are faint."""
    part = abs(weight) / most if weight is not None and math.isfinite(weight) and most else 0.0
    faint = 0.9 if labelled else min(0.8, max(0.16, 9 / math.sqrt(of)))
    solid = {"solid": round(faint + (0.95 - faint) * part, 3)}
    if weight is None:
        return {"sign": "plain", "wide": 1.3 if labelled else THIN, **solid}
    sign = "plain" if not part else "above" if weight > 0 else "below"
    return {"sign": sign, "wide": round(THIN + (thick - THIN) * part, 2), **solid, "weight": labels.number(weight)}


def _labels(placing: Placing, texts: dict[tuple[str, str], tuple[str, str]], colors: Colors) -> list[Any]:
    """Above each line in front of its neuron: the names on the left, the values on the right."""
    rows = []
    for pair, (named, valued) in texts.items():
        column = placing.columns[placing.boxes[pair[1]].column]
        rows.append(
            {
                "named": named,
                "valued": valued,
                "x": column.labels,
                "x2": column.gather,
                "y": placing.rows[pair] - THICK / 2 - 2.5,
            }
        )
    trained = any(valued for _, valued in texts.values())
    style = {"baseline": "alphabetic", "fontSize": LABEL}
    layers = [text(rows, "named", "x", colors.muted if trained else colors.text, align="left", **style)]
    if trained:
        layers.append(text(rows, "valued", "x2", colors.text, align="right", fontWeight=600, **style))
    return layers


def _nodes(placing: Placing, network: Network, values: Values | None, colors: Colors) -> list[Any]:
    """Inputs filled, neurons outlined, with their names and activations; under a neuron its bias."""
    size = NAME if placing.labelled else SMALL
    known = {neuron.name: neuron for neuron in network.neurons}
    inputs, neurons, shapes = [], [], []
    for name, box in placing.boxes.items():
        row = {
            "name": labels.fitted(name, size, 2 * box.half_width - 8),
            "whole": name,
            "x": box.x,
            "y": box.y,
            "left": box.x - box.half_width,
            "right": box.x + box.half_width,
            "top": box.y - box.half_height,
            "bottom": box.y + box.half_height,
        }
        if name not in known:
            inputs.append(row)
            continue
        said = labels.note(known[name], values)
        neurons.append(
            row
            | {
                "y": box.y - (7 if placing.labelled else 0),
                "formula": _cut(str(known[name]), 160),
                "said": _cut(said, 90),
                "note": labels.fitted(said, SMALL, 2 * box.half_width + 60),
                "under": row["bottom"] + 13,
            }
        )
        shapes.append((known[name].activation, box.x, box.y + 10))
    layers = [
        _boxes(inputs, {"whole": "input"}, colors.fill, colors.line),
        _boxes(neurons, {"whole": "neuron", "formula": "is", "said": "and"}, colors.paper, colors.muted),
    ]
    if placing.named:
        layers.append(
            text(
                [*inputs, *neurons],
                "name",
                "x",
                colors.text,
                align="center",
                baseline="middle",
                fontSize=size,
                fontWeight=600,
            )
        )
    if placing.labelled:
        layers += curves(shapes, colors)
        layers.append(text(neurons, "note", "x", colors.muted, "under", align="center", fontSize=SMALL))
    return layers


def _boxes(rows: list[dict[str, Any]], told: dict[str, str], fill: str, stroke: str) -> Any:
    import altair as alt

    line = 1.3 if rows[0]["bottom"] - rows[0]["top"] > 6 else 0.5
    chart = alt.Chart(alt.InlineData(values=rows)).mark_rect(
        cornerRadius=99, fill=fill, stroke=stroke, strokeWidth=line
    )
    return chart.encode(
        **at("left", "top"),
        x2="right:Q",
        y2="bottom:Q",
        tooltip=[alt.Tooltip(f"{name}:N", title=title) for name, title in told.items()],
    )


def _cut(said: str, most: int) -> str:
    return said if len(said) <= most else said[: most - 1] + "…"
