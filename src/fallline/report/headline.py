"""The top of the page: the answer in a sentence, the table behind it, its caveats."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import polars as pl

from fallline.contracts import MetricName
from fallline.errors import FalllineError
from fallline.report import formatting
from fallline.report.comparison import CHANCE, Comparison, arm_columns
from fallline.report.document import Column
from fallline.report.naming import named
from fallline.report.results import Results, columns, constants
from fallline.report.rounding import plus_minus
from fallline.report.scaling.result import Scaled
from fallline.report.sentences.answer import answer, cautions, runner_up
from fallline.report.sentences.brief import brief
from fallline.report.sentences.commands import to_finish
from fallline.report.sentences.comparison_words import half_width, p_text
from fallline.report.sentences.earlier import earlier_in_words
from fallline.report.sentences.edges import edge_of_best, edges
from fallline.report.sentences.interim_analyses import looks_in_words
from fallline.report.sentences.missing import missing_in_words
from fallline.report.sentences.no_winner import RATE, reserve, reserve_of
from fallline.report.sentences.on_test import beaten_on_test, ranked_on_test
from fallline.report.sentences.recommendation import next_command
from fallline.scaling.folder import ScaleFolder
from fallline.stats import label
from fallline.stats.arms import Arm
from fallline.stats.best import AHEAD, AS_GOOD, AS_TUNED, BEST, LOST, OPEN, SAME, WORSE
from fallline.stats.columns import FINISHED, metric_columns
from fallline.stats.compare import MOST_PAIRS
from fallline.stats.differences import size
from fallline.stats.evidence import Region, weigh
from fallline.stats.missing import not_a_number
from fallline.stats.question import compared_by

MOST_SENTENCES = 4
"""The most groups answered at the top of the page; the table has all."""

LEFT_OUT = ("mean rank", "tried", "diverged", "no number")
"""Columns of a comparison that only the CSV has at the top of the page."""

NUMBERLESS = "no number"
VERDICTS = {
    WORSE: "significantly worse than the first",
    AS_TUNED: "at another setting not significantly worse than the first",
    OPEN: "not significantly worse than the first",
    AS_GOOD: "equivalent to the first within the margin",
    SAME: "equal except for rounding",
}
"""What a verdict means, for the tooltip of its column."""


@dataclass(frozen=True, eq=False)
class Opening:
    """The results, and the comparison that answers the study's question; None where there is nothing to compare."""

    results: Results
    comparison: Comparison | None
    read: tuple[str, ...] = ()
    """Sentences about this evaluation of the held-out test set, from the record of test reads."""

    @classmethod
    def of(cls, results: Results) -> Opening:
        """The comparison of what the run varies, if it can be made in a few seconds."""
        by = compared_by(results.run)
        if not by:
            return cls(results, None)
        try:
            found = Comparison.of(results.run, by)
        except FalllineError:  # nothing to compare, in words that speak of the command
            return cls(results, None)
        pairs = sum(len(group.places) for group in found.compared.groups)
        return cls(results, found if pairs <= MOST_PAIRS else None)

    @cached_property
    def scaled(self) -> Scaled | None:
        """What more devices buy, where it was measured with the run."""
        folder = self.results.run.paths.scaling
        return Scaled.open(folder) if ScaleFolder(folder).exists else None

    @cached_property
    def answers(self) -> list[str]:
        """Whether to use more devices, where the study asks; then one sentence per group of arms, or the best
        configuration.
        """
        return [*([self.scaled.sentence] if self.scaled else []), *self._of_trials]

    @property
    def _of_trials(self) -> list[str]:
        if self.comparison is None:
            name, value, _ = answer(self.results)
            every = self.results.ranked
            held = reserve_of(every[RATE]) if every.height > 1 and RATE in every.columns else ""
            best = f"{formatting.capital(held)}; best so far:" if held else "Best:"
            return [f"{best} {name}: {value}." if value else f"{name}."]
        return self.comparison.answer[:MOST_SENTENCES]

    @cached_property
    def beside(self) -> list[str]:
        """What follows the answers: their confidence interval, and how many more there are."""
        if self.comparison is None:
            _, value, sure = answer(self.results)
            return [text for text in (sure, runner_up(self.results) if value else "") if text]
        more = len(self.comparison.answer) - MOST_SENTENCES
        return [f"The table has {formatting.count(more)} more."] if more > 0 else []

    @cached_property
    def lead(self) -> list[str]:
        """The answer, at most two lines for one question; before them a line on more devices where the study asks
        for it, and one line per group where several groups are compared.
        """
        devices = [self.scaled.sentence] if self.scaled else []
        if self.comparison is None:
            return [*self.answers, *self.beside][: 2 + len(devices)]
        said = brief(self.comparison.compared)
        if (groups := len(self.comparison.answer)) > 1:
            said = said[: MOST_SENTENCES + len(said) - groups]
        return [*devices, *said]

    @property
    def figures(self) -> list[str]:
        """What the first lines leave out: p-values, and the seeds needed."""
        said = [*self._of_trials, *self.beside]
        return [text for text in said if text not in self.lead]

    @cached_property
    def next_step(self) -> str:
        """What to type next for a clearer answer; else empty."""
        if self.comparison is None:
            return next(iter(self.sure), "")
        return next_command(self.comparison.compared)

    @cached_property
    def sure(self) -> list[str]:
        """How certain the answer is, and what to type for a clearer one; first of all whether trials are missing."""
        if self.comparison is not None:
            return [*self.comparison.sure, *beaten_on_test(self.comparison.compared)]
        return [text for text in [to_finish(self.results.run), *self.warnings] if text]

    @cached_property
    def warnings(self) -> list[str]:
        """Warnings that belong to the answer: missing values, a best learning rate at an edge of its search range, a
        winner that another arm beats on the test set, trials of an earlier form of the study.
        """
        run = self.results.run
        if self.comparison is None:
            found = [
                missing_in_words(run, self.results.metric.column),
                edge_of_best(self.results),
                *ranked_on_test(self.results),
            ]
        else:
            compared = self.comparison.compared
            found = [
                missing_in_words(run, compared.metric, compared.chosen_by.column),
                edges(compared),
                *beaten_on_test(compared),
            ]
        return list(filter(None, [*found, earlier_in_words(run)]))

    @cached_property
    def columns(self) -> list[Column]:
        """The table: the arms, each compared with the best of its group, or the ranked rows."""
        if self.comparison is None:
            return columns(self.results, self.ranked)
        found = [
            replace(column, names=column.heading == "optimizer" and not column.numeric)
            for column in arm_columns(self.comparison)
            if column.heading not in LEFT_OUT
        ]
        gap, p, verdict = _against_best(self.comparison)
        figure = next(place for place, column in enumerate(found) if column.heading == "n") - 1
        figure -= found[figure].heading == "sd"
        tested = any(value is not None for value in p.values)
        return [*found[: figure + 1], verdict, gap, *[p] * tested, *found[figure + 1 :], *_tested(self.comparison)]

    @cached_property
    def reserves(self) -> list[str]:
        """Why no winner is named; each reason once."""
        if self.comparison is None:
            return []
        compared = self.comparison.compared
        found = dict.fromkeys(filter(None, (reserve(compared, group) for group in compared.groups)))
        return [f"{formatting.capital(why)}." for why in found]

    @property
    def ranked(self) -> pl.DataFrame:
        """The first rows where there is no comparison: each optimizer at its best, or every configuration."""
        return self.results.best if self.results.by_optimizer else self.results.ranked

    @cached_property
    def caption(self) -> str:
        """What is ranked by what, over how many seeds."""
        metric, seeds = self.results.metric, self.results.seeds
        better = "higher is better" if metric.up else "lower is better"
        spread = "One seed" if seeds == 1 else f"Mean over {formatting.plural(seeds, 'seed')}"
        within = ", each kind of loss separately" if metric.within else ""
        by = self.comparison.compared.by if self.comparison else ("optimizer",)
        tuned = self.comparison.compared.tune if self.comparison else self.results.by_optimizer
        if not tuned:
            return f"Ranked by {metric.label}{within} ({better}). {spread}."
        what = formatting.listed([formatting.name(name) for name in by])
        said = f"Each {what} at its best setting by {metric.label}{within} ({better}). {spread}."
        return f"{said} {_split(self.comparison)}".rstrip()

    @cached_property
    def otherwise(self) -> str:
        """Why the means in a table of configurations differ from those of the answer; empty where they do not."""
        if self.comparison is None or not _split(self.comparison):
            return ""
        return (
            "A mean here is of one setting over all seeds. In the first table each seed is evaluated at the "
            "setting that the other seeds choose (cross-fitted selection), so its means may differ."
        )

    @cached_property
    def caveats(self) -> list[str]:
        """Caveats of the answer: tuning, edges of search ranges, tests, what was fixed; each once."""
        said = [*cautions(self.results), *(self.comparison.notes if self.comparison else [])]
        fixed = constants(self.results)
        if fixed:
            said.append(f"Fixed for all trials: {fixed}. With other values the ranking may differ.")
        return list(dict.fromkeys(filter(None, [*said, looks_in_words(self.results.run), *self.read])))


