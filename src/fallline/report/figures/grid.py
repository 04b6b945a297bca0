"""Two numbers crossed: a cell a pair, coloured by the metric, and a row a configuration under it."""

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
from fallline.report.missing import gone_words, lost_words
from fallline.report.naming import digits_of
from fallline.report.style import Theme
from fallline.stats import comparable, label
from fallline.stats.analysis import Analysis
from fallline.stats.best import LOST, UNKNOWN, WORSE
from fallline.stats.columns import finished, metric_columns, number_columns
from fallline.stats.metric import after_training
from fallline.study import Figure
from fallline.study.column_words import NULL_WORDS
from fallline.study.recipe_fields import KEPT

_FIRST = ("batch_size", "subset", "overlap", "epochs", "steps")
AMOUNTS = (*_FIRST, *(field.name for field in KEPT if not field.choices and field.name not in _FIRST))
"""What may stand along a side though it is no number of a part; a null of the first two is a value: all."""

TAIL, LAST, LOWEST = "tail_train_loss", "final_train_loss", "min_train_loss"
RESULTS = {LAST: "final loss, last batch", TAIL: "mean of the last steps", LOWEST: "minimum"}
"""The training losses of the table, and their headings."""

MOST_PAIRED = 100
"""Cells that are held against the best one, seed by seed."""


def settle(analysis: Analysis, spec: Figure) -> Figure:
    """``color`` is the number up the side, the learning rate goes along the bottom; ``panel`` is what else varies.

    Where the study's metric is the training loss after the last step, the mean over the last steps takes its place,
    unless a step takes all examples: a single batch says little.
    """
    trials = chosen(analysis, spec)
    metric = spec.metric or analysis.metric.column
    metric = after_training(metric)
    if spec.metric is None and metric == LAST and TAIL in metric_columns(trials) and _batched(trials):
        metric = TAIL
    sides = crossed(analysis, trials, spec)
    if sides is None:
        return spec.model_copy(update={"metric": metric, "title": spec.title or "Two numbers crossed"})
    left = [name for name in analysis.varying if name not in sides and trials[name].n_unique() > 1]
    up, along = (formatting.name(name) for name in sides)
    title = spec.title or f"{label(metric)} over {up} and {along}"
    panel = spec.panel or next(iter(left), None)
    return spec.model_copy(update={"metric": metric, "title": title, "color": sides[0], "panel": panel})


def _batched(trials: pl.DataFrame) -> bool:
    """Whether some step takes a part of the examples only."""
    return "batch_size" in trials.columns and not trials["batch_size"].is_null().all()


def crossed(analysis: Analysis, trials: pl.DataFrame, spec: Figure) -> tuple[str, str] | None:
    """The numbers up the side and along the bottom; None where fewer than two vary.

    Numbers of parts come before sizes of batches and budgets. UnknownName where the figure names a column there is not.
    """
    for name in (spec.color, spec.panel):
        if name is not None and name not in trials.columns:
            raise UnknownName("recipe column", name, trials.columns, f"figure {spec.title or spec.kind}")
    known = analysis.varying
    found = [name for name in (*number_columns(trials), *AMOUNTS) if name in known and _crosses(trials, name)]
    found = [name for name in found if name not in (spec.color, spec.panel)]
    side = spec.color or next((name for name in found if name != "learning_rate"), None)
    along = next((name for name in found if name != side), None)
    return (side, along) if side and along else None


def _crosses(trials: pl.DataFrame, name: str) -> bool:
    """Whether the column holds numbers of which every trial has one, or none as a choice."""
    whole = not trials[name].is_null().any() or name in NULL_WORDS
    return trials.schema[name].is_numeric() and trials[name].n_unique() > 1 and whole


