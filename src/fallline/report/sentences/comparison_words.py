"""Comparisons in sentences: arms, figures, and caveats."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from fallline.report import formatting
from fallline.report.naming import digits_of, named
from fallline.report.rounding import interval, plus_minus
from fallline.report.sentences.interim_analyses import looks_in_words, percent
from fallline.stats import label
from fallline.stats.arms import Arm
from fallline.stats.compare import Compared, lost
from fallline.stats.differences import size
from fallline.stats.evidence import SAME, Evidence
from fallline.stats.pairwise import Pair, least_permutation_p
from fallline.stats.summary import FEW_SEEDS
from fallline.study.test_leakage import on_test


def arm_name(compared: Compared, arm: Arm) -> str:
    """The arm and its chosen setting: "adam at learning rate 0.005"."""
    digits = digits_of(compared.run)
    own, chosen = (
        formatting.recipe(arm.settings, compared.by, digits),
        formatting.recipe(arm.chosen, compared.tune, digits),
    )
    return f"{own} at {chosen}" if own and chosen else own or chosen


def how_lost(compared: Compared, arms: Sequence[Arm]) -> str:
    """Why these arms have no value at some seeds: "diverged", "missed the target or diverged", "gave no number"."""
    gaps = sum(len(arm.missing_at) for arm in arms)
    found = ["missed the target"] * (compared.metric == "steps_to_target")
    found += ["diverged"] * (sum(map(lost, arms)) > gaps) + ["gave no number"] * (gaps > 0)
    return " or ".join(found)


def value(compared: Compared, arm: Arm) -> str:
    """The arm's figure: "test accuracy 0.9212 ± 0.0021 (95 % CI, n = 10)"."""
    own, name = arm.standing, label(compared.metric)
    n = f"n = {formatting.count(own.n)}"
    if own.method == "values":
        return f"{name} {formatting.number(own.estimate)}"
    if own.method == "one seed":
        return f"{name} {formatting.number(own.estimate)} (one seed)"
    values = np.array(list(arm.sample.values()))
    half = half_width(own, values)
    if half is not None:
        return f"{name} {plus_minus(own.estimate, half)} (95 % CI, {n})"
    within = "" if own.low is None else f"95 % CI {interval(own.low, own.high)}, "
    return f"{name} {formatting.number(own.estimate)} (median, {within}{n})"


def half_width(found: Evidence, values: np.ndarray) -> float | None:
    """Half the width of the confidence interval of a mean over seeds: 0 where all seeds are equal; None where there
    is no mean or no interval, as with one seed or lost seeds.
    """
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
    """Caveats of the figures in sentences, the most important first."""
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
        return ["These trials are deterministic: reruns give identical results, so differences need no test."]
    said = []
    if counts == {1}:
        said.append("One seed: no confidence interval and no test, so a small difference may be chance.")
    elif min(counts) < FEW_SEEDS:
        said.append(f"Fewer than {FEW_SEEDS} seeds give a poor estimate of the variance; use 10 to 20 for a claim.")
    uneven = any(set(arm.sample) != set(group.seeds) for group in compared.groups for arm in group.arms)
    if uneven:
        few = [
            f"{arm_name(compared, arm)} ({formatting.count(len(arm.sample))} of {formatting.count(len(group.seeds))})"
            for group in compared.groups
            for arm in group.arms
            if set(arm.sample) != set(group.seeds)
        ]
        said.append(
            f"Not every arm has every seed: {formatting.listed(few, 5)}. Each pair is compared over its common seeds."
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
        f"At their best settings {how_lost(compared, arms)}: {formatting.listed(found, 5)}. Such a seed counts "
        f"as worse than any other; there the figure is the median and the test is the sign test."
    ]


