"""The networks of the run as diagrams, with the weights of the best configuration of each."""

from __future__ import annotations

import math
from typing import Any

import polars as pl

from fallline.networks import labels as said_on
from fallline.networks import learnt, parse
from fallline.networks.drawing import picture
from fallline.networks.marks import Colors
from fallline.networks.network import Network
from fallline.report import formatting
from fallline.report import vega as alt
from fallline.report.figures import draw as common
from fallline.report.figures.choose import chosen
from fallline.report.figures.kind import FigureKind
from fallline.report.naming import digits_of
from fallline.report.style import INK, PALETTE, WIDTH, Theme
from fallline.stats.analysis import Analysis
from fallline.stats.columns import finished
from fallline.study import Figure

SCHEMA = {
    "network": pl.String,
    "what": pl.String,
    "name": pl.String,
    "source": pl.String,
    "target": pl.String,
    "text": pl.String,
    "value": pl.Float64,
    "trial": pl.String,
    "seed": pl.Int64,
}

GAP = 40
"""Pixels between two networks."""

INKS = Colors(
    INK["text"][0], INK["muted"][0], INK["axis"][0], INK["grid"][0], INK["paper"][0], PALETTE[1].light, PALETTE[5].light
)
"""The page replaces each by its colour of the dark theme."""


def settle(analysis: Analysis, spec: Figure) -> Figure:
    return spec.model_copy(update={"title": spec.title or _title(analysis)})


def _title(analysis: Analysis) -> str:
    return "The networks and their weights" if len(_networks(analysis, None)) > 1 else "The network and its weights"


def data(analysis: Analysis, spec: Figure) -> pl.DataFrame:
    """Per network, ``what`` = "input" (name), "neuron" (name; text: its line; value: its bias), "edge" (source, target;
    text: its terms; value: the factor of the source) and "parameter" (name, value).

    ``trial`` and ``seed`` say whose values these are: the lowest seed that finished, of the best configuration among
    those that ``where`` keeps and whose weights are on disk. Where there is none, or a value is not finite, values are
    null.
    """
    rows = []
    for name, network in _networks(analysis, spec).items():
        trial, seed, values = _trained(analysis, spec, name, network)
        own = [
            *({"what": "input", "name": one} for one in network.inputs),
            *(
                {"what": "neuron", "name": neuron.name, "text": str(neuron), "value": values.get(f"bias_{neuron.name}")}
                for neuron in network.neurons
            ),
            *(
                {
                    "what": "edge",
                    "source": edge.source,
                    "target": edge.target,
                    "text": said_on.in_names(edge),
                    "value": said_on.weight(edge, values) if values else None,
                }
                for edge in said_on.edges(network)
            ),
            *(
                {"what": "parameter", "name": parameter, "value": values.get(parameter)}
                for parameter in network.parameters
            ),
        ]
        rows += [{"network": name, "trial": trial, "seed": seed} | row for row in own]
    frame = pl.DataFrame(rows, schema=SCHEMA)
    return frame.with_columns(value=pl.when(pl.col("value").is_finite()).then("value"))


def _networks(analysis: Analysis, spec: Figure | None) -> dict[str, Network]:
    """The networks of the run, or those of the trials that ``where`` keeps."""
    texts = analysis.model_texts
    if spec is not None and spec.where:
        kept = set(chosen(analysis, spec)["task"])
        texts = {name: text for name, text in texts.items() if name in kept}
    return {name: parse(text) for name, text in texts.items()}


def _trained(
    analysis: Analysis, spec: Figure, name: str, network: Network
) -> tuple[str | None, int | None, dict[str, float]]:
    """The best configuration in words, its lowest seed, and its values; empty where no weights are on disk."""
    held = analysis.weights.filter(pl.col("array").is_in(["weights", "biases"]))
    trials = chosen(analysis, spec).filter(finished(), pl.col("task") == name)
    trials = trials.join(held.select("trial").unique().collect(), on="trial", how="semi", maintain_order="left")
    if trials.is_empty():
        return None, None, {}
    best = (
        trials.join(analysis.summary.select("configuration", "rank"), on="configuration").sort("rank", "seed").head(1)
    )
    trial = best["trial"][0]
    arrays = dict(held.filter(pl.col("trial") == trial).select("array", "values").collect().iter_rows())
    weights = {array: arrays.get(array) or [] for array in ("weights", "biases")}
    if [len(weights[array]) for array in weights] != [len(network.parameters), len(network.neurons)]:
        return None, None, {}
    recipe = formatting.recipe(
        best.row(0, named=True), [column for column in analysis.varying if column != "task"], digits_of(analysis.run)
    )
    return recipe or "the only recipe", best["seed"][0], learnt(network, weights)


def draw(frame: pl.DataFrame, spec: Figure, theme: Theme) -> Any:
    """One diagram per network, side by side where there is room."""
    if frame.is_empty():
        return common.empty("The run keeps no network that this figure could show.")
    pictures = []
    for (name,), rows in frame.group_by("network", maintain_order=True):
        chart = alt.finished(picture(_network(rows), _values(rows), INKS).to_dict(validate=False))
        pictures.append(chart.properties(title=name) if frame["network"].n_unique() > 1 else chart)
    if len(pictures) == 1:
        return pictures[0]
    wide = sum(one["width"] for one in pictures) + GAP * (len(pictures) - 1)
    return (alt.hconcat if wide <= WIDTH else alt.vconcat)(*pictures, spacing=GAP)


def _network(rows: pl.DataFrame) -> Network:
    inputs = rows.filter(pl.col("what") == "input")["name"]
    return parse([f"inputs: {', '.join(inputs)}", *rows.filter(pl.col("what") == "neuron")["text"]])


def _values(rows: pl.DataFrame) -> dict[str, float] | None:
    """The values by name, NaN where one is not finite; None where no weights were kept."""
    if rows["trial"].null_count():
        return None
    hyperparameters = rows.filter(pl.col("what").is_in(["neuron", "parameter"])).select(
        pl.when(pl.col("what") == "neuron").then(pl.format("bias_{}", "name")).otherwise("name"), "value"
    )
    return {name: math.nan if value is None else value for name, value in hyperparameters.iter_rows()}


def caption(analysis: Analysis, frame: pl.DataFrame, spec: Figure) -> str:
    """Whose weights these are, and how to read the diagram."""
    if frame.is_empty():
        return ""
    whose = frame.unique("network", maintain_order=True).select("network", "trial", "seed").rows()
    trained = [row for row in whose if row[1] is not None]
    if not trained:
        return "Inputs on the left, outputs on the right; edges carry their terms. No weights were kept."
    several = len(whose) > 1
    whose_weights = "; ".join(
        f"{name}: {trial}, seed {seed}" if several else f"{trial}, seed {seed}" for name, trial, seed in trained
    )
    missing = [name for name, trial, _ in whose if trial is None]
    return " ".join(
        [
            "Inputs on the left, outputs on the right. Weights after the last step of the best configuration by "
            f"{analysis.metric.label}, lowest seed that finished: {whose_weights}. Width of an edge: absolute value of "
            "its weight; blue: positive, rust: negative.",
            *([f"No weights were kept of {', '.join(missing)}."] if missing else []),
        ]
    )


NETWORK = FigureKind(
    "network",
    "The network and its weights",
    settle,
    data,
    draw,
    caption,
    fits=lambda analysis: bool(analysis.model_texts),
)