def data(analysis: Analysis, spec: Figure) -> pl.DataFrame:
    """A row a (panel, pair): the best configuration there.

    Columns: panel, its place and its value; side and along (names), up and right (their values as texts) with their
    places; metric, value (mean over seeds that have a number), sd, n, trials, lost (of them without a number), gone
    (why: "diverged", "no number", "lost" where both), of (configurations to choose from), state ("value", "diverged",
    "no value"), best (of its panel), tied (it can be the best of its panel; null where that was not asked), trial (in
    words); seconds_alone; and mean and sd of the training loss of the last batch, of the last steps, and of its
    minimum.
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
    told, digits = analysis.varying, digits_of(analysis.run)
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
            "trial": formatting.recipe(row, told, digits),
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
    """A row a cell: of several configurations the best, one that lost no seed before others."""
    floats = ["value", "sd", "seconds_alone", *(f"{name}_{part}" for name in RESULTS for part in ("mean", "sd"))]
    rows = rows.with_columns(pl.col(floats).cast(pl.Float64), share=pl.col("lost") / pl.col("trials"))
    rows = rows.sort("share", "value", descending=[False, more_is_better], nulls_last=True)
    cell = ["panel", "up", "right"]
    rows = rows.with_columns(of=pl.len().over(cell)).unique(cell, keep="first", maintain_order=True)
    first = pl.int_range(pl.len()).over("panel") == 0
    rows = rows.with_columns(best=first & pl.col("value").is_not_null())
    return rows.drop("share").sort("panel_place", "up_place", "right_place")


def _marked(analysis: Analysis, cells: pl.DataFrame, spec: Figure) -> pl.DataFrame:
    """The cells with ``tied``: whether the seeds leave open that a cell is the best of its panel, by the test that
    opens the page (``stats.best``); none is best where losses cannot be compared."""
    metric = cells["metric"][0]
    fair = comparable(analysis.trials, metric)
    cells = cells.with_columns(pl.col("best") & fair)
    open_ = _verdicts(analysis, cells, spec) if fair and cells.height <= MOST_PAIRED else {}
    cell = ("panel_value", "up", "right")
    tied = [
        None if row["best"] or row["value"] is None else open_.get(tuple(row[name] for name in cell))
        for row in cells.iter_rows(named=True)
    ]
    return cells.with_columns(pl.Series("tied", tied, pl.Boolean))


def _verdicts(analysis: Analysis, cells: pl.DataFrame, spec: Figure) -> dict[tuple[str, str, str], bool | None]:
    """For each cell, by its panel and its values in words, whether it can be the best of its panel."""
    row = cells.row(0, named=True)
    sides = (row["side"], row["along"])
    usual = analysis.compared_by
    try:
        found = analysis.compared(usual if set(usual) == set(sides) else sides, spec.metric, kept=spec.where)
    except StudyError:  # one cell, or no two that share all else
        return {}
    told = {}
    for group, own in zip(found.groups, found.standings, strict=True):
        for arm, standing in zip(group.arms, own, strict=True):
            panel = "" if spec.panel is None else formatting.value_of(spec.panel, group.within.get(spec.panel))
            key = (panel, *(formatting.value_of(side, arm.settings[side]) for side in sides))
            told[key] = {WORSE: False, LOST: None, UNKNOWN: None}.get(standing.verdict, True)
    return told


def table(frame: pl.DataFrame) -> pl.DataFrame:
    """One row a configuration: the two numbers, the panel's value, the time alone, the losses with their spread."""
    if frame.is_empty():
        return frame
    metric = frame["metric"][0]
    kinds = set(frame.filter(pl.col("lost") > 0)["gone"])
    gone = kinds.pop() if len(kinds) == 1 else "lost" if kinds else "diverged"
    results = {name: text for name, text in RESULTS.items() if frame[f"{name}_mean"].is_not_null().any()}
    said = []
    for row in frame.iter_rows(named=True):
        line = {row["panel_name"]: row["panel_value"]} if row["panel_name"] else {}
        line |= {row["side"]: row["up"], row["along"]: row["right"]}
        line["seconds alone"] = formatting.number(row["seconds_alone"], 3)
        if metric not in results:
            line[label(metric)] = _spread(row["value"], row["sd"])
        line |= {text: _spread(row[f"{name}_mean"], row[f"{name}_sd"]) for name, text in results.items()}
        line[gone] = f"{row['lost']} of {row['trials']}" if row["lost"] else "0"
        said.append(line)
    found = pl.DataFrame(said)
    empty = [name for name in ("seconds alone", gone) if set(found[name]) <= {formatting.MISSING, "0"}]
    return found.drop(empty)


def _spread(mean: float | None, sd: float | None) -> str:
    """A mean and its standard deviation over seeds, as far as there are any."""
    return formatting.number(mean) + ("" if sd is None else f" (sd {formatting.number(sd, 2)})")


def draw(frame: pl.DataFrame, spec: Figure, theme: Theme) -> Any:
    """A heat map a panel: dark for small, bright for large."""
    if frame.is_empty():
        return common.empty("No two numbers vary, so there is nothing to cross.")
    if frame["value"].is_null().all():
        return common.empty("No trial finished with a value to show.")
    drawn = panels(frame, label(spec.metric or ""), spec.scale == "log")
    pictures = [cells.picture(rows, rows["panel"][0]) for cells, rows in drawn]
    if len(pictures) == 1:
        return pictures[0]
    together = alt.concat(*pictures, columns=side_by_side(len(pictures))).properties(spacing=40)
    return together.resolve_scale(color="independent") if own_colours(drawn) else together