def _choice(compared: Compared) -> list[str]:
    arms = [arm for arm in _every_arm(compared) if len(set(map(str, _options(arm)))) > 1]
    if not arms:
        return []
    chooses = compared.chosen_by
    names = formatting.listed([formatting.name(name) for name in compared.tune])
    what = formatting.listed([formatting.name(name) for name in compared.by])
    said = [f"Each {what}, an arm of the comparison, is evaluated at the {names} with the best mean {chooses.label}"]
    if all(len(arm.sample) == 1 for arm in arms):
        lucky = ", chosen and shown on the same values, which is slightly optimistic"
        said[0] += f"{lucky if chooses.column == compared.metric else ''}."
    elif not all(arm.exact for arm in arms):
        said[0] += (
            ". Each seed is evaluated at the setting that half of the other seeds choose (cross-fitted selection)."
        )
        said.append(
            "The chosen setting may not be the truly best one. An arm is called worse only where it is worse at "
            "every setting that could be its best; otherwise it is worse at the tuned settings only. "
            "Differences and confidence intervals are at the tuned settings."
        )
        split = [arm_name(compared, arm) for arm in arms if not arm.one_choice]
        if split:
            said.append(
                f"The seeds do not choose the same setting for {formatting.listed(split, 5)}: the setting named "
                f"is the choice of all seeds, the figures are of the settings that each half chose."
            )
    else:
        said[0] += "."
    if on_test(compared.metric) and not on_test(chooses.column):
        said[0] += f" {label(compared.metric).capitalize()} was evaluated for these only and chose nothing."
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
    said = [f"Two arms differ significantly at the {percent(compared.level)} level by {test} over common seeds{over}."]
    if count > 1:
        said[0] += " Confidence intervals are per pair, not adjusted."
    if max(len(group.arms) for group in compared.groups) > 2:
        said.append(
            f"Which arms can be the best is tested for each against the first, at {percent(compared.level)} for "
            f"all{' of a group' * (len(compared.groups) > 1)} together (multiple comparison with the best, "
            f"Hsu 1984): in {percent(1 - compared.level)} of studies the truly best arm is among those not "
            f"called worse."
        )
    said += _logs(compared)
    n = max(pair.evidence.n for pair in pairs)
    least = least_permutation_p(n)
    if least * count > compared.level:
        said.append(
            f"With {formatting.plural(n, 'seed')} a permutation or Wilcoxon test cannot give p below "
            f"{formatting.number(least, 2)}"
            + (f", {p_text(min(1.0, least * count))} after Holm" * (count > 1))
            + ": they cannot find a significant difference here, and the t test assumes roughly normal differences."
        )
        return said
    doubted = sum(
        pair.significant and pair.p_permutation is not None and pair.p_permutation > pair.level for pair in pairs
    )
    if doubted:
        said.append(
            f"In {formatting.plural(doubted, 'pair')} that differ significantly by the t test, the permutation "
            f"test, which assumes less, has p above {formatting.number(compared.level, 2)}: run more seeds."
        )
    return said


def _logs(compared: Compared) -> list[str]:
    """Pairs whose p-value is of the logarithms."""
    found = [pair for pair in _every_pair(compared) if pair.evidence.logs and pair.significant]
    if not found:
        return []
    return [
        f"In {formatting.plural(len(found), 'pair')} that differ significantly, one arm is worse and more "
        f"variable, and p is of the logarithms of the values, which large single values dominate less; the "
        f"confidence interval is of the difference itself and may include 0."
    ]


def _rounds(compared: Compared) -> list[str]:
    said = looks_in_words(compared.run)
    return [said] if said else []


def _left_out(compared: Compared) -> list[str]:
    said = []
    if compared.without:
        what = formatting.listed([formatting.name(name) for name in compared.by])
        names = [named(compared.run, settings, settings) for settings in compared.without]
        said.append(f"Left out, since they have no {what}: {formatting.listed(filter(None, names), 5)}.")
    if compared.alone:
        names = [named(compared.run, settings, settings) for settings in compared.alone]
        said.append(f"Left out, since no other arm has the same remaining settings: {formatting.listed(names, 5)}.")
    if len(compared.groups) > 1:
        said.append(
            f"What else varies ({formatting.listed([formatting.name(name) for name in compared.held])}) is "
            f"fixed within a comparison; Holm's correction is over the pairs of all comparisons."
        )
    return said


def _examples(compared: Compared) -> list[str]:
    found = [same for group in compared.same_examples for same in group if same is not None]
    if not found:
        return []
    several = "; over several seeds, twice the median of their p" if max(same.seeds for same in found) > 1 else ""
    return [
        f"McNemar's test compares the trained models on the same {formatting.count(found[0].examples)} examples"
        f"{several}. It is about other examples, not about other seeds."
    ]


def _folds(compared: Compared) -> list[str]:
    found = [cut for group in compared.over_folds for cut in group if cut is not None]
    if not found:
        return []
    return [
        f"The p over {formatting.count(found[0].folds)} folds is of the settings that all seeds choose, by the "
        "corrected resampled t test (Nadeau and Bengio 2003): it is about other examples, not about other seeds."
    ]
