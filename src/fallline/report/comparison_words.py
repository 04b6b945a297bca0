"""A comparison in words: its arms and figures, and what to hold against them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from fallline.report import formatting
from fallline.report.interim_analyses import looks_in_words, percent
from fallline.report.naming import digits_of, named
from fallline.report.rounding import interval, plus_minus
from fallline.stats import label
from fallline.stats.arms import Arm
from fallline.stats.compare import Compared, lost
from fallline.stats.differences import size
from fallline.stats.evidence import SAME, Evidence
from fallline.stats.pairwise import Pair, least_permutation_p
from fallline.stats.summary import FEW_SEEDS
from fallline.study.test_leakage import on_test


def arm_name(compared: Compared, arm: Arm) -> str:
    """What is compared and what was chosen: "adam at learning rate 0.005"."""
    digits = digits_of(compared.run)
    own, chosen = (
        formatting.recipe(arm.settings, compared.by, digits),
        formatting.recipe(arm.chosen, compared.tune, digits),
    )
    return f"{own} at {chosen}" if own and chosen else own or chosen


def how_lost(compared: Compared, arms: Sequence[Arm]) -> str:
    """What became of the seeds that these arms lost: "diverged", "missed the target or diverged", "gave no number"."""
    gaps = sum(len(arm.missing_at) for arm in arms)
    found = ["missed the target"] * (compared.metric == "steps_to_target")
    found += ["diverged"] * (sum(map(lost, arms)) > gaps) + ["gave no number"] * (gaps > 0)
    return " or ".join(found)


def value(compared: Compared, arm: Arm) -> str:
    """The arm's figure: "test accuracy 0.9212 ± 0.0021 (95 % confidence interval, n = 10)"."""
    own, name = arm.standing, label(compared.metric)
    n = f"n = {formatting.count(own.n)}"
    if own.method == "values":
        return f"{name} {formatting.number(own.estimate)}"
    if own.method == "one seed":
        return f"{name} {formatting.number(own.estimate)} (one seed)"
    values = np.array(list(arm.sample.values()))
    half = half_width(own, values)
    if half is not None:
        return f"{name} {plus_minus(own.estimate, half)} (95 % confidence interval, {n})"
    within = "" if own.low is None else f"95 % interval {interval(own.low, own.high)}, "
    return f"{name} {formatting.number(own.estimate)} (median, {within}{n})"


def half_width(found: Evidence, values: np.ndarray) -> float | None:
    """Half the confidence interval of a mean over seeds: 0 where all seeds give the same; None where there is no mean
    or no interval, as of one seed and where seeds were lost."""
    if found.method == "t" and found.low is not None and found.high is not None:
        return (found.high - found.low) / 2
    alike = len(values) > 1 and np.isfinite(values).all() and float(values.std(ddof=1)) <= SAME * size(values)
    return 0.0 if found.method == "sign" and alike else None


def p_text(p: float | None) -> str:
    return formatting.MISSING if p is None else "< 0.0001" if p < 1e-4 else formatting.number(p, 2)


def p_words(p: float) -> str:
    """ "p = 0.4", "p < 0.0001"."""
    return f"p {p_text(p)}" if p < 1e-4 else f"p = {p_text(p)}"


def notes(compared: Compared) -> list[str]:
    """What a reader should hold against the figures, in words; the weightiest first."""
    parts: tuple[Callable[[Compared], list[str]], ...] = (
        _seeds,
        _lost,
        _choice,
        _tests,
        _rounds,
        _left_out,
        _examples,
        _folds,
    )
    return [text for part in parts for text in part(compared)]


def _every_arm(compared: Compared) -> list[Arm]:
    return [arm for group in compared.groups for arm in group.arms]


def _every_pair(compared: Compared) -> list[Pair]:
    return [pair for pairs in compared.pairs for pair in pairs]


def _seeds(compared: Compared) -> list[str]:
    arms = _every_arm(compared)
    counts = {arm.standing.n for arm in arms}
    if all(arm.exact for arm in arms):
        return ["Nothing is left to chance in these trials: every difference is what it is, and needs no test."]
    said = []
    if counts == {1}:
        said.append("One seed: no interval and no test, so a small difference may be chance.")
    elif min(counts) < FEW_SEEDS:
        said.append(f"Fewer than {FEW_SEEDS} seeds say little about spread; 10 to 20 make a claim.")
    uneven = any(set(arm.sample) != set(group.seeds) for group in compared.groups for arm in group.arms)
    if uneven:
        few = [
            f"{arm_name(compared, arm)} ({formatting.count(len(arm.sample))} of {formatting.count(len(group.seeds))})"
            for group in compared.groups
            for arm in group.arms
            if set(arm.sample) != set(group.seeds)
        ]
        said.append(
            f"Not every arm has every seed: {formatting.listed(few, 5)}. Each pair is compared over the seeds that "
            "both have."
        )
    return said


def _lost(compared: Compared) -> list[str]:
    arms = _every_arm(compared)
    found = [
        f"{arm_name(compared, arm)} ({formatting.count(lost(arm))} of {formatting.plural(len(arm.sample), 'seed')})"
        for arm in arms
        if lost(arm)
    ]
    if not found:
        return []
    return [
        f"At their best settings {how_lost(compared, arms)}: {formatting.listed(found, 5)}. A lost seed counts "
        f"as worse "
        "than any other, so there the figure is the median and the test is the sign test."
    ]


