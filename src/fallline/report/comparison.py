"""A comparison in words: the answer first, then a table of arms, a table of pairs, and what to hold against them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from fallline.errors import StudyError
from fallline.report import formatting
from fallline.report.as_text import as_text, cell
from fallline.report.commands import smaller_rates
from fallline.report.comparison_answer import answer
from fallline.report.comparison_words import notes, p_text
from fallline.report.html import Markup, details, join, tag
from fallline.report.interim_analyses import confidence, percent
from fallline.report.missing import gone_words
from fallline.report.naming import digits_of, named
from fallline.report.recommendation import sure, use
from fallline.report.results import TableColumn, legend
from fallline.report.rounding import interval
from fallline.report.tables import head, table
from fallline.stats import label
from fallline.stats.columns import finished, how_diverged
from fallline.stats.compare import Compared, compared
from fallline.stats.compare_frames import arms_frame, pairs_frame
from fallline.stats.question import by_default
from fallline.store import Run

if TYPE_CHECKING:
    from rich.table import Table

SD = "how far single seeds scatter: standard deviation, n − 1 in the divisor"
INTERVAL = "where the true mean lies in 19 of 20 studies: Student's t"
CHANCE = "how often luck alone would show such a difference"

MOST_PAIRS = 20
"""Pairs a terminal shows; the page and the CSV have all."""

LONG_NAME = 40
"""Letters of an arm's settings from which the table of pairs calls arms by the letters of the table of arms."""


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """Arms compared: what to ``use``, how ``sure`` that is, ``answer`` with the figures, a sentence a group, the frames
    ``arms`` and ``pairs``, and ``notes`` in words.

    Printed, or shown in a notebook, it is what the terminal shows.
    """

    compared: Compared
    read: tuple[str, ...] = ()
    """What was noted of this reading of the test split, in sentences."""

    @classmethod
    def of(
        cls,
        run: Run,
        by: str | Sequence[str] | None = None,
        metric: str | None = None,
        tune: str | Sequence[str] | None = None,
    ) -> Comparison:
        """As ``stats.compare.compared``, which says what the arguments mean and what is raised; ``by`` is by default
        what the study varies (``stats.question.by_default``)."""
        if run.trials.filter(finished()).is_empty() and run.trials.height:
            raise StudyError(
                f"{run.folder} has nothing to compare: every trial diverged, {how_diverged(run.trials)}. "
                f"To go on, {smaller_rates(run)}"
            )
        return cls(compared(run, by or by_default(run), metric, tune))

    @cached_property
    def arms(self) -> pl.DataFrame:
        """One row an arm; ``stats.compare_frames.arms_frame`` names the columns."""
        return arms_frame(self.compared)

    @cached_property
    def pairs(self) -> pl.DataFrame:
        """One row a pair; ``stats.compare_frames.pairs_frame`` names the columns."""
        return pairs_frame(self.compared)

    @cached_property
    def use(self) -> list[str]:
        """In plain words what to use, for each group; before them why no winner is named, where that is the same."""
        return use(self.compared)

    @cached_property
    def sure(self) -> list[str]:
        """In plain words how sure that is, and what to type to be surer."""
        return sure(self.compared)

    @cached_property
    def answer(self) -> list[str]:
        """For each group the best arm, how sure that is, and which arms are not told apart from it."""
        return [answer(self.compared, place) for place in range(len(self.compared.groups))]

    @cached_property
    def notes(self) -> list[str]:
        """What a reader should hold against the figures."""
        return [*notes(self.compared), *self.read]

    def write(self, arms: Path, pairs: Path) -> None:
        """The two frames as CSV files."""
        from fallline.report.export import write_table

        write_table(arms, self.arms)
        write_table(pairs, self.pairs)

    def __str__(self) -> str:
        said = opening(self)
        for one, under in tables(self):
            said += ["", *as_text(one), *under]
        return "\n".join([*said, "", *self.notes])

    __repr__ = __str__


def opening(comparison: Comparison) -> list[str]:
    """What a comparison begins with, in lines: plain words, then the figures."""
    return [*comparison.use, *comparison.sure, "", *comparison.answer]


