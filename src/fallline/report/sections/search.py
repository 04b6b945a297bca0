"""What a search tried, and what its winners are worth on fresh seeds: a section of the page, lines of the terminal."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import polars as pl

from fallline.report import formatting
from fallline.report.document import Block, Heading, Paragraph
from fallline.report.tables import frame_table
from fallline.search.records import NOT_SEARCHED, settings_of
from fallline.stats import primary, summary
from fallline.stats.importance import importance
from fallline.stats.searched import units_of
from fallline.store import Run

READING = (
    "Each optimizer had the same number of settings in each bracket; those with the best value at a rung advanced to "
    "the next one, which trains from step 0, with its schedule over the steps of that rung. The search value is that "
    "of the setting chosen, on the seeds that chose it; the best of many is optimistic, and the fresh value, over "
    "seeds that the search did not see, is what the setting is worth. The gap is the difference."
)


def search_blocks(run: Run) -> list[Block]:
    """The search of a run: each optimizer's cost, best setting, search value and fresh value; the rungs; every setting.

    None where the run is not of a search.
    """
    rows = settings_of(run.folder)
    if rows is None or run.study.search is None:
        return []
    return [
        Paragraph(gap_sentence(run, rows), "lead"),
        frame_table(winners(run, rows)),
        Paragraph(READING, "note"),
        Heading("Rungs"),
        frame_table(rungs(rows)),
        Heading("Importance of hyperparameters"),
        frame_table(importances(rows, primary(run).up)),
        Paragraph(
            "Share of the outcome over the settings of the first rung (PED-ANOVA, Watanabe, Bansal and Hutter 2023; "
            "bootstrap over settings), and the range that the best quarter of them has.",
            "note",
        ),
    ]


def search_lines(run: Run) -> list[str]:
    """What a terminal says of the search of a run: its cost, and the search value beside the fresh one of each
    optimizer; nothing where there was none."""
    rows = settings_of(run.folder)
    if rows is None or run.study.search is None:
        return []
    table = winners(run, rows)
    gaps = [f"{row['optimizer']} {row['search value']} to {row['fresh value']}" for row in table.iter_rows(named=True)]
    return [f"{gap_sentence(run, rows)} {primary(run).label.capitalize()}, search to fresh: {'; '.join(gaps)}."]


def winners(run: Run, rows: pl.DataFrame) -> pl.DataFrame:
    """One row per optimizer: settings tried, trial-steps, its best setting, search value, fresh value and their gap."""
    metric = primary(run)
    fresh = {row["optimizer"]: row for row in summary(run).iter_rows(named=True)}
    found = []
    for (name,), own in rows.group_by("optimizer", maintain_order=True):
        best = best_of_search(own, metric.up)
        row = fresh.get(name)
        mean = None if row is None else row[f"{metric.column}_mean"]
        value = None if best is None else best["value"]
        found.append(
            {
                "optimizer": formatting.name(str(name)),
                "settings": formatting.count(own.filter(rung=1).height),
                "trial-steps": formatting.count(own["trial_steps"].sum()),
                "best setting": "" if best is None else setting_in_words(best),
                "search value": formatting.number(value),
                "fresh value": formatting.number(mean),
                "gap": formatting.signed(None if mean is None or value is None else mean - value),
            }
        )
    return pl.DataFrame(found)


def gap_sentence(run: Run, rows: pl.DataFrame) -> str:
    """How much was searched, and for what."""
    settings = rows.filter(rung=1).height
    seeds = run.trials["seed"].n_unique()
    return (
        f"{formatting.plural(settings, 'setting')} of "
        f"{formatting.plural(rows['optimizer'].n_unique(), 'optimizer')} in "
        f"{formatting.count(rows['trial_steps'].sum())} trial-steps; the best of each trained with {seeds} fresh seeds."
    )


def rungs(rows: pl.DataFrame) -> pl.DataFrame:
    """One row per rung: its steps and seeds, settings, those that diverged, and how its ranking predicts the next."""
    found = []
    last = rows["rung"].max()
    for (number,), own in rows.sort("rung").group_by("rung", maintain_order=True):
        ahead = rows.filter(rung=number + 1)
        keys = [name for name in rows.columns if name not in ("rung", "steps", "seeds", "trial_steps", "value")]
        both = own.join(ahead, on=keys, suffix="_next", nulls_equal=True).drop_nulls(["value", "value_next"])
        found.append(
            {
                "rung": formatting.count(int(number)),
                "steps": formatting.count(own["steps"][0]),
                "seeds": formatting.count(own["seeds"][0]),
                "settings": formatting.count(own.height),
                "diverged": formatting.count(own["value"].null_count()),
                "rank correlation with the next": formatting.MISSING
                if number == last or both.height < 3
                else f"{_spearman(both['value'], both['value_next']):.2f}",
            }
        )
    return pl.DataFrame(found)


def importances(rows: pl.DataFrame, up: bool) -> pl.DataFrame:
    """One row per optimizer and searched hyperparameter, the most important first: its share by ``stats.importance``
    over the settings of the first rung, and the range of the best quarter of them."""
    found = []
    for (name,), own in rows.filter(rung=1).group_by("optimizer", maintain_order=True):
        columns = [column for column in searched(own) if own.schema[column].is_numeric() and own[column].n_unique() > 1]
        if not columns:
            continue
        sign = 1.0 if up else -1.0
        values = (sign * own["value"]).fill_null(-math.inf).fill_nan(-math.inf).to_numpy()
        known = importance(np.stack([units_of(own[column]) for column in columns], axis=1), values)
        if known is None:
            continue
        best = own.drop_nulls("value").sort("value", descending=up).head(max(1, own.height // 4))
        for place in np.argsort(-known.share, kind="stable"):
            column = columns[place]
            low, high = (formatting.setting(value) for value in (best[column].min(), best[column].max()))
            found.append(
                {
                    "optimizer": formatting.name(str(name)),
                    "hyperparameter": formatting.name(column),
                    "importance": f"{100 * known.share[place]:.0f} %",
                    "95 % CI": f"{100 * known.low[place]:.0f} to {100 * known.high[place]:.0f} %",
                    "best quarter": f"{low} to {high}",
                }
            )
    return pl.DataFrame(found)


def best_of_search(rows: pl.DataFrame, up: bool) -> dict[str, Any] | None:
    """The row with the best value on the last rung that any of ``rows`` finished; None where all diverged."""
    finished = rows.drop_nulls("value")
    if finished.is_empty():
        return None
    last = finished.filter(rung=finished["rung"].max())
    return last.sort("value", descending=up).row(0, named=True)


def searched(rows: pl.DataFrame) -> list[str]:
    """The columns that were searched for these rows of one optimizer."""
    return [name for name in rows.columns if name not in NOT_SEARCHED and rows[name].null_count() < rows.height]


def setting_in_words(row: dict[str, Any]) -> str:
    """ "learning rate 0.01, beta2 0.99"."""
    return ", ".join(
        f"{formatting.name(name)} {formatting.setting(value)}"
        for name, value in row.items()
        if name not in NOT_SEARCHED and value is not None
    )


def _spearman(first: pl.Series, second: pl.Series) -> float | None:
    value = pl.DataFrame({"a": first, "b": second}).select(pl.corr("a", "b", method="spearman")).item()
    return None if value is None or value != value else value
