"""Whether the held-out test set agrees with the choice on validation: one sentence per winner that another arm beats
there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fallline.contracts import MetricName
from fallline.report import formatting
from fallline.report.naming import named
from fallline.report.results import Results
from fallline.report.rounding import by_width
from fallline.report.sentences.comparison_words import arm_name, p_words
from fallline.stats import label
from fallline.stats.arms import Arm
from fallline.stats.columns import finished, metric_columns
from fallline.stats.compare import ArmGroup, Compared
from fallline.stats.differences import size
from fallline.stats.evidence import LEVEL, Sample
from fallline.stats.metric import direction
from fallline.stats.missing import not_a_number
from fallline.stats.pairwise import two_sided
from fallline.study.test_leakage import on_test


def beaten_on_test(compared: Compared) -> list[str]:
    """One sentence per group whose best arm on validation is worse than another arm on the test set."""
    column = _twin(compared.metric)
    if column not in metric_columns(compared.run.trials) or on_test(compared.chosen_by.column):
        return []
    return [said for group in compared.groups if (said := _of(compared, group, column))]


def ranked_on_test(results: Results) -> list[str]:
    """The same for a ranking without a comparison, among the configurations evaluated on the test set."""
    column = _twin(results.metric.column)
    mean = f"{column}_mean"
    table = results.best if results.by_optimizer else results.ranked
    if column == results.metric.column or mean not in table.columns or results.metric.within:
        return []
    rows = table.drop_nulls(mean).to_dicts()
    up = direction(column, results.run.study.goals) == "up"
    if not rows or rows[0]["configuration"] != table["configuration"][0]:
        return []
    best = (max if up else min)(rows, key=lambda row: row[mean])
    if best[mean] == rows[0][mean]:
        return []
    names = [named(results.run, row, results.varying) for row in (best, rows[0])]
    return [
        f"On the held-out test set {names[0]} is better: {label(column)} {formatting.number(best[mean])} "
        f"against {formatting.number(rows[0][mean])} of {names[1]}, which {results.metric.label} chose. {_STAYS}"
    ]


_STAYS = "The choice remains that of validation: a choice on the test set leaves no data to judge it."


def _twin(metric: str) -> str:
    return str(MetricName.parse(metric).on("test"))


def _of(compared: Compared, group: ArmGroup, column: str) -> str:
    up = direction(column, compared.run.study.goals) == "up"
    values = [_values(arm, column) for arm in group.arms]
    if not values[0]:
        return ""
    gaps = [_gaps(own, values[0], up) for own in values]
    ahead = max(range(len(gaps)), key=lambda place: gaps[place].mean() if gaps[place].size else 0.0)
    if not gaps[ahead].size or not gaps[ahead].mean() > 0:
        return ""
    gap = gaps[ahead] if up else -gaps[ahead]
    best, other = arm_name(compared, group.arms[0]), arm_name(compared, group.arms[ahead])
    within = (
        f"{formatting.capital(named(compared.run, group.within, group.within))}: on"
        if len(compared.groups) > 1
        else "On"
    )
    by, significant = _by(gap, group.arms, values)
    better = "is better than" if significant else "is better on average, not significantly, than"
    return (
        f"{within} the held-out test set {other} {better} {best}, which {compared.chosen_by.label} chose: "
        f"{label(column)} {by}. {_STAYS}"
    )


def _by(gap: np.ndarray, arms: Sequence[Arm], values: Sequence[dict[int, float]]) -> tuple[str, bool]:
    """By how much, with a p-value corrected for comparing with all others (Bonferroni), and whether it is significant,
    or the difference certain."""
    exact = all(arm.exact for arm in arms)
    found = two_sided(Sample(gap, exact, size(np.array([value for own in values for value in own.values()]))))
    half = 0.0 if found.low is None or found.high is None else (found.high - found.low) / 2
    said = by_width(float(gap.mean()), half, sign=True)
    if found.method in ("values", "one seed"):
        return f"{said}{', one seed' * (found.method == 'one seed')}", found.method == "values"
    p = min(1.0, found.p_for * max(1, sum(map(bool, values)) - 1))
    return f"{said}, {p_words(p)}, n = {formatting.count(found.n)}", p <= LEVEL


def _gaps(own: dict[int, float], best: dict[int, float], up: bool) -> np.ndarray:
    """The difference from the best at each common seed."""
    seeds = sorted(own.keys() & best.keys())
    return np.array([(own[seed] - best[seed]) * (1 if up else -1) for seed in seeds])


def _values(arm: Arm, column: str) -> dict[int, float]:
    """The test value of each seed at the chosen setting; none for seeds without one."""
    rows = arm.chosen_rows
    whole = rows.filter(finished() & ~not_a_number(column))
    return dict(whole.select("seed", column).iter_rows()) if whole.height == rows.height else {}
