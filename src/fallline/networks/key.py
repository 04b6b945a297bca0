"""The legend under the picture of a network, and the small curves of the activations."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from fallline.networks import labels
from fallline.networks.marks import LABEL, THIN, Colors, at, signs, text
from fallline.networks.network import ACTIVATIONS, Network


def key(
    network: Network, y: float, weights: Mapping[Any, float], thick: float, drawn: int, of: int, colors: Colors
) -> tuple[list[Any], float]:
    """In a line at ``y``: the activations, the meaning of widths and colours, how many edges are hidden; its end."""
    x, texts, shapes, lines = 4.0, [], [], []
    for kind in ACTIVATIONS:
        if any(neuron.activation == kind for neuron in network.neurons):
            shapes.append((kind, x + 12, y))
            texts.append({"text": kind, "x": x + 30, "y": y})
            x += 48 + labels.width(kind, LABEL)
    most = heaviest(weights)
    if most:
        texts.append({"text": "weight", "x": x, "y": y})
        x += labels.width("weight", LABEL) + 10
        for part in (-1, -0.5, 0.5, 1):
            said = labels.number(part * most)
            lines.append(
                {
                    "x": x,
                    "x2": x + 26,
                    "y": y,
                    "wide": THIN + (thick - THIN) * abs(part),
                    "sign": "above" if part > 0 else "below",
                }
            )
            texts.append({"text": said, "x": x + 31, "y": y})
            x += 45 + labels.width(said, LABEL)
    if drawn < of:
        which = "the heaviest" if weights else "evenly chosen"
        said = f"{drawn:,} of {of:,} edges drawn, {which}"
        texts.append({"text": said, "x": x, "y": y})
        x += labels.width(said, LABEL)
    layers = curves(shapes, colors)
    layers.append(text(texts, "text", "x", colors.muted, align="left", baseline="middle", fontSize=LABEL))
    return ([*layers, _samples(lines, colors)] if lines else layers), x


def heaviest(weights: Mapping[Any, float]) -> float:
    """The largest size of a finite weight, 0 where there is none."""
    return max((abs(value) for value in weights.values() if math.isfinite(value)), default=0.0)


def _samples(lines: list[dict[str, Any]], colors: Colors) -> Any:
    import altair as alt

    return (
        alt.Chart(alt.InlineData(values=lines))
        .mark_rule(strokeOpacity=0.9)
        .encode(**at("x", "y"), x2="x2:Q", color=signs(colors, colors.line), size=alt.Size("wide:Q", scale=None))
    )


def curves(which: list[tuple[str, float, float]], colors: Colors) -> list[Any]:
    """Small curves of these activations around these points."""
    import altair as alt

    axes, curves = [], []
    for i, (kind, x, y) in enumerate(which):
        across, along, zero = _curve(kind)
        base = y + 6 - 12 * zero
        axes += [{"x": x - 12, "y": base, "x2": x + 12, "y2": base}, {"x": x, "y": y - 6, "x2": x, "y2": y + 6}]
        curves += [
            {"one": i, "x": round(x + 12 * a, 1), "y": round(y + 6 - 12 * b, 2)}
            for a, b in zip(across, along, strict=True)
        ]
    lines = alt.Chart(alt.InlineData(values=axes)).mark_rule(color=colors.line, strokeWidth=0.8)
    drawn = alt.Chart(alt.InlineData(values=curves)).mark_line(color=colors.text, strokeWidth=1.5)
    return [lines.encode(**at("x", "y"), x2="x2:Q", y2="y2:Q"), drawn.encode(**at("x", "y"), detail="one:N")]


def _curve(kind: str) -> tuple[list[float], list[float], float]:
    """x from -1 to 1, the curve from 0 to 1, and the position of its 0."""
    x = np.linspace(-1, 1, 25)
    if kind == "sigmoid":
        y, zero = 1 / (1 + np.exp(-5.5 * x)), 0.0
    elif kind == "tanh":
        y, zero = 0.5 + 0.5 * np.tanh(2.8 * x), 0.5
    elif kind == "relu":
        y, zero = np.maximum(0, x), 0.0
    else:
        y, zero = 0.5 + 0.5 * x, 0.5
    return x.tolist(), y.tolist(), zero
