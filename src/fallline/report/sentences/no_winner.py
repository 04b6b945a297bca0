"""Why no winner is named: an arm may only be worse because its learning rate was not tuned."""

from __future__ import annotations

import polars as pl

from fallline.report import formatting
from fallline.report.naming import named
from fallline.stats.compare import ArmGroup, Compared

RATE = "learning_rate"
SHOWN = 4
"""The most arms named."""


def reserve(compared: Compared, group: ArmGroup) -> str:
    """Half a sentence that says which arms ran at one learning rate only; empty where the learning rate is compared,
    where no arm has one, or where every arm was tuned over several, here or by a search.
    """
    if RATE in compared.by or compared.run.study.search is not None:  # there each arm was tuned on other seeds
        return ""
    tried = [(arm, arm.learning_rates) for arm in group.arms]
    one = [(arm, rates[0]) for arm, rates in tried if len(rates) == 1]
    if not one:
        return ""
    if len(one) < sum(bool(rates) for _, rates in tried):
        names = formatting.listed([named(compared.run, arm.settings, compared.by) for arm, _ in one], SHOWN)
        return f"no winner is named, as {names} ran at one learning rate only"
    same = reserve_of(pl.Series([rate for _, rate in one]))
    return same or "no winner is named, as no learning rate was tuned"


def reserve_of(rates: pl.Series) -> str:
    """The same for configurations: empty where they have several learning rates, or none."""
    values = rates.drop_nulls().unique().to_list()
    if len(values) != 1:
        return ""
    return f"no winner is named, as the learning rate was {formatting.setting(values[0])} for all and tuned for none"
