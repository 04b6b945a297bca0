"""A comparison for readers: the answer, a table of arms, a table of pairs, and caveats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from fallline.errors import StudyError
from fallline.report import formatting
from fallline.report.document import Column, Table
from fallline.report.naming import digits_of, named
from fallline.report.render.terminal import as_text, legend, rich_table
from fallline.report.rounding import interval
from fallline.report.sentences.commands import smaller_rates
from fallline.report.sentences.comparison_answer import answer
from fallline.report.sentences.comparison_words import notes, p_text
from fallline.report.sentences.interim_analyses import confidence, percent
from fallline.report.sentences.missing import gone_words
from fallline.report.sentences.recommendation import sure, use
from fallline.stats import label
from fallline.stats.columns import finished, how_diverged
from fallline.stats.compare import Compared, compared
from fallline.stats.compare_frames import arms_frame, pairs_frame
from fallline.stats.question import by_default
from fallline.store import Run

if TYPE_CHECKING:
    from rich.table import Table as RichTable

SD = "standard deviation over seeds (n − 1)"
INTERVAL = "95 % confidence interval of the mean (Student's t)"
CHANCE = "p-value: the probability of a difference at least this large if there were none"

MOST_PAIRS = 20
"""The most pairs in a terminal; the page and the CSV have all."""

LONG_NAME = 40
"""Length of an arm's settings from which the table of pairs uses the letters of the table of arms."""


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """Compared arms: what to ``use``, how ``sure`` that is, ``answer`` with the figures, one sentence per group, the
    frames ``arms`` and ``pairs``, and ``notes``.

    Printed, or shown in a notebook, it is what the terminal shows.
    """

    compared: Compared
    read: tuple[str, ...] = ()
    """Sentences about this evaluation of the held-out test set, from the record of test reads."""

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
                f"Next: {smaller_rates(run)}"
            )
        return cls(compared(run, by or by_default(run), metric, tune))

    @cached_property
    def arms(self) -> pl.DataFrame:
        """One row per arm; ``stats.compare_frames.arms_frame`` names the columns."""
        return arms_frame(self.compared)

    @cached_property
    def pairs(self) -> pl.DataFrame:
        """One row per pair; ``stats.compare_frames.pairs_frame`` names the columns."""
        return pairs_frame(self.compared)

    @cached_property
    def use(self) -> list[str]:
        """What to use, for each group; before it why no winner is named, where the reason is the same for all."""
        return use(self.compared)

    @cached_property
    def sure(self) -> list[str]:
        """How certain that is, and what to type for a clearer answer."""
        return sure(self.compared)

    @cached_property
    def answer(self) -> list[str]:
        """For each group the best arm, how certain that is, and which arms are not significantly different from it."""
        return [answer(self.compared, place) for place in range(len(self.compared.groups))]

    @cached_property
    def notes(self) -> list[str]:
        """Caveats of the figures."""
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
    """The first lines of a comparison: the answer, then the figures."""
    return [*comparison.use, *comparison.sure, "", *comparison.answer]


def arm_columns(comparison: Comparison) -> list[Column]:
    """The table of arms, as texts."""
    rows, compared = comparison.arms.to_dicts(), comparison.compared
    found = _settings(compared, rows, [*compared.held, *compared.by, *compared.tune])
    if _lettered(compared):
        found.insert(
            0,
            Column(
                "arm",
                [_letters(row["place"] - 1) for row in rows],
                [row["place"] for row in rows],
                numeric=False,
                help="the arm's letter in the table of pairs",
            ),
        )
    centre = "mean" if any(row["mean"] is not None for row in rows) else "median"
    found += [
        Column(
            label(compared.metric) + ", median" * (centre == "median"),
            [_centre(row, centre) for row in rows],
            [row[centre] for row in rows],
        ),
        _figures("sd", rows, "sd", lambda x: formatting.number(x, 2), SD, soft=True),
        _figures("n", rows, "n", formatting.count, "seeds", soft=True),
        Column(
            "95 % CI",
            [_interval(row) for row in rows],
            [row["low"] for row in rows],
            help=INTERVAL + f"; of the median where trials {_gone(compared)}" * any(row["lost"] for row in rows),
        ),
        Column(
            "mean rank",
            [_rank(row) for row in rows],
            [row["mean_rank"] for row in rows],
            help="rank among all, 1 is best, over the seeds that all have; 95 % CI by bootstrap over seeds",
        ),
        _figures("tried", rows, "tried", formatting.count, "settings tried"),
        Column(
            "diverged",
            [
                f"{formatting.count(row['diverged'])} of {formatting.count(row['trials'])}" if row["diverged"] else "0"
                for row in rows
            ],
            [row["diverged"] for row in rows],
            help="trials over all settings tried",
        ),
    ]
    if any(row["missing"] for row in rows):
        found.append(
            Column(
                "no value",
                [
                    f"{formatting.count(row['missing'])} of {formatting.count(row['trials'])}"
                    if row["missing"]
                    else "0"
                    for row in rows
                ],
                [row["missing"] for row in rows],
                help="trials that finished without a value, over all settings tried; they count as the worst",
            )
        )
    return _kept(found)