def caption(analysis: Analysis, frame: pl.DataFrame, spec: Figure) -> str:
    """What a cell is, over how many seeds, which is best and how surely, and what to make of last batches."""
    if frame.is_empty() or frame["value"].is_null().all():
        return ""
    seeds, metric = int(frame["n"].max()), spec.metric or ""
    mean = f"mean over {formatting.plural(seeds, 'seed')} and standard deviation (sd)"
    over = "one seed, so without spread" if seeds == 1 else mean
    said = [f"A cell is a pair: {label(metric)}, {over}."]
    if frame["of"].max() > 1:
        said.append("In each cell the best of the other settings.")
    if comparable(chosen(analysis, spec), metric):
        said.append(f"Framed, best: {_best_cells(frame)}.")
        said += _sure(frame)
    else:
        said.append("Losses of different kinds cannot be compared: hold no cell against another.")
    if own_colours(panels(frame, "", spec.scale == "log")):
        said.append("Each panel has its own colours.")
    if (frame["state"] == "diverged").any():
        said.append("Hatched: every seed diverged.")
    if ((frame["lost"] > 0) & (frame["state"] == "value")).any():
        said.append(
            f"Where only some seeds {gone_words(analysis.run, metric)}, the mean is over the others, and the cell "
            "ranks after those of all seeds."
        )
    return " ".join([*said, *_of_losses(analysis, frame)])


def _best_cells(frame: pl.DataFrame) -> str:
    """The best cell of each panel in words."""
    told = []
    for row in frame.filter("best").iter_rows(named=True):
        cell = f"{formatting.name(row['side'])} {row['up']} with {formatting.name(row['along'])} {row['right']}"
        told.append(f"{cell} ({row['panel']})" if row["panel"] else cell)
    return formatting.listed(told, 4)


def _sure(frame: pl.DataFrame) -> list[str]:
    """How many cells the seeds do not tell from the best."""
    judged = frame.drop_nulls("tied")
    if judged.is_empty():
        return []
    whose = "the best of their panel" if frame["panel"].n_unique() > 1 else "the best"
    tied, of = int(judged["tied"].sum()), formatting.plural(judged.height, "other cell")
    told = (
        f"{formatting.count(tied)} of {of} {'is' if tied == 1 else 'are'} not significantly worse than {whose}"
        if tied
        else f"All {of} are worse than {whose}"
    )
    return [f"{told} (paired over seeds; multiple comparison with the best)."]


def _of_losses(analysis: Analysis, frame: pl.DataFrame) -> list[str]:
    """What the columns of the table mean."""
    said = []
    if _batched(analysis.trials) and frame[f"{LAST}_mean"].is_not_null().any():
        text = "A last batch is one noisy draw"
        if frame[f"{TAIL}_mean"].is_not_null().any():
            text += "; the mean is that of the last 500 steps, or of the last tenth where that is less"
        said.append(f"{text}.")
    if frame["seconds_alone"].is_null().all():
        said.append("Trials ran side by side in shared programs, so none has a time of its own.")
    else:
        said.append("Seconds alone: of one trial with nothing beside it, without compiling.")
    return said


def _fits(analysis: Analysis) -> bool:
    """Exactly two numbers of parts, crossed in full for every value of at most one other column."""
    trials, spec = analysis.trials, Figure(kind="grid")
    if analysis.study.design != "cross" or trials.is_empty():
        return False
    known = analysis.varying
    hyperparameters = [name for name in known if name in number_columns(trials)]
    others = [name for name in known if name not in hyperparameters]
    if len(hyperparameters) != 2 or len(others) > 1 or crossed(analysis, trials, spec) is None:
        return False
    if not all(_crosses(trials, name) for name in hyperparameters):
        return False
    groups = [rows for _, rows in trials.group_by(others)] if others else [trials]
    pairs = [rows.select(hyperparameters).n_unique() for rows in groups]
    full = [rows[hyperparameters[0]].n_unique() * rows[hyperparameters[1]].n_unique() for rows in groups]
    return pairs == full and min(rows[name].n_unique() for rows in groups for name in hyperparameters) > 1


GRID = FigureKind("grid", "Two numbers crossed", settle, data, draw, caption, _fits, table)
