"""A heat map over two hyperparameters: one cell per pair of values, and a table of the configurations."""

from __future__ import annotations

from typing import Any

import polars as pl

from fallline.errors import StudyError, UnknownName
from fallline.report import formatting
from fallline.report import vega as alt
from fallline.report.figures import draw as common
from fallline.report.figures.cells import own_colours, panels, side_by_side
from fallline.report.figures.choose import chosen, heading, places
from fallline.report.figures.kind import FigureKind
from fallline.report.naming import digits_of
from fallline.report.sentences.missing import gone_words, lost_words
from fallline.report.style import Theme
from fallline.stats import comparable, label
from fallline.stats.analysis import Analysis
from fallline.stats.best import LOST, UNKNOWN, WORSE
from fallline.stats.columns import finished, hyperparameter_columns, metric_columns
from fallline.stats.metric import after_training
from fallline.study import Figure
from fallline.study.column_words import NULL_WORDS
from fallline.study.recipe_fields import KEPT

_FIRST = ("batch_size", "subset", "overlap", "epochs", "steps")
AMOUNTS = (*_FIRST, *(field.name for field in KEPT if not field.choices and field.name not in _FIRST))
"""Columns that may be an axis without being hyperparameters; in the first two a null is a value: all."""

TAIL, LAST, LOWEST = "tail_train_loss", "final_train_loss", "min_train_loss"
RESULTS = {LAST: "final loss, last batch", TAIL: "mean of the last steps", LOWEST: "minimum"}
"""The training losses in the table, and their headings."""

MOST_PAIRED = 100
"""The most cells that are compared with the best one, seed by seed."""


def settle(analysis: Analysis, spec: Figure) -> Figure:
    """``color`` is the hyperparameter of the vertical axis, the learning rate is the horizontal one; ``panel`` is what
    else varies.

    Where the study's metric is the training loss after the last step, the mean over the last steps takes its place,
    unless a step takes all examples: the loss of a single batch is noisy.
    """
    trials = chosen(analysis, spec)
    metric = spec.metric or analysis.metric.column
    metric = after_training(metric)
    if spec.metric is None and metric == LAST and TAIL in metric_columns(trials) and _batched(trials):
        metric = TAIL
    sides = crossed(analysis, trials, spec)
    if sides is None:
        return spec.model_copy(update={"metric": metric, "title": spec.title or "Two hyperparameters crossed"})
    left = [name for name in analysis.varying if name not in sides and trials[name].n_unique() > 1]
    up, along = (formatting.name(name) for name in sides)
    title = spec.title or f"{label(metric)} over {up} and {along}"
    panel = spec.panel or next(iter(left), None)
    return spec.model_copy(update={"metric": metric, "title": title, "color": sides[0], "panel": panel})


def _batched(trials: pl.DataFrame) -> bool:
    """Whether some trial uses mini-batches."""
    return "batch_size" in trials.columns and not trials["batch_size"].is_null().all()


def crossed(analysis: Analysis, trials: pl.DataFrame, spec: Figure) -> tuple[str, str] | None:
    """The columns of the vertical and the horizontal axis; None where fewer than two vary.

    Hyperparameters come before batch sizes and budgets. UnknownName where the figure names an unknown column.
    """
    for name in (spec.color, spec.panel):
        if name is not None and name not in trials.columns:
            raise UnknownName("recipe column", name, trials.columns, f"figure {spec.title or spec.kind}")
    known = analysis.varying
    found = [name for name in (*hyperparameter_columns(trials), *AMOUNTS) if name in known and _crosses(trials, name)]
    found = [name for name in found if name not in (spec.color, spec.panel)]
    side = spec.color or next((name for name in found if name != "learning_rate"), None)
    along = next((name for name in found if name != side), None)
    return (side, along) if side and along else None


def _crosses(trials: pl.DataFrame, name: str) -> bool:
    """Whether the column varies and every trial has a number in it, or a null that is a setting."""
    whole = not trials[name].is_null().any() or name in NULL_WORDS
    return trials.schema[name].is_numeric() and trials[name].n_unique() > 1 and whole