def _choice(compared: Compared) -> list[str]:
    arms = [arm for arm in _every_arm(compared) if len(set(map(str, _options(arm)))) > 1]
    if not arms:
        return []
    chooses = compared.chosen_by
    names = formatting.listed([formatting.name(name) for name in compared.tune])
    what = formatting.listed([formatting.name(name) for name in compared.by])
    said = [f"Each {what}, an arm of the comparison, stands at the {names} with the best mean {chooses.label}"]
    if all(len(arm.sample) == 1 for arm in arms):
        lucky = ", chosen and shown on the same numbers: the best of many is a little lucky"
        said[0] += f"{lucky if chooses.column == compared.metric else ''}."
    elif not all(arm.exact for arm in arms):
        said[0] += ". Each seed is read at what half of the other seeds choose, so that no seed judges what it chose."
        said.append(
            "What seeds choose may not be the best there is. So an arm is called worse only where it loses at "
            "every setting that could be its best; where it loses only at those its seeds chose, it is worse "
            "as tuned. Differences and intervals are of the arms as tuned."
        )
        split = [arm_name(compared, arm) for arm in arms if not arm.one_choice]
        if split:
            said.append(
                f"The seeds do not agree on a setting for {formatting.listed(split, 5)}: the one named is that of "
                "all together, the figures are of what each half chose."
            )
    else:
        said[0] += "."
    if on_test(compared.metric) and not on_test(chooses.column):
        said[0] += f" {label(compared.metric).capitalize()} was read for these alone, and chose nothing."
    return [*said, *([chooses.note] if chooses.note else [])]


def _options(arm: Arm) -> list[tuple]:
    names = [name for name in arm.tune if name in arm.rows.columns]
    return arm.rows.select(names).rows() if names else []


def _tests(compared: Compared) -> list[str]:
    pairs = [pair for pair in _every_pair(compared) if pair.p is not None]
    if not pairs:
        return []
    count, methods = len(pairs), {pair.evidence.method for pair in pairs}
    test = " or ".join(name for key, name in (("t", "the paired t test"), ("sign", "the sign test")) if key in methods)
    over = f" and Holm's correction over {'both' if count == 2 else f'all {formatting.count(count)}'} pairs" * (
        count > 1
    )
    said = [f"Two arms are told apart at the {percent(compared.level)} level by {test} over common seeds{over}."]
    if count > 1:
        said[0] += " The intervals are those of one pair by itself."
    if max(len(group.arms) for group in compared.groups) > 2:
        said.append(
            f"Which arms can be the best is asked of each beside the first, at {percent(compared.level)} for "
            f"all{' of a group' * (len(compared.groups) > 1)} together (multiple comparison with the best, "
            f"Hsu 1984): in {percent(1 - compared.level)} of studies the truly best arm is among those that "
            "are not called worse."
        )
    said += _logs(compared)
    n = max(pair.evidence.n for pair in pairs)
    least = least_permutation_p(n)
    if least * count > compared.level:
        said.append(
            f"With {formatting.plural(n, 'seed')} a permutation or Wilcoxon test cannot give p under "
            f"{formatting.number(least, 2)}"
            + (f", {p_text(min(1.0, least * count))} after Holm" * (count > 1))
            + ": here they cannot tell arms apart by themselves, and the t test leans on differences that "
            "are roughly normal."
        )
        return said
    doubted = sum(
        pair.told_apart and pair.p_permutation is not None and pair.p_permutation > pair.level for pair in pairs
    )
    if doubted:
        said.append(
            f"In {formatting.plural(doubted, 'pair')} told apart the permutation test, which assumes less, has p "
            f"over {formatting.number(compared.level, 2)}: more seeds would settle the doubt."
        )
    return said


def _logs(compared: Compared) -> list[str]:
    """Where the p-value is that of the logarithms."""
    found = [pair for pair in _every_pair(compared) if pair.evidence.logs and pair.told_apart]
    if not found:
        return []
    return [
        f"In {formatting.plural(len(found), 'pair')} told apart one arm is worse and scatters more, and p is that of "
        "the logarithms of the values, where a single large value hides nothing; the interval is of the plain "
        "difference and may hold 0."
    ]


def _rounds(compared: Compared) -> list[str]:
    said = looks_in_words(compared.run)
    return [said] if said else []


def _left_out(compared: Compared) -> list[str]:
    said = []
    if compared.without:
        what = formatting.listed([formatting.name(name) for name in compared.by])
        names = [named(compared.run, settings, settings) for settings in compared.without]
        said.append(f"Left out, as they take no {what}: {formatting.listed(filter(None, names), 5)}.")
    if compared.alone:
        names = [named(compared.run, settings, settings) for settings in compared.alone]
        said.append(f"Left out, as nothing shares all else with them: {formatting.listed(names, 5)}.")
    if len(compared.groups) > 1:
        said.append(
            f"What varies besides ({formatting.listed([formatting.name(name) for name in compared.held])}) is the same "
            "within a comparison; Holm's correction counts the pairs of all of them."
        )
    return said


def _examples(compared: Compared) -> list[str]:
    found = [same for group in compared.same_examples for same in group if same is not None]
    if not found:
        return []
    several = "; over several seeds, twice the median of their p" if max(same.seeds for same in found) > 1 else ""
    return [
        f"McNemar's test compares the trained models on the same {formatting.count(found[0].examples)} examples"
        f"{several}. It speaks of other examples, not of other seeds."
    ]


def _folds(compared: Compared) -> list[str]:
    found = [cut for group in compared.over_folds for cut in group if cut is not None]
    if not found:
        return []
    return [
        f"The p over {formatting.count(found[0].folds)} folds is of the settings that all seeds choose, by the "
        "corrected resampled t test (Nadeau and Bengio 2003): it speaks of other examples, not of other seeds."
    ]