def arm_columns(comparison: Comparison) -> list[TableColumn]:
    """The table of arms, as texts."""
    rows, compared = comparison.arms.to_dicts(), comparison.compared
    found = _settings(compared, rows, [*compared.held, *compared.by, *compared.tune])
    if _lettered(compared):
        found.insert(
            0,
            TableColumn(
                "arm",
                [_letters(row["place"] - 1) for row in rows],
                [row["place"] for row in rows],
                numeric=False,
                help="its name in the table of pairs",
            ),
        )
    centre = "mean" if any(row["mean"] is not None for row in rows) else "median"
    found += [
        TableColumn(
            label(compared.metric) + ", median" * (centre == "median"),
            [_centre(row, centre) for row in rows],
            [row[centre] for row in rows],
        ),
        _figures("sd", rows, "sd", lambda x: formatting.number(x, 2), SD),
        _figures("n", rows, "n", formatting.count, "seeds"),
        TableColumn(
            "95 % interval",
            [_interval(row) for row in rows],
            [row["low"] for row in rows],
            help=INTERVAL + f"; of the median where trials {_gone(compared)}" * any(row["lost"] for row in rows),
        ),
        TableColumn(
            "mean rank",
            [_rank(row) for row in rows],
            [row["mean_rank"] for row in rows],
            help="place among all, 1 is best, over the seeds that all have, with a 95 % interval by bootstrap over "
            "seeds",
        ),
        _figures("tried", rows, "tried", formatting.count, "settings to choose from"),
        TableColumn(
            "diverged",
            [
                f"{formatting.count(row['diverged'])} of {formatting.count(row['trials'])}" if row["diverged"] else "0"
                for row in rows
            ],
            [row["diverged"] for row in rows],
            help="trials, over all settings tried",
        ),
    ]
    if any(row["missing"] for row in rows):
        found.append(
            TableColumn(
                "no number",
                [
                    f"{formatting.count(row['missing'])} of {formatting.count(row['trials'])}"
                    if row["missing"]
                    else "0"
                    for row in rows
                ],
                [row["missing"] for row in rows],
                help="trials that finished and whose metric is not a number, over all settings tried; they "
                "count as the worst",
            )
        )
    return _kept(found)


def pair_columns(comparison: Comparison) -> list[TableColumn]:
    """The table of pairs, as texts; the best pairs first within each group."""
    compared, rows = comparison.compared, comparison.pairs.to_dicts()
    found = _settings(compared, rows, compared.held)
    lettered = _lettered(compared)
    names = [
        [
            _letters(place) if lettered else named(compared.run, arm.settings, compared.by)
            for place, arm in enumerate(group.arms)
        ]
        for group in compared.groups
    ]
    for side, heading in enumerate(("first", "second")):
        texts = [
            own[places[side]] for own, group in zip(names, compared.groups, strict=True) for places in group.places
        ]
        found.append(TableColumn(heading, texts, texts, numeric=False))
    found += [
        _figures("difference", rows, "difference", formatting.signed, f"{label(compared.metric)}, first minus second"),
        TableColumn(
            f"{confidence(compared.level)} interval",
            [_interval(row, sign=True) for row in rows],
            [row["low"] for row in rows],
            help=f"of the mean difference, paired over seeds; of the median where trials {_gone(compared)}",
        ),
        _figures("n", rows, "n", formatting.count, "seeds that both have"),
        _figures(
            "p",
            rows,
            "p",
            p_text,
            f"{CHANCE}: paired t test; sign test where trials {_gone(compared)}; of arms "
            "that were tuned, for every setting that could be best",
        ),
        _figures("p (Holm)", rows, "p_holm", p_text, "p after Holm's correction for looking at so many pairs"),
        TableColumn(
            "told apart",
            [_verdict(row) for row in rows],
            [row["significant"] for row in rows],
            numeric=False,
            help=f"whether the difference is real: p (Holm) at most {percent(compared.level)}"
            + "; the same = no difference but rounding" * any(row["same"] for row in rows),
        ),
        _figures("p permutation", rows, "p_permutation", p_text, "signs of the differences flipped in every way"),
        _figures("p Wilcoxon", rows, "p_wilcoxon", p_text, "signed ranks"),
        _figures(
            "effect", rows, "effect_size", lambda x: formatting.number(x, 2), "Cohen's d: mean over sd of differences"
        ),
        TableColumn(
            "P(better)",
            [_share_better(row) for row in rows],
            [row["better"] for row in rows],
            help="share of seeds at which the first is better, ties count half, with its 95 % interval",
        ),
        _figures("p McNemar", rows, "p_mcnemar", p_text, "these trained models on the same examples"),
        _figures("p folds", rows, "p_folds", p_text, "corrected resampled t test over folds: other examples"),
        TableColumn(
            "to settle it",
            [
                "" if row["seeds_needed"] is None else formatting.seeds_range(row["seeds_needed"], row["seeds_most"])
                for row in rows
            ],
            [row["seeds_needed"] for row in rows],
            help="seeds that would tell the pair apart in 8 of 10 studies, if the effect is as seen here, to where "
            "it is a little smaller",
        ),
    ]
    return _kept(found)