def data(analysis: Analysis, spec: Figure) -> pl.DataFrame:
    """One row per panel and pair of values: the best configuration there.

    Columns: panel, its position and its value; side and along (the columns of the vertical and horizontal axis), up and
    right (their values as texts) with their positions; metric, value (mean over seeds that have a number), sd, n,
    trials, lost (of them without a number), gone (why: "diverged", "no number", "lost" where both), of (configurations
    to choose from), state ("value", "diverged", "no value"), best (of its panel), tied (not significantly worse than
    the best of its panel; null where not tested), trial (in words); seconds_alone; and mean and sd of the training loss
    of the last batch, of the last steps, and of its minimum.
    """
    trials = chosen(analysis, spec)
    sides = crossed(analysis, trials, spec)
    if sides is None:
        return pl.DataFrame(schema={"value": pl.Float64})
    side, along = sides
    shown = trials.filter(finished()).join(analysis.seconds_alone, on="block", how="left")
    spent = shown.group_by("configuration").agg(pl.col("seconds_alone").mean())
    table = analysis.summary.join(trials.select("configuration").unique(), on="configuration", how="semi")
    table = table.join(spent, on="configuration", how="left")
    order = {name: places(analysis, table, name) for name in (side, along, spec.panel) if name}
    varying, digits = analysis.varying, digits_of(analysis.run)
    rows = [
        {
            "configuration": row["configuration"],
            "panel": "" if spec.panel is None else heading(spec.panel, row[spec.panel], digits),
            "panel_place": 0 if spec.panel is None else order[spec.panel][row[spec.panel]],
            "panel_name": spec.panel or "",
            "panel_value": "" if spec.panel is None else formatting.value_of(spec.panel, row[spec.panel], digits),
            "side": side,
            "up": formatting.value_of(side, row[side], digits),
            "up_place": order[side][row[side]],
            "along": along,
            "right": formatting.value_of(along, row[along], digits),
            "right_place": order[along][row[along]],
            "trial": formatting.recipe(row, varying, digits),
            **_values(row, spec.metric or ""),
        }
        for row in table.iter_rows(named=True)
    ]
    up = analysis.higher_is_better(spec.metric or "")
    return _marked(analysis, _best_of_each(pl.DataFrame(rows, infer_schema_length=None), up), spec)


def _values(row: dict[str, Any], metric: str) -> dict[str, Any]:
    """The results of a row of ``summary``, under the figure's names."""
    value, n = row.get(f"{metric}_mean"), row.get(f"{metric}_n") or 0
    lost = row["trials"] - n if n else row["diverged"] + row["missing"]
    found = {f"{name}_{part}": row.get(f"{name}_{part}") for name in RESULTS for part in ("mean", "sd")}
    return {
        "metric": metric,
        "value": value,
        "sd": row.get(f"{metric}_sd"),
        "n": n,
        "trials": row["trials"],
        "lost": lost,
        "gone": lost_words(row["diverged"], lost),
        "state": "value" if value is not None else "diverged" if row["diverged"] == row["trials"] else "no value",
        "seconds_alone": row["seconds_alone"],
        **found,
    }


def _best_of_each(rows: pl.DataFrame, more_is_better: bool) -> pl.DataFrame:
    """One row per cell: of several configurations the one with the fewest lost seeds, of these the best."""
    floats = ["value", "sd", "seconds_alone", *(f"{name}_{part}" for name in RESULTS for part in ("mean", "sd"))]
    rows = rows.with_columns(pl.col(floats).cast(pl.Float64), share=pl.col("lost") / pl.col("trials"))
    rows = rows.sort("share", "value", descending=[False, more_is_better], nulls_last=True)
    cell = ["panel", "up", "right"]
    rows = rows.with_columns(of=pl.len().over(cell)).unique(cell, keep="first", maintain_order=True)
    first = pl.int_range(pl.len()).over("panel") == 0
    rows = rows.with_columns(best=first & pl.col("value").is_not_null())
    return rows.drop("share").sort("panel_place", "up_place", "right_place")


