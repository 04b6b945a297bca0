"""Arms by mean rank over seeds, and bars that join those not significantly different (critical-difference diagram)."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from fallline.errors import StudyError
from fallline.report import formatting
from fallline.report import vega as alt
from fallline.report.figures import draw as common
from fallline.report.figures.kind import FigureKind
from fallline.report.naming import named
from fallline.report.sentences.comparison_words import arm_name
from fallline.report.style import INK, WIDTH, Theme
from fallline.stats import label
from fallline.stats.analysis import Analysis
from fallline.stats.compare import Compared
from fallline.stats.ranks import cliques
from fallline.study import Figure

MOST_PANELS = 6
SCHEMA = {
    "what": pl.String,
    "panel": pl.String,
    "panel_place": pl.Int64,
    "arm": pl.String,
    "color": pl.String,
    "color_place": pl.Int64,
    "place": pl.Int64,
    "mean_rank": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "n": pl.Int64,
    "pairs": pl.Int64,
    "first": pl.String,
    "last": pl.String,
    "lane": pl.Int64,
}


def settle(analysis: Analysis, spec: Figure) -> Figure:
    """The arms are optimizers and the metric is the one that ranks, unless the study says otherwise."""
    metric = spec.metric or analysis.metric.column
    title = spec.title or f"Mean rank over seeds by {label(metric)}"
    return spec.model_copy(update={"metric": metric, "color": spec.color or "optimizer", "title": title})


def data(analysis: Analysis, spec: Figure) -> pl.DataFrame:
    """Rows of three sorts, one panel per group of arms. ``what`` = "arm": mean_rank with its 95 % CI low to high over n
    seeds, in the order of ``place``. "bar": the arms ``first`` to ``last`` are not significantly different, drawn in
    the ``lane`` beside the picture. "stray": neither are ``first`` and ``last``, which no bar joins. ``pairs`` is the
    number of pairs in Holm's correction.

    No rows where there is nothing to compare.
    """
    try:
        comparison = analysis.compared(spec.color, spec.metric, kept=spec.where)
    except StudyError:
        return pl.DataFrame(schema=SCHEMA)
    names = [named(comparison.run, arm.settings, comparison.by) for arm in _by_settings(comparison)]
    colors, pairs = {name: place for place, name in enumerate(names)}, sum(map(len, comparison.pairs))
    rows = [row for place in range(len(comparison.groups)) for row in _group_rows(comparison, place, colors, pairs)]
    return pl.DataFrame(rows, schema=SCHEMA)


def _group_rows(comparison: Compared, panel: int, colors: dict[str, int], pairs: int) -> list[dict[str, Any]]:
    group = comparison.groups[panel]
    ranks = group.ranks
    if ranks is None:
        return []
    order = sorted(range(len(group.arms)), key=lambda place: (ranks.mean[place], place))
    names = [arm_name(comparison, group.arms[place]) for place in order]
    common_fields = {
        "panel": named(comparison.run, group.within, group.within) if len(comparison.groups) > 1 else "",
        "panel_place": panel,
        "pairs": pairs,
    }
    rows = [
        {
            "what": "arm",
            **common_fields,
            "arm": name,
            "place": row,
            "mean_rank": float(ranks.mean[place]),
            "n": ranks.n,
            "low": None if ranks.low is None else float(ranks.low[place]),
            "high": None if ranks.high is None else float(ranks.high[place]),
            "color": (name_of_arm := named(comparison.run, group.arms[place].settings, comparison.by)),
            "color_place": colors[name_of_arm],
        }
        for row, (place, name) in enumerate(zip(order, names, strict=True))
    ]
    significant = _significant(comparison, panel)[np.ix_(order, order)]
    bars = cliques(significant)
    rows += [
        {"what": "bar", **common_fields, "first": names[first], "last": names[last], "lane": lane}
        for lane, (first, last) in enumerate(bars)
    ]
    joined = {(a, b) for first, last in bars for a in range(first, last) for b in range(a + 1, last + 1)}
    short = [named(comparison.run, group.arms[place].settings, comparison.by) for place in order]
    return rows + [
        {"what": "stray", **common_fields, "first": short[a], "last": short[b]}
        for a in range(len(names))
        for b in range(a + 1, len(names))
        if not significant[a, b] and (a, b) not in joined
    ]


def _by_settings(comparison: Compared) -> list[Any]:
    """One arm per value of what is compared, from small to large."""
    every = {
        tuple(arm.settings[name] for name in comparison.by): arm for group in comparison.groups for arm in group.arms
    }
    return sorted(
        every.values(),
        key=lambda arm: [
            (value is not None, isinstance(value, str), value or 0)
            for value in (arm.settings[name] for name in comparison.by)
        ],
    )


def _significant(comparison: Compared, panel: int) -> np.ndarray:
    group = comparison.groups[panel]
    significant = np.zeros((len(group.arms), len(group.arms)), bool)
    for (a, b), pair in zip(group.places, comparison.pairs[panel], strict=True):
        significant[a, b] = significant[b, a] = pair.significant
    return significant


def draw(frame: pl.DataFrame, spec: Figure, theme: Theme) -> Any:
    """One panel per group, one row per arm: a dot at the mean rank, a line for its CI; beside it a bar for each set of
    neighbours that are not significantly different."""
    arms = frame.filter(pl.col("what") == "arm")
    if arms.is_empty():
        return common.empty("There is nothing to rank: ranks need two arms with a seed in common.")
    panels = arms.unique("panel_place").sort("panel_place")["panel_place"].to_list()[:MOST_PANELS]
    drawn = [_panel(frame.filter(pl.col("panel_place") == panel), spec, theme) for panel in panels]
    return drawn[0] if len(drawn) == 1 else alt.vconcat(*drawn, spacing=28)


def _panel(frame: pl.DataFrame, spec: Figure, theme: Theme) -> Any:
    arms, bars = (frame.filter(pl.col("what") == what) for what in ("arm", "bar"))
    names = arms.sort("place")["arm"].to_list()
    y = alt.Y(
        "arm:N",
        sort=names,
        title=None,
        scale=alt.Scale(domain=names, padding=0.5),
        axis=alt.Axis(grid=True, labelLimit=420),
    )
    x = alt.X(
        "mean_rank:Q",
        title="mean rank over seeds, 1 is best",
        axis=alt.Axis(tickMinStep=1, grid=True),
        scale=alt.Scale(domain=[0.9, len(names) + 0.1], nice=False),
    )
    colors = common.colors(arms, spec.color, theme, None)["color"]
    base = alt.Chart(common.held(arms.select("arm", "color", "mean_rank", "low", "high", "n")))
    tips = [
        alt.Tooltip("arm:N"),
        alt.Tooltip("mean_rank:Q", format=".2f", title="mean rank"),
        *(alt.Tooltip(f"{name}:Q", format=".2f") for name in ("low", "high") if arms[name].null_count() == 0),
        alt.Tooltip("n:Q", title="seeds"),
    ]
    layers = [base.mark_point(filled=True, size=80, opacity=1).encode(x=x, y=y, color=colors, tooltip=tips)]
    if arms["low"].null_count() < arms.height:
        layers.insert(
            0,
            base.mark_rule(strokeWidth=2.4).encode(x=alt.X("low:Q", scale=x["scale"]), x2="high:Q", y=y, color=colors),
        )
    size = {"height": 26 * len(names)}
    widest = max(map(len, names))
    picture = alt.layer(*layers).properties(width=max(320, WIDTH - 300 - 7 * widest), **size)
    title = frame["panel"][0]
    if bars.height:
        picture = alt.hconcat(picture, _bars(bars, names, size), spacing=10).resolve_scale(y="independent")
    return picture.properties(title=title) if title else picture


def _bars(bars: pl.DataFrame, names: list[str], size: dict[str, int]) -> alt.Chart:
    """A thick vertical line from the first to the last arm of each set, each in its own lane."""
    y = alt.Y("first:N", sort=names, scale=alt.Scale(domain=names, padding=0.5), axis=None)
    shown = bars.select("first", "last", "lane")
    x = alt.X("lane:O", axis=None, scale=alt.Scale(domain=list(range(bars.height)), padding=0.5))
    tips = [alt.Tooltip("first:N", title="not significantly different, from"), alt.Tooltip("last:N", title="to")]
    line = alt.Chart(common.held(shown)).mark_rule(strokeWidth=5, strokeCap="round", color=INK["muted"][0])
    return line.encode(x=x, y=y, y2="last:N", tooltip=tips).properties(width=16 * bars.height, **size)


def caption(analysis: Analysis, frame: pl.DataFrame, spec: Figure) -> str:
    """Seeds, spread, what the bars mean, and pairs that no bar can show."""
    arms = frame.filter(pl.col("what") == "arm")
    if arms.is_empty():
        return ""
    n, pairs = int(arms["n"].max()), int(arms["pairs"].max())
    seeds = f"Mean over {formatting.plural(n, 'seed')} of the rank of each arm" if n > 1 else "Rank of each arm"
    sentences = [f"{seeds} by {label(spec.metric)}."]
    sentences += ["Lines: 95 % CI of the mean (bootstrap over seeds)."] if n > 1 else ["One seed: no CI."]
    if "bar" in frame["what"]:
        sentences.append(
            "Bars join arms that are not significantly different"
            + (f" (Holm's correction over {formatting.plural(pairs, 'pair')})." if pairs > 1 else ".")
        )
    strays = frame.filter(pl.col("what") == "stray")
    if strays.height:
        names = [f"{row['first']} and {row['last']}" for row in strays.iter_rows(named=True)]
        sentences.append(
            f"Also not significantly different: {'; '.join(names[:3])}"
            + (f"; and {formatting.count(len(names) - 3)} more pairs." if len(names) > 3 else ".")
        )
    count = arms["panel_place"].n_unique()
    if count > MOST_PANELS:
        sentences.append(f"The first {MOST_PANELS} of {formatting.count(count)} panels; the CSV has all.")
    return " ".join(sentences)


def _fits(analysis: Analysis) -> bool:
    trials = analysis.trials
    return analysis.study.design == "cross" and trials["seed"].n_unique() > 1 and trials["optimizer"].n_unique() > 2


RANKS = FigureKind("ranks", "Mean rank over seeds", settle, data, draw, caption, _fits)