def _split(comparison: Comparison | None) -> str:
    """Which arms have a mean over several settings."""
    if comparison is None:
        return ""
    compared = comparison.compared
    split = [
        named(compared.run, arm.settings, compared.by)
        for group in compared.groups
        for arm in group.arms
        if compared.tune and not arm.one_choice
    ]
    if not split:
        return ""
    return (
        f"Not all seeds choose the same setting for {formatting.listed(split, 5)}: the table shows the choice "
        f"of all seeds together, and the mean over the settings that each seed was evaluated at."
    )


def _against_best(comparison: Comparison) -> list[Column]:
    """The difference of each arm from the best of its group, the p-value against its being the best, and the verdict.

    The first is called best only where a winner can be named.
    """
    compared = comparison.compared
    gaps, ps, verdicts = [], [], []
    for group, pairs, found in zip(compared.groups, compared.pairs, compared.standings, strict=True):
        beside = {second: pair for (first, second), pair in zip(group.places, pairs, strict=True) if first == 0}
        held = bool(reserve(compared, group))
        for place, standing in enumerate(found):
            pair, gone = beside.get(place), standing.verdict == LOST and group.arms[place].missing_at
            gaps.append(None if pair is None else _finite(-pair.evidence.estimate))
            ps.append(standing.p_best)
            verdicts.append(
                NUMBERLESS
                if gone
                else AHEAD
                if held and standing.verdict == BEST
                else standing.verdict or formatting.MISSING
            )
    return [
        Column(
            "vs. best",
            [formatting.signed(gap) for gap in gaps],
            gaps,
            help="mean difference from the first row, paired over seeds"
            if len(compared.groups) == 1
            else "mean difference from the best of its group, paired over seeds",
        ),
        Column("p", [p_text(p) for p in ps], ps, help=CHANCE + ", if the arm were the best; adjusted for all arms"),
        Column(
            "verdict",
            verdicts,
            verdicts,
            numeric=False,
            help="; ".join(
                f"{name} = {said}"
                for name, said in VERDICTS.items()
                if name in verdicts and (name == SAME or any(p is not None for p in ps))
            ),
        ),
    ]


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _tested(comparison: Comparison) -> list[Column]:
    """Held-out test metrics of the chosen settings: the one that corresponds to the compared metric, and accuracy."""
    compared = comparison.compared
    known = metric_columns(compared.run.trials)
    name = MetricName.parse(compared.metric)
    twin = str((name.curve if name.split == "validation" else name).on("test"))  # of the best epoch: after the last
    wanted = [name for name in dict.fromkeys((twin, "test_accuracy")) if name in known and name != compared.metric]
    arms = [arm for group in compared.groups for arm in group.arms]
    if compared.chosen_by.name.split == "test":
        return []
    found = []
    for name in wanted:
        values = [_read(arm, name) for arm in arms]
        means = [float(value.mean()) if value.size else None for value in values]
        texts = [_spread(value, arm) for value, arm in zip(values, arms, strict=True)]
        found.append(
            Column(
                label(name),
                texts,
                means,
                help="on the held-out test set, at the setting shown; mean ± half the width of its 95 % CI",
            )
        )
    return [column for column in found if set(column.texts) != {formatting.MISSING}]


def _read(arm: Arm, column: str) -> np.ndarray:
    """The values of the chosen setting by seed, where they are numbers; none where one of its trials diverged."""
    own = arm.chosen_rows
    if not set(own["status"]) <= set(FINISHED):
        return np.empty(0)
    return own.sort("seed").filter(~not_a_number(column))[column].to_numpy()


def _spread(values: np.ndarray, arm: Arm) -> str:
    """Mean and confidence interval, and at how many seeds the arm has no value."""
    if not values.size:
        return formatting.MISSING
    found, without = weigh(values, Region(low=0.0), arm.exact, size(values)), arm.chosen_rows.height - values.size
    but = (
        f" ({formatting.count(without)} of {formatting.count(arm.chosen_rows.height)} without a value)"
        if without
        else ""
    )
    half = half_width(found, values)
    return (formatting.number(found.estimate) if half is None else plus_minus(found.estimate, half)) + but