def tables(comparison: Comparison) -> list[tuple[Table, list[str]]]:
    """The two tables for a terminal, each with the lines that stand under it: what is left out, what columns mean."""
    from rich.table import Table

    found, explained = [], set()
    for columns, most in ((arm_columns(comparison), None), (pair_columns(comparison), MOST_PAIRS)):
        every = len(columns[0].texts) if columns else 0
        count = min(every, most or every)
        under = [f"The first {count} of {every:,} pairs; --csv writes all."] if count < every else []
        under += legend([column for column in columns if column.heading not in explained])
        explained |= {column.heading for column in columns}
        one = Table(box=None, pad_edge=False, header_style="bold")
        for column in columns:
            one.add_column(cell(column.heading), justify="right" if column.numeric else "left", no_wrap=True)
        for place in range(count):
            one.add_row(*(cell(column.texts[place]) for column in columns))
        found.append((one, under))
    return found


def _gone(compared: Compared) -> str:
    """What became of the trials without a value."""
    return gone_words(compared.run, compared.metric)


def section(comparison: Comparison) -> Markup:
    """The comparison for the page: the answer, the arms, the pairs (folded where they are many), the notes."""
    arms, pairs = arm_columns(comparison), pair_columns(comparison)
    count = comparison.pairs.height
    drawn = _markup(pairs)
    said = [tag("li", text) for text in comparison.notes]
    return join(
        [tag("p", sentence, cls="note lead") for sentence in comparison.answer],
        _markup(arms),
        details(f"All {formatting.plural(count, 'pair')}", drawn) if count > MOST_PAIRS else drawn,
        tag("ul", said, cls="cautions") if said else None,
    )


def _markup(columns: Sequence[TableColumn]) -> Markup:
    count = len(columns[0].texts) if columns else 0
    body = [
        tag(
            "tr",
            [
                tag("td", column.texts[place], cls="n" if column.numeric else None, data_v=column.values[place])
                for column in columns
            ],
        )
        for place in range(count)
    ]
    return table([head(column) for column in columns], body)


def _lettered(compared: Compared) -> bool:
    """Whether the settings of an arm that is compared with another make a long name."""
    return any(
        len(named(compared.run, group.arms[place].settings, compared.by)) > LONG_NAME
        for group in compared.groups
        for place in {place for pair in group.places for place in pair}
    )


def _letters(place: int) -> str:
    """A, B, ... Z, AA, AB, ..."""
    return (_letters(place // 26 - 1) if place >= 26 else "") + chr(ord("A") + place % 26)


def _settings(compared: Compared, rows: list[dict[str, Any]], names: Sequence[str]) -> list[TableColumn]:
    found, digits = [], digits_of(compared.run)
    for name in dict.fromkeys(names):
        values = [row[name] for row in rows]
        numeric = all(isinstance(value, (int, float)) or value is None for value in values)
        texts = [formatting.value_of(name, value, digits) for value in values]
        found.append(TableColumn(formatting.name(name), texts, values, numeric))
    return found


def _figures(heading: str, rows: list[dict[str, Any]], name: str, say: Any, note: str = "") -> TableColumn:
    return TableColumn(heading, [say(row[name]) for row in rows], [row[name] for row in rows], help=note)


def _kept(columns: list[TableColumn]) -> list[TableColumn]:
    return [column for column in columns if set(column.texts) - {formatting.MISSING, ""}]


def _centre(row: dict[str, Any], centre: str) -> str:
    if row[centre] is not None or row["median"] is None:
        return formatting.number(row[centre])
    return f"median {formatting.number(row['median'])}"


def _interval(row: dict[str, Any], sign: bool = False) -> str:
    """Missing where nothing was left to chance, and of one seed."""
    if row["low"] is None or row["method"] == "values":
        return formatting.MISSING
    return interval(row["low"], row["high"], sign)


def _rank(row: dict[str, Any]) -> str:
    if row["mean_rank"] is None:
        return formatting.MISSING
    spread = "" if row["rank_low"] is None else f" ({row['rank_low']:.1f} to {row['rank_high']:.1f})"
    return f"{row['mean_rank']:.1f}{spread}"


def _share_better(row: dict[str, Any]) -> str:
    if row["better"] is None:
        return formatting.MISSING
    spread = "" if row["better_low"] is None else f" ({row['better_low']:.2f} to {row['better_high']:.2f})"
    return f"{formatting.number(row['better'], 2)}{spread}"


def _verdict(row: dict[str, Any]) -> str:
    if row["same"]:
        return "the same"
    if row["method"] == "one seed":
        return formatting.MISSING
    return "yes" if row["significant"] else "as tuned" if row["significant_as_tuned"] else "no"