def _marked(analysis: Analysis, cells: pl.DataFrame, spec: Figure) -> pl.DataFrame:
    """The cells with ``tied``: whether a cell is not significantly worse than the best of its panel, by the test of the
    page's opening (``stats.best``); no cell is best where losses cannot be compared."""
    metric = cells["metric"][0]
    are_comparable = comparable(analysis.trials, metric)
    cells = cells.with_columns(pl.col("best") & are_comparable)
    undecided = _verdicts(analysis, cells, spec) if are_comparable and cells.height <= MOST_PAIRED else {}
    cell = ("panel_value", "up", "right")
    tied = [
        None if row["best"] or row["value"] is None else undecided.get(tuple(row[name] for name in cell))
        for row in cells.iter_rows(named=True)
    ]
    return cells.with_columns(pl.Series("tied", tied, pl.Boolean))


def _verdicts(analysis: Analysis, cells: pl.DataFrame, spec: Figure) -> dict[tuple[str, str, str], bool | None]:
    """For each cell, by its panel and its values in words, whether it is not significantly worse than the best."""
    row = cells.row(0, named=True)
    sides = (row["side"], row["along"])
    default = analysis.compared_by
    try:
        comparison = analysis.compared(default if set(default) == set(sides) else sides, spec.metric, kept=spec.where)
    except StudyError:  # one cell, or no two that share all else
        return {}
    verdicts = {}
    for group, standings in zip(comparison.groups, comparison.standings, strict=True):
        for arm, standing in zip(group.arms, standings, strict=True):
            panel = "" if spec.panel is None else formatting.value_of(spec.panel, group.within.get(spec.panel))
            key = (panel, *(formatting.value_of(side, arm.settings[side]) for side in sides))
            verdicts[key] = {WORSE: False, LOST: None, UNKNOWN: None}.get(standing.verdict, True)
    return verdicts


def table(frame: pl.DataFrame) -> pl.DataFrame:
    """One row per configuration: both hyperparameters, the panel's value, seconds alone, losses with their spread."""
    if frame.is_empty():
        return frame
    metric = frame["metric"][0]
    reasons = set(frame.filter(pl.col("lost") > 0)["gone"])
    gone = reasons.pop() if len(reasons) == 1 else "lost" if reasons else "diverged"
    results = {name: text for name, text in RESULTS.items() if frame[f"{name}_mean"].is_not_null().any()}
    table_rows = []
    for row in frame.iter_rows(named=True):
        line = {row["panel_name"]: row["panel_value"]} if row["panel_name"] else {}
        line |= {row["side"]: row["up"], row["along"]: row["right"]}
        line["seconds alone"] = formatting.number(row["seconds_alone"], 3)
        if metric not in results:
            line[label(metric)] = _spread(row["value"], row["sd"])
        line |= {text: _spread(row[f"{name}_mean"], row[f"{name}_sd"]) for name, text in results.items()}
        line[gone] = f"{row['lost']} of {row['trials']}" if row["lost"] else "0"
        table_rows.append(line)
    found = pl.DataFrame(table_rows)
    empty = [name for name in ("seconds alone", gone) if set(found[name]) <= {formatting.MISSING, "0"}]
    return found.drop(empty)


def _spread(mean: float | None, sd: float | None) -> str:
    """A mean with its standard deviation over seeds where there is one."""
    return formatting.number(mean) + ("" if sd is None else f" (sd {formatting.number(sd, 2)})")


def draw(frame: pl.DataFrame, spec: Figure, theme: Theme) -> Any:
    """One heat map per panel: dark for small, bright for large values."""
    if frame.is_empty():
        return common.empty("No two hyperparameters vary, so there is nothing to cross.")
    if frame["value"].is_null().all():
        return common.empty("No trial finished with a value to show.")
    drawn = panels(frame, label(spec.metric or ""), spec.scale == "log")
    pictures = [cells.picture(rows, rows["panel"][0]) for cells, rows in drawn]
    if len(pictures) == 1:
        return pictures[0]
    together = alt.concat(*pictures, columns=side_by_side(len(pictures))).properties(spacing=40)
    return together.resolve_scale(color="independent") if own_colours(drawn) else together