def pair_columns(comparison: Comparison) -> list[Column]:
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
        found.append(Column(heading, texts, texts, numeric=False))
    found += [
        _figures("difference", rows, "difference", formatting.signed, f"{label(compared.metric)}, first minus second"),
        Column(
            f"{confidence(compared.level)} CI",
            [_interval(row, sign=True) for row in rows],
            [row["low"] for row in rows],
            help=f"CI of the mean difference, paired over seeds; of the median where trials {_gone(compared)}",
        ),
        _figures("n", rows, "n", formatting.count, "seeds that both arms have"),
        _figures(
            "p",
            rows,
            "p",
            p_text,
            f"{CHANCE}: paired t test; sign test where trials {_gone(compared)}; for tuned arms the largest p "
            f"over all settings that could be best",
        ),
        _figures("p (Holm)", rows, "p_holm", p_text, "p after Holm's correction for multiple comparisons"),
        Column(
            "significant",
            [_verdict(row) for row in rows],
            [row["significant"] for row in rows],
            numeric=False,
            help=f"whether p (Holm) is at most {percent(compared.level)}"
            + "; equal = no difference except rounding" * any(row["same"] for row in rows),
        ),
        _figures("p permutation", rows, "p_permutation", p_text, "exact sign-flip permutation test", screen_only=True),
        _figures("p Wilcoxon", rows, "p_wilcoxon", p_text, "Wilcoxon's signed-rank test", screen_only=True),
        _figures(
            "effect",
            rows,
            "effect_size",
            lambda x: formatting.number(x, 2),
            "Cohen's d: mean divided by sd of the paired differences",
        ),
        Column(
            "P(better)",
            [_share_better(row) for row in rows],
            [row["better"] for row in rows],
            help="share of seeds at which the first is better (ties count half), with its 95 % CI",
        ),
        _figures(
            "p McNemar",
            rows,
            "p_mcnemar",
            p_text,
            "McNemar's test of these trained models on the same examples",
            screen_only=True,
        ),
        _figures("p folds", rows, "p_folds", p_text, "corrected resampled t test over folds: about other examples"),
        Column(
            "seeds needed",
            [
                "" if row["seeds_needed"] is None else formatting.seeds_range(row["seeds_needed"], row["seeds_most"])
                for row in rows
            ],
            [row["seeds_needed"] for row in rows],
            help="seeds for a significant difference with 80 % power, at the observed effect and at a smaller one",
        ),
    ]
    return _kept(found)


def tables(comparison: Comparison) -> list[tuple[RichTable, list[str]]]:
    """The two tables for a terminal, each with the lines below it: what is left out, what columns mean."""
    found, explained = [], set()
    for columns, most in ((arm_columns(comparison), None), (pair_columns(comparison), MOST_PAIRS)):
        table = Table(columns)
        count = min(table.height, most or table.height)
        under = [f"The first {count} of {table.height:,} pairs; --csv writes all."] if count < table.height else []
        under += legend([column for column in columns if column.heading not in explained])
        explained |= {column.heading for column in columns}
        found.append((rich_table(table, rows=count), under))
    return found


def _gone(compared: Compared) -> str:
    """Why trials have no value."""
    return gone_words(compared.run, compared.metric)


def _lettered(compared: Compared) -> bool:
    """Whether a compared arm has a long name."""
    return any(
        len(named(compared.run, group.arms[place].settings, compared.by)) > LONG_NAME
        for group in compared.groups
        for place in {place for pair in group.places for place in pair}
    )


def _letters(place: int) -> str:
    """A, B, ... Z, AA, AB, ..."""
    return (_letters(place // 26 - 1) if place >= 26 else "") + chr(ord("A") + place % 26)


def _settings(compared: Compared, rows: list[dict[str, Any]], names: Sequence[str]) -> list[Column]:
    found, digits = [], digits_of(compared.run)
    for name in dict.fromkeys(names):
        values = [row[name] for row in rows]
        numeric = all(isinstance(value, (int, float)) or value is None for value in values)
        texts = [formatting.value_of(name, value, digits) for value in values]
        found.append(Column(formatting.name(name), texts, values, numeric))
    return found


def _figures(heading: str, rows: list[dict[str, Any]], name: str, say: Any, note: str = "", **fields: bool) -> Column:
    return Column(heading, [say(row[name]) for row in rows], [row[name] for row in rows], help=note, **fields)


def _kept(columns: list[Column]) -> list[Column]:
    return [column for column in columns if set(column.texts) - {formatting.MISSING, ""}]


def _centre(row: dict[str, Any], centre: str) -> str:
    if row[centre] is not None or row["median"] is None:
        return formatting.number(row[centre])
    return f"median {formatting.number(row['median'])}"


def _interval(row: dict[str, Any], sign: bool = False) -> str:
    """Missing where the trials are deterministic, and with one seed."""
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
        return "equal"
    if row["method"] == "one seed":
        return formatting.MISSING
    return "yes" if row["significant"] else "as tuned" if row["significant_as_tuned"] else "no"