def caption(analysis: Analysis, frame: pl.DataFrame, spec: Figure) -> str:
    """What a cell is, over how many seeds, which is best and whether significantly, and what the losses mean."""
    if frame.is_empty() or frame["value"].is_null().all():
        return ""
    seeds, metric = int(frame["n"].max()), spec.metric or ""
    mean = f"mean over {formatting.plural(seeds, 'seed')} and standard deviation (sd)"
    over = "one seed, no standard deviation" if seeds == 1 else mean
    sentences = [f"Cell: {label(metric)}, {over}."]
    if frame["of"].max() > 1:
        sentences.append("In each cell the best setting of all other hyperparameters is shown.")
    if comparable(chosen(analysis, spec), metric):
        sentences.append(f"Framed, best: {_best_cells(frame)}.")
        sentences += _significance(frame)
    else:
        sentences.append(common.not_comparable("cells"))
    if own_colours(panels(frame, "", spec.scale == "log")):
        sentences.append("Each panel has its own colour scale.")
    if (frame["state"] == "diverged").any():
        sentences.append("Hatched: every seed diverged.")
    if ((frame["lost"] > 0) & (frame["state"] == "value")).any():
        sentences.append(
            f"Where only some seeds {gone_words(analysis.run, metric)}, the mean is over the others, and the cell "
            "ranks after those of all seeds."
        )
    return " ".join([*sentences, *_of_losses(analysis, frame)])


def _best_cells(frame: pl.DataFrame) -> str:
    """The best cell of each panel in words."""
    cells = []
    for row in frame.filter("best").iter_rows(named=True):
        cell = f"{formatting.name(row['side'])} {row['up']} with {formatting.name(row['along'])} {row['right']}"
        cells.append(f"{cell} ({row['panel']})" if row["panel"] else cell)
    return formatting.listed(cells, 4)


def _significance(frame: pl.DataFrame) -> list[str]:
    """How many cells are not significantly worse than the best."""
    judged = frame.drop_nulls("tied")
    if judged.is_empty():
        return []
    best = "the best of their panel" if frame["panel"].n_unique() > 1 else "the best"
    tied, of = int(judged["tied"].sum()), formatting.plural(judged.height, "other cell")
    text = (
        f"{formatting.count(tied)} of {of} {'is' if tied == 1 else 'are'} not significantly worse than {best}"
        if tied
        else f"All {of} are significantly worse than {best}"
    )
    return [f"{text} (paired tests over seeds; multiple comparisons with the best)."]


def _of_losses(analysis: Analysis, frame: pl.DataFrame) -> list[str]:
    """What the losses and seconds in the table mean."""
    sentences = []
    if _batched(analysis.trials) and frame[f"{LAST}_mean"].is_not_null().any():
        text = "The loss of a single last batch is noisy"
        if frame[f"{TAIL}_mean"].is_not_null().any():
            text += "; the mean is over the last 500 steps, or the last tenth of all where that is less"
        sentences.append(f"{text}.")
    if frame["seconds_alone"].is_null().all():
        sentences.append("Trials were trained together in one program, so single trials have no times.")
    else:
        sentences.append("Seconds alone: training time of one trial by itself, without compiling.")
    return sentences


def _fits(analysis: Analysis) -> bool:
    """Exactly two hyperparameters vary, fully crossed for every value of at most one other column."""
    trials, spec = analysis.trials, Figure(kind="grid")
    if analysis.study.design != "cross" or trials.is_empty():
        return False
    known = analysis.varying
    hyperparameters = [name for name in known if name in hyperparameter_columns(trials)]
    others = [name for name in known if name not in hyperparameters]
    if len(hyperparameters) != 2 or len(others) > 1 or crossed(analysis, trials, spec) is None:
        return False
    if not all(_crosses(trials, name) for name in hyperparameters):
        return False
    groups = [rows for _, rows in trials.group_by(others)] if others else [trials]
    pairs = [rows.select(hyperparameters).n_unique() for rows in groups]
    full = [rows[hyperparameters[0]].n_unique() * rows[hyperparameters[1]].n_unique() for rows in groups]
    return pairs == full and min(rows[name].n_unique() for rows in groups for name in hyperparameters) > 1


GRID = FigureKind("grid", "Two hyperparameters crossed", settle, data, draw, caption, _fits, table)
